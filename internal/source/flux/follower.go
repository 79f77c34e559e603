package flux

import (
	"context"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gantry-operator/gantry/internal/source"
)

// Follower follows sources, from the objects that describe them to the archives in the store.
type Follower struct {
	// Sources looks at the objects.
	Sources *Sources
	// Artifacts gets what they name.
	Artifacts *Tracker
}

// Notify sets who is told which consumers of a kind to look at again. wake must not block.
func (f *Follower) Notify(kind string, wake func(types.NamespacedName)) {
	f.Sources.Notify(kind, wake)
	f.Artifacts.Notify(kind, wake)
}

// Observe makes a source what a consumer follows, and answers its revision once that is in the store; before, an error
// with the revision and the content that it is to have, as far as the source names them. known are the digests of
// archives in the store, by what a record says is in them: these are not fetched again.
func (f *Follower) Observe(ctx context.Context, consumer source.Consumer, ref Reference, known map[string]string) (source.Revision, error) {
	object, err := f.Sources.Get(ctx, consumer, ref)
	if err != nil {
		return source.Revision{}, err
	}
	artifact, err := ArtifactOf(object)
	if err != nil {
		return source.Revision{}, err
	}
	if digest := known[artifact.Digest]; digest != "" {
		f.Artifacts.Known(artifact.Digest, digest)
	}
	revision, err := f.Artifacts.Observe(consumer, artifact)
	if err != nil {
		return source.Revision{Revision: artifact.Revision, Content: artifact.Digest}, err
	}
	return revision, nil
}

// Forget ends what was followed for a consumer.
func (f *Follower) Forget(consumer source.Consumer) {
	f.Sources.Forget(consumer)
	f.Artifacts.Forget(consumer)
}
