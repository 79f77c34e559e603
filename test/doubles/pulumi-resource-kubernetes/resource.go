package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gantry-operator/gantry/test/doubles/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
)

const (
	fieldManager = "pulumi-kubernetes-stand-in"
	goneInterval = 100 * time.Millisecond
	goneTimeout  = 10 * time.Minute
)

// Check completes a resource's inputs.
func (k *kubernetes) Check(_ context.Context, r *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	kind, err := kindOf(r.GetUrn())
	if err != nil {
		return nil, err
	}
	inputs, err := kind.complete(provider.Plain(r.GetNews()), provider.Plain(r.GetOlds()), nameOf(r.GetUrn()), k.cluster.namespace)
	if err != nil {
		return nil, err
	}
	checked, err := provider.Properties(inputs)
	return &pulumirpc.CheckResponse{Inputs: checked}, err
}

// Diff asks for a replacement where the object would be another one.
func (k *kubernetes) Diff(_ context.Context, r *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	kind, err := kindOf(r.GetUrn())
	if err != nil {
		return nil, err
	}
	olds, news := provider.Plain(r.GetOldInputs()), provider.Plain(r.GetNews())
	changed := provider.Changed(olds, news)
	if len(changed) == 0 {
		return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
	}
	diff := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_SOME, Diffs: changed}
	if kind.identity(olds) != kind.identity(news) {
		diff.Replaces = []string{"metadata"}
	}
	return diff, nil
}

// Create makes the object.
func (k *kubernetes) Create(ctx context.Context, r *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	if r.GetPreview() {
		return &pulumirpc.CreateResponse{Properties: r.GetProperties()}, nil
	}
	object, properties, err := k.write(ctx, r.GetUrn(), r.GetProperties())
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CreateResponse{Id: idOf(object.GetNamespace(), object.GetName()), Properties: properties}, nil
}

// Update changes the object.
func (k *kubernetes) Update(ctx context.Context, r *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	if r.GetPreview() {
		return &pulumirpc.UpdateResponse{Properties: r.GetNews()}, nil
	}
	_, properties, err := k.write(ctx, r.GetUrn(), r.GetNews())
	return &pulumirpc.UpdateResponse{Properties: properties}, err
}

// Read returns the object as it is, or nothing if it is gone.
func (k *kubernetes) Read(ctx context.Context, r *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	objects, name, err := k.find(r.GetUrn(), r.GetId())
	if err != nil {
		return nil, err
	}
	object, err := objects.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return &pulumirpc.ReadResponse{}, nil
	}
	if err != nil {
		return nil, err
	}
	properties, err := outputs(object)
	return &pulumirpc.ReadResponse{Id: r.GetId(), Properties: properties, Inputs: r.GetInputs()}, err
}

// Delete deletes the object and returns when it is gone.
func (k *kubernetes) Delete(ctx context.Context, r *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	objects, name, err := k.find(r.GetUrn(), r.GetId())
	if err != nil {
		return nil, err
	}
	if err := objects.Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return nil, err
	}
	err = wait.PollUntilContextTimeout(ctx, goneInterval, goneTimeout, true, func(ctx context.Context) (bool, error) {
		_, err := objects.Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
	if err != nil {
		return nil, fmt.Errorf("waiting until %s is gone: %w", r.GetId(), err)
	}
	return &emptypb.Empty{}, nil
}

// write applies an object as the one manager of its fields, be it there already or not.
func (k *kubernetes) write(ctx context.Context, urn string, properties *structpb.Struct) (*unstructured.Unstructured, *structpb.Struct, error) {
	object := &unstructured.Unstructured{Object: provider.Plain(properties)}
	objects, _, err := k.find(urn, idOf(object.GetNamespace(), object.GetName()))
	if err != nil {
		return nil, nil, err
	}
	if !known(object.Object) {
		return nil, nil, fmt.Errorf("%s has values that are not known yet", urn)
	}
	object, err = objects.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
	if err != nil {
		return nil, nil, err
	}
	written, err := outputs(object)
	return object, written, err
}

func (k *kubernetes) find(urn, id string) (dynamic.ResourceInterface, string, error) {
	kind, err := kindOf(urn)
	if err != nil {
		return nil, "", err
	}
	if k.unreachable != nil {
		return nil, "", fmt.Errorf("configured Kubernetes cluster is unreachable: %w", k.unreachable)
	}
	namespace, name := splitID(id)
	return kind.at(k.cluster.client, namespace), name, nil
}

// outputs are the object, without the record of who wrote which field.
func outputs(object *unstructured.Unstructured) (*structpb.Struct, error) {
	object = object.DeepCopy()
	object.SetManagedFields(nil)
	return provider.Properties(object.Object)
}

func nameOf(urn string) string {
	parts := strings.SplitN(urn, "::", 4)
	return parts[len(parts)-1]
}
