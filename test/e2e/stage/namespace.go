package stage

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

const (
	// StateClaim is the claim of a namespace's volume for state.
	StateClaim = "state"
	// PassphraseSecret holds the passphrase of a namespace's stacks.
	PassphraseSecret = "passphrase"

	enforceLabel = "pod-security.kubernetes.io/enforce"

	// leaveTimeout is how long a Stack may take to go when its namespace is cleaned up.
	leaveTimeout = 30 * time.Second
)

// Namespace is a namespace of its own for a story: it enforces a Pod Security Standard, has a volume for
// state and a passphrase.
type Namespace struct {
	*Stage
	// Name of the namespace.
	Name string
}

// NewNamespace makes a namespace with a name that begins with prefix and enforces a Pod Security Standard.
func (s *Stage) NewNamespace(ctx context.Context, prefix, standard string) (*Namespace, error) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: prefix + "-", Labels: map[string]string{enforceLabel: standard},
	}}
	if err := s.Client.Create(ctx, namespace); err != nil {
		return nil, fmt.Errorf("making namespace %s: %w", prefix, err)
	}
	n := &Namespace{Stage: s, Name: namespace.Name}
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: n.meta(StateClaim),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
	passphrase := &corev1.Secret{ObjectMeta: n.meta(PassphraseSecret), StringData: map[string]string{"passphrase": "of the story " + n.Name}}
	account := &corev1.ServiceAccount{ObjectMeta: n.meta("default")}
	err := errors.Join(s.Client.Create(ctx, claim), s.Client.Create(ctx, passphrase))
	if err == nil {
		// A pod made before the default ServiceAccount exists is refused.
		err = s.Until(ctx, account, "to be made", func() bool { return true })
	}
	return n, err
}

// Leave removes the namespace and what is in it. Stacks go first and keep their resources.
func (n *Namespace) Leave(ctx context.Context) error {
	stacks := &pulumiv1.StackList{}
	if err := n.Client.List(ctx, stacks, client.InNamespace(n.Name)); err != nil {
		return fmt.Errorf("listing the Stacks of %s: %w", n.Name, err)
	}
	var errs []error
	for i := range stacks.Items {
		errs = append(errs, n.dismiss(ctx, &stacks.Items[i]))
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n.Name}}
	errs = append(errs, client.IgnoreNotFound(n.Client.Delete(ctx, namespace)))
	return errors.Join(errs...)
}

// dismiss deletes a Stack, and lets it go by force if it does not go in good time.
func (n *Namespace) dismiss(ctx context.Context, stack *pulumiv1.Stack) error {
	keep := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"destroyOnFinalize":false}}`))
	if err := n.Client.Patch(ctx, stack, keep); err != nil {
		return client.IgnoreNotFound(err)
	}
	if err := n.Client.Delete(ctx, stack); err != nil {
		return client.IgnoreNotFound(err)
	}
	waiting, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	if n.UntilGone(waiting, stack, "to go") == nil {
		return nil
	}
	release := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	if err := n.Client.Patch(ctx, stack, release); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("letting Stack %s/%s go: %w", n.Name, stack.Name, err)
	}
	return nil
}

func (n *Namespace) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: n.Name, Name: name}
}

// Key is an object's key in the namespace.
func (n *Namespace) Key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: n.Name, Name: name}
}

// ClusterKey is the key of an object that is in no namespace.
func ClusterKey(name string) client.ObjectKey { return client.ObjectKey{Name: name} }
