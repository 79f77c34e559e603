package kubetest

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Manager is who the API server takes the user of a Refusing for.
const Manager = "system:serviceaccount:gantry-system:gantry-manager"

// Refusing is a client whose user may not do something: the API server's authorizer says so, in its words.
type Refusing struct {
	client.Client
	// Verb is what the user may not do with objects of the Kind, which are the Resource.
	Verb     string
	Resource schema.GroupResource
	Kind     string
}

func (r Refusing) refuses(verb string, object client.Object, namespace, name string) error {
	kind, err := r.GroupVersionKindFor(object)
	if err != nil || verb != r.Verb || kind.Kind != r.Kind {
		return err
	}
	words := fmt.Sprintf("User %q cannot %s resource %q in API group %q in the namespace %q", Manager, verb, r.Resource.Resource, r.Resource.Group, namespace)
	return apierrors.NewForbidden(r.Resource, name, errors.New(words))
}

// Get reads, if it may.
func (r Refusing) Get(ctx context.Context, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
	if err := r.refuses("get", object, key.Namespace, key.Name); err != nil {
		return err
	}
	return r.Client.Get(ctx, key, object, opts...)
}

// Create creates, if it may.
func (r Refusing) Create(ctx context.Context, object client.Object, opts ...client.CreateOption) error {
	if err := r.refuses("create", object, object.GetNamespace(), ""); err != nil {
		return err
	}
	return r.Client.Create(ctx, object, opts...)
}

// Patch patches, if it may.
func (r Refusing) Patch(ctx context.Context, object client.Object, patch client.Patch, opts ...client.PatchOption) error {
	if err := r.refuses("patch", object, object.GetNamespace(), object.GetName()); err != nil {
		return err
	}
	return r.Client.Patch(ctx, object, patch, opts...)
}

// Delete deletes, if it may.
func (r Refusing) Delete(ctx context.Context, object client.Object, opts ...client.DeleteOption) error {
	if err := r.refuses("delete", object, object.GetNamespace(), object.GetName()); err != nil {
		return err
	}
	return r.Client.Delete(ctx, object, opts...)
}
