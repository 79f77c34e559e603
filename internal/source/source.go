// Package source owns the one question that every kind of source answers: which revision of the program is it, and
// which archive holds it? Git, Flux and Program each have a package below it.
package source

import "k8s.io/apimachinery/pkg/types"

// Revision is what a source resolved to.
type Revision struct {
	// Revision is the source's own word for it, as users see it: a git commit, a Flux revision, or the generation of a
	// Program as a decimal number.
	Revision string
	// Digest is "sha256:<hex>" of the archive in the store. Two revisions with one digest are the same program.
	Digest string
	// Content identifies the files themselves, whatever the revision is called: as long as it stays, nothing of the
	// program changed.
	Content string
}

// Consumer is an object that follows a source.
type Consumer struct {
	// Kind of the object, such as Stack.
	Kind string
	types.NamespacedName
}
