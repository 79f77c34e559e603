// Package watch owns the watch of one object: a stream of what it looks like, selected by its name as kubelet does it, so
// that nothing else of its kind comes over the wire or into memory, and no more may be read than was granted.
package watch

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// atLeast is how long a watch stays open if nothing ends it; up to twice as long. Each end costs a request.
const atLeast = 30 * time.Minute

// Objects lists and watches the objects of a kind in a namespace.
type Objects struct {
	// List lists them.
	List func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error)
	// Watch watches them.
	Watch func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error)
	// Kind is their kind, for the log.
	Kind string
	// Type is an object of the kind, as the watch tells of it.
	Type runtime.Object
}

// One tells, until ctx is done, each state that the object of the given name is seen in; nil stands for no object.
func One(ctx context.Context, objects Objects, name types.NamespacedName, seen func(object any)) {
	only := fields.OneTermEqualSelector(metav1.ObjectNameField, name.Name).String()
	watcher := listThenWatch{&cache.ListWatch{
		// The API server takes a list of one from its cache, by the object's key.
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = only
			return objects.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.FieldSelector = only
			return objects.Watch(ctx, options)
		},
	}}
	cache.NewReflectorWithOptions(watcher, objects.Type, states{seen}, cache.ReflectorOptions{
		Name: objects.Kind + " " + name.String(), MinWatchTimeout: atLeast,
	}).RunWithContext(ctx)
}

// listThenWatch asks for the list by itself. To ask for it in the watch's own stream saves nothing for one object, and API
// servers on an old etcd cannot answer it.
type listThenWatch struct{ *cache.ListWatch }

// IsWatchListSemanticsUnSupported is what the reflector asks.
func (listThenWatch) IsWatchListSemanticsUnSupported() bool { return true }

// states is a reflector's store that keeps nothing.
type states struct{ seen func(object any) }

// Add is for an object that is new.
func (s states) Add(object any) error { return s.Update(object) }

// Update is for an object that changed.
func (s states) Update(object any) error {
	s.seen(object)
	return nil
}

// Delete is for an object that is gone.
func (s states) Delete(any) error { return s.Update(nil) }

// Replace is for the list that a watch begins with.
func (s states) Replace(objects []any, _ string) error {
	if len(objects) == 0 {
		return s.Delete(nil)
	}
	return s.Update(objects[0])
}

// Resync does nothing: there is nothing to tell again.
func (s states) Resync() error { return nil }
