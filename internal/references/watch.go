package references

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"

	"github.com/gantry-operator/gantry/internal/pod"
	"github.com/gantry-operator/gantry/internal/watch"
)

// watchOne tells, until ctx is done, each resource version that an object is seen to have; "" stands for no object. Only
// metadata comes over the wire.
func watchOne(ctx context.Context, all metadata.Interface, of object, seen func(version string)) {
	resource := schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	if of.kind == pod.KindConfigMap {
		resource.Resource = "configmaps"
	}
	objects := all.Resource(resource).Namespace(of.namespace)
	watch.One(ctx, watch.Objects{
		List: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return objects.List(ctx, options)
		},
		Watch: objects.Watch,
		Kind:  of.kind,
		Type:  &metav1.PartialObjectMetadata{},
	}, types.NamespacedName{Namespace: of.namespace, Name: of.name}, func(object any) {
		if accessor, err := meta.Accessor(object); err == nil {
			seen(accessor.GetResourceVersion())
			return
		}
		seen("")
	})
}
