// Package kube owns how the manager writes to the API server: always server-side apply or a patch of the metadata,
// never a rewrite of a user's object, under one field manager per purpose.
package kube

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Field managers. They are PKO's, so that what PKO applied is ours to change and remove after a takeover.
const (
	ManagerObjects             = "pulumi-kubernetes-operator"
	ManagerStackStatus         = "pulumi-kubernetes-operator/stack-status"
	ManagerWorkspaceStatus     = "pulumi-kubernetes-operator/workspace-status"
	ManagerUpdateStatus        = "pulumi-kubernetes-operator/update-status"
	ManagerProgramStatus       = "pulumi-kubernetes-operator/program-status"
	ManagerPrerequisiteRequest = "pulumi-kubernetes-operator/prerequisite-request"
)

// ConflictRetry is when a reconcile that met a newer object is tried again, if no event of the newer one comes first:
// how long the cache gets to catch up.
const ConflictRetry = 50 * time.Millisecond

// ApplyStatus makes status the whole of what the manager owns in the status of obj. It writes nothing if obj's
// status, given as old, is the same. The object's UID and resource version go along: a namesake that was made in the
// meantime is not written to, and a reconcile of a stale copy never takes a newer record back; both are conflicts
// (apierrors.IsConflict), which the next reconcile heals. On success obj has the new resource version.
func ApplyStatus[T any](ctx context.Context, c client.Client, obj client.Object, manager string, old, status *T) error {
	if equality.Semantic.DeepEqual(old, status) {
		return nil
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(status)
	if err != nil {
		return fmt.Errorf("convert the status of %s: %w", obj.GetName(), err)
	}
	patch, err := identity(c, obj)
	if err != nil {
		return err
	}
	patch.SetUID(obj.GetUID())
	patch.SetResourceVersion(obj.GetResourceVersion())
	patch.Object["status"] = fields
	data, err := patch.MarshalJSON()
	if err != nil {
		return fmt.Errorf("encode the status of %s: %w", obj.GetName(), err)
	}
	if err := c.Status().Patch(ctx, patch, client.RawPatch(types.ApplyPatchType, data), client.FieldOwner(manager), client.ForceOwnership); err != nil {
		return err
	}
	obj.SetResourceVersion(patch.GetResourceVersion())
	return nil
}

// Apply makes obj's fields what the manager wants of the object, creating it if it is not there. obj is updated to
// what the server answers.
func Apply(ctx context.Context, c client.Client, obj client.Object, manager string) error {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return fmt.Errorf("convert %s: %w", obj.GetName(), err)
	}
	patch, err := identity(c, obj)
	if err != nil {
		return err
	}
	kind := patch.Object
	kind["metadata"] = fields["metadata"]
	for key, value := range fields {
		if key != "status" && key != "apiVersion" && key != "kind" {
			kind[key] = value
		}
	}
	unstructured.RemoveNestedField(kind, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(kind, "metadata", "managedFields")
	unstructured.RemoveNestedField(kind, "metadata", "resourceVersion")
	data, err := patch.MarshalJSON()
	if err != nil {
		return fmt.Errorf("encode %s: %w", obj.GetName(), err)
	}
	if err := c.Patch(ctx, patch, client.RawPatch(types.ApplyPatchType, data), client.FieldOwner(manager), client.ForceOwnership); err != nil {
		return err
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(patch.Object, obj)
}

// identity is an object with nothing but obj's kind, namespace and name.
func identity(c client.Client, obj client.Object) (*unstructured.Unstructured, error) {
	gvk, err := apiutil.GVKForObject(obj, c.Scheme())
	if err != nil {
		return nil, fmt.Errorf("kind of %s: %w", obj.GetName(), err)
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(gvk)
	u.SetNamespace(obj.GetNamespace())
	u.SetName(obj.GetName())
	return u, nil
}

// TooLarge tells that the API server did not take an object because of its size. It has a reason for that only where the
// request is too large for itself; what is too large for its store it tells in words.
func TooLarge(err error) bool {
	if err == nil {
		return false
	}
	words := err.Error()
	return apierrors.IsRequestEntityTooLargeError(err) || strings.Contains(words, "etcdserver: request is too large") ||
		strings.Contains(words, "trying to send message larger than max")
}
