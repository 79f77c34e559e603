package references

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"

	"github.com/gantry-operator/gantry/internal/pod"
)

// watchAtLeast is how long a watch stays open if nothing ends it; up to twice as long. Each end costs a request.
const watchAtLeast = 30 * time.Minute

// watchOne tells, until ctx is done, each resource version that an object is seen to have; "" stands for no object. Only
// metadata comes over the wire.
func watchOne(ctx context.Context, all metadata.Interface, of object, seen func(version string)) {
	resource := schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	if of.kind == pod.KindConfigMap {
		resource.Resource = "configmaps"
	}
	objects := all.Resource(resource).Namespace(of.namespace)
	only := fields.OneTermEqualSelector(metav1.ObjectNameField, of.name).String()
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
	cache.NewReflectorWithOptions(watcher, &metav1.PartialObjectMetadata{}, versions{seen}, cache.ReflectorOptions{
		Name: of.kind + " " + types.NamespacedName{Namespace: of.namespace, Name: of.name}.String(), MinWatchTimeout: watchAtLeast,
	}).RunWithContext(ctx)
}

// listThenWatch asks for the list by itself. To ask for it in the watch's own stream saves nothing for one object, and API
// servers on an old etcd cannot answer it.
type listThenWatch struct{ *cache.ListWatch }

// IsWatchListSemanticsUnSupported is what the reflector asks.
func (listThenWatch) IsWatchListSemanticsUnSupported() bool { return true }

// versions is a reflector's store that keeps nothing.
type versions struct{ seen func(version string) }

// Add is for an object that is new.
func (v versions) Add(object any) error { return v.Update(object) }

// Update is for an object that changed.
func (v versions) Update(object any) error {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	v.seen(accessor.GetResourceVersion())
	return nil
}

// Delete is for an object that is gone.
func (v versions) Delete(any) error {
	v.seen("")
	return nil
}

// Replace is for the list that a watch begins with.
func (v versions) Replace(objects []any, _ string) error {
	if len(objects) == 0 {
		return v.Delete(nil)
	}
	return v.Update(objects[0])
}

// Resync does nothing: there is nothing to tell again.
func (v versions) Resync() error { return nil }
