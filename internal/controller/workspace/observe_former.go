package workspace

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// kindStatefulSet is the kind of what PKO keeps a Workspace's pod with.
const kindStatefulSet = "StatefulSet"

// Former is what PKO left of the Workspace: a StatefulSet that keeps a pod day and night, and its Service.
type Former struct {
	// Remove are those of the two that are not being deleted yet.
	Remove []*metav1.PartialObjectMetadata
	// HasPod says that the Workspace's pod is the StatefulSet's.
	HasPod bool
	// Unknown says that it could not be found out what there is.
	Unknown bool
}

// left tells whether anything has to make room, or may have to.
func (f Former) left() bool { return len(f.Remove) > 0 || f.HasPod || f.Unknown }

// formerName is the name of the StatefulSet, and of the Service, that PKO made for a Workspace.
func formerName(workspace string) string { return workspace + "-workspace" }

// observeFormer asks the API server what PKO left, if there is a sign of it: its pod, or an address in the status, which
// only PKO ever wrote. Nothing of it is cached, since no cluster has any of it for long.
func (r *Reconciler) observeFormer(ctx context.Context, o *Observed) {
	name := types.NamespacedName{Namespace: o.Workspace.Namespace, Name: formerName(o.Workspace.Name)}
	podOf := keptBy(o.Pod, name.Name)
	if !o.Workspace.DeletionTimestamp.IsZero() || (podOf == "" && o.Workspace.Status.Address == "") {
		return
	}
	set, errSet := r.formerly(ctx, appsv1.SchemeGroupVersion.WithKind(kindStatefulSet), name, o.Workspace)
	service, errService := r.formerly(ctx, corev1.SchemeGroupVersion.WithKind("Service"), name, o.Workspace)
	if err := errors.Join(errSet, errService); err != nil {
		o.LookupError = errors.Join(o.LookupError, err)
		o.Former.Unknown = true
	}
	for _, object := range []*metav1.PartialObjectMetadata{set, service} {
		if object != nil && object.DeletionTimestamp.IsZero() {
			o.Former.Remove = append(o.Former.Remove, object)
		}
	}
	o.Former.HasPod = set != nil && podOf == set.UID
}

// keptBy is the UID of the StatefulSet of a name that controls the pod; empty if there is none.
func keptBy(p *corev1.Pod, set string) types.UID {
	if p == nil {
		return ""
	}
	ref := metav1.GetControllerOf(p)
	if ref == nil || ref.Kind != kindStatefulSet || ref.Name != set {
		return ""
	}
	return ref.UID
}

// formerly reads the metadata of an object. It answers nil unless this very Workspace controls it: a namesake of another
// owner is not ours to remove.
func (r *Reconciler) formerly(ctx context.Context, kind schema.GroupVersionKind, name types.NamespacedName, of *autov1alpha1.Workspace) (*metav1.PartialObjectMetadata, error) {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(kind)
	err := r.Reader.Get(ctx, name, object)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look for %s %s: %w", kind.Kind, name, err)
	case !metav1.IsControlledBy(object, of):
		return nil, nil
	}
	object.SetGroupVersionKind(kind)
	return object, nil
}
