// Package gittest owns a stand-in for what follows git repositories, which tests of controllers tell what to answer.
package gittest

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/git"
)

// Double answers what it is told to.
type Double struct {
	Revision source.Revision
	Err      error
	// Followed is what each consumer asked for last.
	Followed map[source.Consumer]git.Request
}

// Notify does nothing: tests call the controllers themselves.
func (*Double) Notify(string, func(types.NamespacedName)) {}

// Forget forgets what a consumer asked for.
func (d *Double) Forget(consumer source.Consumer) { delete(d.Followed, consumer) }

// Observe takes note of the request and answers.
func (d *Double) Observe(consumer source.Consumer, request git.Request) (source.Revision, error) {
	if d.Followed == nil {
		d.Followed = map[source.Consumer]git.Request{}
	}
	d.Followed[consumer] = request
	return d.Revision, d.Err
}
