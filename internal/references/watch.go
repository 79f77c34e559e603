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
	watcher := &one{resource: all.Resource(resource).Namespace(of.namespace), name: of.name}
	cache.NewReflectorWithOptions(watcher, &metav1.PartialObjectMetadata{}, versions{of.name, seen}, cache.ReflectorOptions{
		Name: of.kind + " " + types.NamespacedName{Namespace: of.namespace, Name: of.name}.String(), MinWatchTimeout: watchAtLeast,
	}).RunWithContext(ctx)
}

// one lists and watches one object.
type one struct {
	resource metadata.ResourceInterface
	name     string
}

// ListWithContext is one object's list. The API server takes it from its cache, by the object's key.
func (o *one) ListWithContext(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	return o.resource.List(ctx, o.only(options))
}

// WatchWithContext watches one object.
func (o *one) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	return o.resource.Watch(ctx, o.only(options))
}

// List is for callers without a context.
func (o *one) List(options metav1.ListOptions) (runtime.Object, error) {
	return o.ListWithContext(context.Background(), options)
}

// Watch is for callers without a context.
func (o *one) Watch(options metav1.ListOptions) (watch.Interface, error) {
	return o.WatchWithContext(context.Background(), options)
}

func (o *one) only(options metav1.ListOptions) metav1.ListOptions {
	options.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, o.name).String()
	return options
}

// IsWatchListSemanticsUnSupported keeps the reflector from asking for the list in the watch's own stream, which saves
// nothing for one object and which API servers on an old etcd cannot give.
func (o *one) IsWatchListSemanticsUnSupported() bool { return true }

// versions is a reflector's store that keeps nothing.
type versions struct {
	name string
	seen func(version string)
}

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
