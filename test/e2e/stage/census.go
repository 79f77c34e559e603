package stage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// Definitions are the names of the definitions that Gantry has.
func Definitions() []string {
	return []string{"programs.pulumi.com", "stacks.pulumi.com", "updates.auto.pulumi.com", "workspaces.auto.pulumi.com"}
}

// clusterWide are the kinds of what an installation leaves in no namespace.
func clusterWide() []schema.GroupVersionKind {
	rbac := schema.GroupVersion{Group: "rbac.authorization.k8s.io", Version: "v1"}
	return []schema.GroupVersionKind{
		{Version: "v1", Kind: "Namespace"},
		{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"},
		rbac.WithKind("ClusterRole"), rbac.WithKind("ClusterRoleBinding"),
	}
}

// Census is what there is of the cluster itself at a time: namespaces, definitions, and what is granted in all of it.
type Census map[string]bool

// Census counts it now.
func (s *Stage) Census(ctx context.Context) (Census, error) {
	found := Census{}
	err := s.eachClusterWide(ctx, func(object *unstructured.Unstructured) {
		found[object.GetKind()+" "+object.GetName()] = true
	})
	return found, err
}

// Restore removes what has come since a census: first the Stacks, without what they have made, and then, when no manager has
// anything to do with them any more, all else. It returns when that is gone.
func (s *Stage) Restore(ctx context.Context, before Census) error {
	if err := s.dismissAll(ctx); err != nil {
		return err
	}
	come, err := s.Since(ctx, before)
	// The manager ends last: without it pods of stacks wait for a while before they do.
	for _, managers := range []bool{false, true} {
		for _, object := range come {
			if object.GetKind() == "Namespace" && managers == (object.GetName() == s.Manager.Namespace) {
				err = errors.Join(err, client.IgnoreNotFound(s.Client.Delete(ctx, object)), s.stop(ctx, object.GetName()))
			}
		}
	}
	for _, object := range come {
		err = errors.Join(err, client.IgnoreNotFound(s.Client.Delete(ctx, object)))
	}
	for _, object := range come {
		err = errors.Join(err, s.UntilGone(ctx, object, "to go"))
	}
	return err
}

// stop ends what runs in a namespace. The cluster would begin with that in five seconds, and look again in five more.
func (s *Stage) stop(ctx context.Context, namespace string) error {
	err := s.Client.DeleteAllOf(ctx, &appsv1.Deployment{}, client.InNamespace(namespace), client.PropagationPolicy(metav1.DeletePropagationForeground))
	pods := &corev1.PodList{}
	err = errors.Join(err, s.Client.List(ctx, pods, client.InNamespace(namespace)))
	for i := range pods.Items {
		err = errors.Join(err, s.UntilGone(ctx, &pods.Items[i], "to end"))
	}
	return err
}

// Since is what has come since a census.
func (s *Stage) Since(ctx context.Context, before Census) ([]*unstructured.Unstructured, error) {
	var come []*unstructured.Unstructured
	err := s.eachClusterWide(ctx, func(object *unstructured.Unstructured) {
		if !before[object.GetKind()+" "+object.GetName()] {
			come = append(come, object)
		}
	})
	return come, err
}

// dismissAll lets go of all Stacks and waits for their Updates, which the manager keeps until it has recorded them.
func (s *Stage) dismissAll(ctx context.Context) error {
	stacks, updates := &pulumiv1.StackList{}, &autov1alpha1.UpdateList{}
	if err := s.Client.List(ctx, stacks); err != nil {
		return ignoreNoKind(err)
	}
	var errs []error
	for i := range stacks.Items {
		n := &Namespace{Stage: s, Name: stacks.Items[i].Namespace}
		errs = append(errs, n.dismiss(ctx, &stacks.Items[i]))
	}
	if err := s.Client.List(ctx, updates); err != nil {
		return errors.Join(append(errs, ignoreNoKind(err))...)
	}
	for i := range updates.Items {
		errs = append(errs, s.UntilGone(ctx, &updates.Items[i], "to go with its Stack"))
	}
	return errors.Join(errs...)
}

// RemoveDefinitions removes what a former installation left of Gantry's API. It refuses to where there are Stacks, which would
// go with it.
func (s *Stage) RemoveDefinitions(ctx context.Context) error {
	stacks := &pulumiv1.StackList{}
	if err := s.Client.List(ctx, stacks); ignoreNoKind(err) != nil {
		return fmt.Errorf("looking for Stacks: %w", err)
	}
	var names []string
	for _, stack := range stacks.Items {
		names = append(names, client.ObjectKeyFromObject(&stack).String())
	}
	if len(names) > 0 {
		return fmt.Errorf("every Stack would go with the definitions; delete these first: %s", strings.Join(names, ", "))
	}
	var errs []error
	for _, name := range Definitions() {
		definition := &unstructured.Unstructured{}
		definition.SetGroupVersionKind(clusterWide()[1])
		definition.SetName(name)
		errs = append(errs, client.IgnoreNotFound(s.Client.Delete(ctx, definition)), s.UntilGone(ctx, definition, "to go"))
	}
	return errors.Join(errs...)
}

func (s *Stage) eachClusterWide(ctx context.Context, visit func(*unstructured.Unstructured)) error {
	for _, kind := range clusterWide() {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		if err := s.Client.List(ctx, list); err != nil {
			return fmt.Errorf("listing %s: %w", kind.Kind, err)
		}
		for i := range list.Items {
			visit(&list.Items[i])
		}
	}
	return nil
}

// ignoreNoKind is nil for an error that says that a kind is not defined.
func ignoreNoKind(err error) error {
	if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
