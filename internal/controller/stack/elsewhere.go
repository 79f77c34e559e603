package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/pod"
)

// This file is about Stacks whose namespace is being deleted: no pod can be made there, so that their destroy runs in the
// execution namespace, if the manager has one.

// namespacePoll is how often a Stack is looked at that its terminating namespace holds back.
const namespacePoll = 30 * time.Second

// namespaceTerminating: no pod can be made where the Stack is, and there is no other place for the destroy.
func namespaceTerminating(o Observed, _ time.Time) *Step {
	if !o.Terminating || o.Elsewhere != "" {
		return nil
	}
	return terminatingStep(o.Stack)
}

// terminatingStep says what a person can do for a Stack whose namespace is being deleted.
func terminatingStep(stack *pulumiv1.Stack) *Step {
	return &Step{After: namespacePoll, State: conditions.Stalled(pulumiv1.ReasonNamespaceTerminating, fmt.Sprintf(
		"namespace %[1]s is being deleted, so that no pod can destroy the stack in it, and the manager has no namespace for that (--destroy-namespace). "+
			"Set that; or destroy the stack from elsewhere and release this Stack, or give up what it made, which is %[4]s: kubectl annotate stack %[2]s -n %[1]s %[3]s=true",
		stack.Namespace, stack.Name, pulumiv1.AnnotationAbandon, inventory(stack)))}
}

// observeNamespace looks whether the namespace of a Stack that has to be destroyed is being deleted, and finds the place for the
// destroy. A namespace that is being deleted never comes back.
func (r *Reconciler) observeNamespace(ctx context.Context, o *Observed) error {
	if !deleting(o.Stack) || !o.Stack.Spec.DestroyOnFinalize {
		return nil
	}
	namespace := &corev1.Namespace{}
	if err := r.Reader.Get(ctx, types.NamespacedName{Name: o.Stack.Namespace}, namespace); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("get namespace %s: %w", o.Stack.Namespace, err)
	}
	o.Terminating = !namespace.DeletionTimestamp.IsZero()
	if !o.Terminating || r.DestroyNamespace == "" || r.DestroyNamespace == o.Stack.Namespace {
		return nil
	}
	o.Elsewhere = r.DestroyNamespace
	if o.Update != nil {
		return nil
	}
	var err error
	if o.PodGone, err = r.podGone(ctx, o.Stack); err != nil {
		return err
	}
	o.Workspace, err = r.workspace(ctx, workspaceElsewhere(o.Stack, o.Elsewhere))
	return err
}

// podGone tells whether the Stack's pod is gone from a namespace that is being deleted, in which none can be made any more.
func (r *Reconciler) podGone(ctx context.Context, stack *pulumiv1.Stack) (bool, error) {
	found := &metav1.PartialObjectMetadata{}
	found.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	key := types.NamespacedName{Namespace: stack.Namespace, Name: autov1alpha1.PodName(pulumiv1.WorkspaceName(stack.Name))}
	err := r.Reader.Get(ctx, key, found)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("get pod %s: %w", key, err)
	}
	return apierrors.IsNotFound(err), nil
}

// workspaceElsewhere is where the Workspace of a Stack is in the execution namespace: Stacks of all namespaces meet there.
func workspaceElsewhere(stack *pulumiv1.Stack, namespace string) client.ObjectKey {
	sum := sha256.Sum256([]byte(stack.UID))
	name := stack.Namespace + "-" + stack.Name + "-" + hex.EncodeToString(sum[:4])
	return client.ObjectKey{Namespace: namespace, Name: autov1alpha1.ShortName(name)}
}

// moveElsewhere makes the desired Workspace one of the execution namespace. It cannot be owned by the Stack there: an
// annotation says whose it is. No pod stays there without work.
func moveElsewhere(o *Observed) {
	if o.Desired == nil {
		return
	}
	workspace, key := o.Desired, workspaceElsewhere(o.Stack, o.Elsewhere)
	if o.PodGone {
		workspace.Annotations = overlay(workspace.Annotations, map[string]string{autov1alpha1.AnnotationGoneHosts: pod.HostPrefix(workspace)})
	}
	workspace.Namespace, workspace.Name, workspace.OwnerReferences = key.Namespace, key.Name, nil
	workspace.Annotations = overlay(workspace.Annotations, map[string]string{pulumiv1.AnnotationStack: ownerName(o.Stack)})
	workspace.Spec.IdleTimeout = "0s"
}

// ownerName is the Stack as the annotation has it.
func ownerName(stack client.Object) string { return client.ObjectKeyFromObject(stack).String() }

// ownerElsewhere maps what is in the execution namespace to the Stack that it is there for.
func (r *Reconciler) ownerElsewhere(_ context.Context, object client.Object) []reconcile.Request {
	namespace, name, ok := strings.Cut(object.GetAnnotations()[pulumiv1.AnnotationStack], string(types.Separator))
	if !ok || r.DestroyNamespace == "" || object.GetNamespace() != r.DestroyNamespace {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}}
}

// leaveElsewhere removes what was made for a Stack in the execution namespace, and with it the pod.
func (r *Reconciler) leaveElsewhere(ctx context.Context, stack client.ObjectKey) error {
	if r.DestroyNamespace == "" {
		return nil
	}
	var list autov1alpha1.WorkspaceList
	if err := r.Client.List(ctx, &list, client.InNamespace(r.DestroyNamespace)); err != nil {
		return fmt.Errorf("list the Workspaces of namespace %s: %w", r.DestroyNamespace, err)
	}
	for i := range list.Items {
		workspace := &list.Items[i]
		if workspace.Annotations[pulumiv1.AnnotationStack] != stack.String() {
			continue
		}
		err := r.Client.Delete(ctx, workspace, client.Preconditions{UID: &workspace.UID})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete Workspace %s/%s: %w", workspace.Namespace, workspace.Name, err)
		}
	}
	return nil
}

// refusedElsewhere is the step for an execution namespace in which nothing can be made; nil if that is not what is wrong.
func refusedElsewhere(err error, stack *pulumiv1.Stack, workspace *autov1alpha1.Workspace) *Step {
	if workspace.Namespace == stack.Namespace {
		return nil
	}
	var problem string
	switch {
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		problem = "is being deleted too"
	case apierrors.IsNotFound(err):
		problem = "does not exist: create it, with the Secrets and the ServiceAccount that the stack needs"
	default:
		return nil
	}
	return &Step{After: namespacePoll, State: conditions.Stalled(pulumiv1.ReasonNamespaceTerminating, fmt.Sprintf(
		"namespace %s is being deleted, and namespace %s, in which the destroy should run (--destroy-namespace), %s", stack.Namespace, workspace.Namespace, problem))}
}
