package stack

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/kube"
	"github.com/gantry-operator/gantry/internal/pod"
)

// workspaceKubeconfig is the kubeconfig of a Stack as its Workspace knows it: another Stack's output is a Secret to it.
func workspaceKubeconfig(stack *pulumiv1.Stack) *autov1alpha1.KubeconfigSource {
	from := stack.Spec.Kubeconfig
	if from == nil {
		return nil
	}
	if outputOf(stack) == nil {
		return &autov1alpha1.KubeconfigSource{Type: autov1alpha1.KubeconfigType(from.Type), SecretRef: from.SecretRef.DeepCopy()}
	}
	return &autov1alpha1.KubeconfigSource{
		Type:      autov1alpha1.KubeconfigSecret,
		SecretRef: &autov1alpha1.SecretKey{Name: pulumiv1.KubeconfigSecretName(stack.Name), Key: kubeconfigKey},
	}
}

// observeKubeconfig reads the output that the Stack takes its kubeconfig from, and the copy of it.
func (r *Reconciler) observeKubeconfig(ctx context.Context, o *Observed) error {
	of := outputOf(o.Stack)
	if of == nil {
		return nil
	}
	var err error
	k := &Kubeconfig{}
	if k.Copy, err = r.secret(ctx, o.Stack.Namespace, pulumiv1.KubeconfigSecretName(o.Stack.Name)); err != nil {
		return err
	}
	giver := &pulumiv1.Stack{}
	switch err := r.Client.Get(ctx, client.ObjectKey{Namespace: o.Stack.Namespace, Name: of.Name}, giver); {
	case err == nil:
		k.Giver = giver
	case !apierrors.IsNotFound(err):
		return fmt.Errorf("get Stack %s: %w", of.Name, err)
	}
	update := secretGivenBy(k.Giver, of.Output)
	if update != "" && (k.Copy == nil || k.Copy.Annotations[annotationOrigin] != originOf(of, update)) {
		if k.Outputs, err = r.secret(ctx, o.Stack.Namespace, autov1alpha1.OutputsSecretName(update)); err != nil {
			return err
		}
	}
	o.Kubeconfig = k
	return nil
}

// secret reads a Secret, nil if there is none.
func (r *Reconciler) secret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := r.Reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get Secret %s: %w", name, err)
	}
	return secret, nil
}

// keepKubeconfig writes the copy, or makes room for it.
func (r *Reconciler) keepKubeconfig(ctx context.Context, o Observed, step *Step) error {
	if step.Drop {
		// A Secret that goes may go with its Stack, of which the cache tells later than of the Secret, which is read live.
		// The destroy needs it then.
		if goes, err := r.goes(ctx, o.Stack); err != nil || goes {
			return err
		}
		return r.dropKubeconfig(ctx, client.ObjectKeyFromObject(o.Stack))
	}
	if step.Keep == nil {
		return nil
	}
	if err := kube.Apply(ctx, r.Client, step.Keep, kube.ManagerObjects); err != nil {
		return fmt.Errorf("keep the kubeconfig: %w", err)
	}
	r.Inputs.Outdate(pod.KindSecret, client.ObjectKeyFromObject(step.Keep))
	return nil
}

// goes tells whether the API server knows the Stack to be on its way out.
func (r *Reconciler) goes(ctx context.Context, stack *pulumiv1.Stack) (bool, error) {
	live := &pulumiv1.Stack{}
	if err := r.Reader.Get(ctx, client.ObjectKeyFromObject(stack), live); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return live.UID == stack.UID && deleting(live), nil
}

// dropKubeconfig deletes the copy that a Stack of this name has.
func (r *Reconciler) dropKubeconfig(ctx context.Context, stack client.ObjectKey) error {
	kept, err := r.releaseKubeconfig(ctx, stack)
	if err != nil || kept == nil {
		return err
	}
	return client.IgnoreNotFound(r.Client.Delete(ctx, kept, client.Preconditions{UID: &kept.UID}))
}

// releaseKubeconfig lets the copy go with its Stack, and reads nothing but its metadata, which it answers: nil if there
// is no copy.
func (r *Reconciler) releaseKubeconfig(ctx context.Context, stack client.ObjectKey) (*metav1.PartialObjectMetadata, error) {
	kept := &metav1.PartialObjectMetadata{}
	kept.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(pod.KindSecret))
	name := client.ObjectKey{Namespace: stack.Namespace, Name: pulumiv1.KubeconfigSecretName(stack.Name)}
	err := r.Reader.Get(ctx, name, kept)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get Secret %s: %w", name.Name, err)
	}
	if owner := stackOwner(kept); owner == nil || owner.Name != stack.Name {
		return nil, nil
	}
	was := kept.DeepCopy()
	if !controllerutil.RemoveFinalizer(kept, finalizerCopy) {
		return kept, nil
	}
	if err := r.patchFinalizers(ctx, kept, was); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("release Secret %s: %w", name.Name, err)
	}
	return kept, nil
}

// usesCopy tells that a Workspace takes its kubeconfig from the copy that its Stack keeps.
func usesCopy(workspace *autov1alpha1.Workspace) bool {
	if workspace == nil {
		return false
	}
	k := workspace.Spec.Kubeconfig
	return k != nil && k.SecretRef != nil && k.SecretRef.Name == pulumiv1.KubeconfigSecretName(workspace.Name)
}
