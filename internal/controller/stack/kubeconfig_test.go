package stack

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/kube"
)

func fromCluster(s *pulumiv1.Stack) {
	s.Spec.Kubeconfig = &pulumiv1.KubeconfigSource{
		Type: pulumiv1.KubeconfigStackOutput, StackRef: &pulumiv1.StackOutput{Name: "cluster", Output: "kubeconfig"},
	}
}

// giver is the Stack "cluster", which succeeded an hour ago and has the output, unless it is nil.
func giver(output []byte, changes ...func(*pulumiv1.Stack)) *pulumiv1.Stack {
	s := world().Stack
	s.Name, s.UID, s.Generation = "cluster", "cluster-uid", 2
	s.Status.LastUpdate.Name = "cluster-7"
	s.Status.LastUpdate.LastResyncTime = metav1.NewTime(noon.Add(-time.Hour))
	if output != nil {
		s.Status.Outputs = map[string]apiextensionsv1.JSON{"kubeconfig": {Raw: output}}
	}
	for _, change := range changes {
		change(s)
	}
	return s
}

func outputsOf(update string, output []byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: autov1alpha1.OutputsSecretName(update), Annotations: map[string]string{autov1alpha1.AnnotationSecrets: `["kubeconfig"]`}},
		Data:       map[string][]byte{"kubeconfig": output},
	}
}

func copyOf(text, update string, changes ...func(*corev1.Secret)) *corev1.Secret {
	secret := buildCopy(demo(fromCluster), originOf(demo(fromCluster).Spec.Kubeconfig.StackRef, update), text)
	for _, change := range changes {
		change(secret)
	}
	return secret
}

func TestKubeconfigThatCannotWork(t *testing.T) {
	secretKey := &autov1alpha1.SecretKey{Name: "a", Key: "b"}
	cases := map[string]struct {
		source pulumiv1.KubeconfigSource
		want   string
	}{
		"NoStackRef":      {pulumiv1.KubeconfigSource{Type: pulumiv1.KubeconfigStackOutput}, "spec.kubeconfig.stackRef: is needed"},
		"StackRefBeside":  {pulumiv1.KubeconfigSource{Type: "None", StackRef: &pulumiv1.StackOutput{Name: "a", Output: "b"}}, "spec.kubeconfig.stackRef: is for type"},
		"NoSecretRef":     {pulumiv1.KubeconfigSource{Type: pulumiv1.KubeconfigSecret}, "spec.kubeconfig.secretRef: is needed"},
		"SecretRefBeside": {pulumiv1.KubeconfigSource{Type: pulumiv1.KubeconfigStackOutput, SecretRef: secretKey, StackRef: &pulumiv1.StackOutput{Name: "a", Output: "b"}}, "spec.kubeconfig.secretRef: is for type"},
		"Own":             {pulumiv1.KubeconfigSource{Type: pulumiv1.KubeconfigStackOutput, StackRef: &pulumiv1.StackOutput{Name: "demo", Output: "b"}}, "cannot take its own output"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, demo(func(s *pulumiv1.Stack) { s.Spec.Kubeconfig = &tc.source }), programOf(greeting))
			c.reconcile()
			if got := c.state(); got != "Ready=False/NotReadyStalled Stalled=True/SpecInvalid " || !strings.Contains(c.said(), tc.want) {
				t.Errorf("conditions %s: %s", got, c.said())
			}
		})
	}
}

// said is the Stack's own message.
func (c *cluster) said() string {
	c.t.Helper()
	for _, condition := range c.stack().Status.Conditions {
		if condition.Type != autov1alpha1.ConditionTypeReady {
			return condition.Message
		}
	}
	return ""
}

// give makes the Stack "cluster" succeed with an output, in an update of that name.
func (c *cluster) give(update string, output []byte, hide bool) {
	c.t.Helper()
	shown := output
	if hide {
		shown = []byte(masked)
		if err := c.client.Create(c.t.Context(), outputsOf(update, output)); err != nil {
			c.t.Fatal(err)
		}
	}
	other := giver(shown)
	other.Status.LastUpdate.Name = update
	other.ResourceVersion = ""
	if err := c.client.Delete(c.t.Context(), other.DeepCopy()); client.IgnoreNotFound(err) != nil {
		c.t.Fatal(err)
	}
	existing := &pulumiv1.Stack{}
	if c.client.Get(c.t.Context(), client.ObjectKeyFromObject(other), existing) == nil { // its finalizer held it
		existing.Finalizers = nil
		if err := c.client.Update(c.t.Context(), existing); err != nil {
			c.t.Fatal(err)
		}
	}
	status := other.Status
	if err := c.client.Create(c.t.Context(), other); err != nil {
		c.t.Fatal(err)
	}
	other.Status = status
	if err := c.client.Status().Update(c.t.Context(), other); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) kept() *corev1.Secret {
	c.t.Helper()
	secret := &corev1.Secret{}
	err := c.client.Get(c.t.Context(), types.NamespacedName{Namespace: key.Namespace, Name: "demo-kubeconfig"}, secret)
	if client.IgnoreNotFound(err) != nil {
		c.t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return secret
}

// TestKubeconfigOfAnotherStack waits, runs, runs again and destroys.
func TestKubeconfigOfAnotherStack(t *testing.T) {
	for name, hide := range map[string]bool{"Plain": false, "Secret": true} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, demo(fromCluster, func(s *pulumiv1.Stack) { s.Spec.DestroyOnFinalize = true }), programOf(greeting))
			c.reconcile()
			if got := c.state(); got != "Ready=False/NotReadyInProgress Reconciling=True/PrerequisiteNotSatisfied " || len(c.updates()) != 0 {
				t.Fatalf("without the other Stack: %swith %d updates", got, len(c.updates()))
			}

			c.give("cluster-1", quoted(farText), hide)
			c.reconcile()
			kept := c.kept()
			if kept == nil || string(kept.Data[kubeconfigKey]) != farText || kept.OwnerReferences[0].UID != c.stack().UID {
				t.Fatalf("the copy is %v", kept)
			}
			workspace := &autov1alpha1.Workspace{}
			if err := c.client.Get(t.Context(), key, workspace); err != nil {
				t.Fatal(err)
			}
			want := &autov1alpha1.KubeconfigSource{Type: autov1alpha1.KubeconfigSecret, SecretRef: &autov1alpha1.SecretKey{Name: "demo-kubeconfig", Key: "kubeconfig"}}
			if diff := cmp.Diff(want, workspace.Spec.Kubeconfig); diff != "" {
				t.Errorf("the Workspace's kubeconfig (-want +got):\n%s", diff)
			}
			c.finish("", nil)
			c.reconcile()
			if got := len(c.updates()); got != 1 || c.state() != "Ready=True/ProcessingCompleted " {
				t.Fatalf("%d updates, conditions %s", got, c.state())
			}

			c.give("cluster-2", quoted(farText), hide)
			c.reconcile()
			if got := len(c.updates()); got != 1 {
				t.Errorf("the same value again runs %d updates", got)
			}
			c.give("cluster-3", quoted(strings.ReplaceAll(farText, "far", "other")), hide)
			c.reconcile()
			if got := len(c.updates()); got != 2 {
				t.Errorf("another value runs %d updates, want 2", got)
			}
			c.finish("", nil)
			c.reconcile()
			c.destroyWithTheCopy()
		})
	}
}

// destroyWithTheCopy deletes the other Stack first, and this one in the foreground.
func (c *cluster) destroyWithTheCopy() {
	c.t.Helper()
	other := giver(nil)
	if err := c.client.Get(c.t.Context(), client.ObjectKeyFromObject(other), other); err != nil {
		c.t.Fatal(err)
	}
	other.Finalizers = nil
	if err := c.client.Update(c.t.Context(), other); err != nil {
		c.t.Fatal(err)
	}
	if err := c.client.Delete(c.t.Context(), other); err != nil {
		c.t.Fatal(err)
	}
	if err := c.client.Delete(c.t.Context(), c.stack()); err != nil {
		c.t.Fatal(err)
	}
	c.edit(func(s *pulumiv1.Stack) { s.Generation = 2 })
	if err := c.client.Delete(c.t.Context(), c.kept()); err != nil { // as the garbage collector does
		c.t.Fatal(err)
	}
	c.reconcile()
	kept := c.kept()
	if kept == nil || kept.DeletionTimestamp.IsZero() || len(kept.Data[kubeconfigKey]) == 0 {
		c.t.Fatalf("while the destroy runs the copy is %v", kept)
	}
	if current := c.stack().Status.CurrentUpdate; current == nil {
		c.t.Fatalf("no destroy: %s", c.said())
	}
	c.finish("", nil)
	if _, err := c.r.Reconcile(c.t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
		c.t.Fatal(err)
	}
	if c.kept() != nil {
		c.t.Error("the copy outlives its Stack")
	}
	if err := c.client.Get(c.t.Context(), key, &pulumiv1.Stack{}); err == nil {
		c.t.Error("the Stack is still there")
	}
}

// A secret output whose value is gone makes the other Stack run again, once.
func TestExpiredOutputIsAskedForOnce(t *testing.T) {
	c := newCluster(t, demo(fromCluster), programOf(greeting), giver([]byte(masked)))
	c.reconcile()
	asked := &pulumiv1.Stack{}
	if err := c.client.Get(t.Context(), types.NamespacedName{Namespace: key.Namespace, Name: "cluster"}, asked); err != nil {
		t.Fatal(err)
	}
	if got := asked.Annotations[pulumiv1.AnnotationReconciliationRequest]; got != "after-cluster-7" {
		t.Errorf("the other Stack's request is %q", got)
	}
	if got := c.state(); got != "Ready=False/NotReadyInProgress Reconciling=True/PrerequisiteNotSatisfied " || !strings.Contains(c.said(), `Stack "cluster"`) {
		t.Errorf("conditions %s: %s", got, c.said())
	}
}

// A Stack that takes its kubeconfig from elsewhere again keeps no copy.
func TestCopyGoesWithItsUse(t *testing.T) {
	c := newCluster(t, demo(fromCluster), programOf(greeting), giver(quoted(farText)))
	c.reconcile()
	c.give("cluster-8", quoted(strings.ReplaceAll(farText, "far", "other")), false)
	c.reconcile()
	c.finish("", nil)
	c.reconcile()
	if kept := c.kept(); kept == nil || !slices.Contains(kept.Finalizers, finalizerCopy) {
		t.Fatalf("the copy is %v", kept)
	}
	c.edit(func(s *pulumiv1.Stack) { s.Spec.Kubeconfig, s.Generation = nil, 2 })
	c.reconcile()
	if c.kept() != nil {
		t.Error("the copy outlives its use")
	}
}

// A copy that its Stack left behind can go.
func TestCopyOfAStackThatIsGone(t *testing.T) {
	c := newCluster(t, copyOf(farText, ""))
	if err := c.client.Delete(t.Context(), c.kept()); err != nil { // as the garbage collector does
		t.Fatal(err)
	}
	c.reconcile()
	if c.kept() != nil {
		t.Error("the copy cannot go")
	}
}

// The garbage collector deletes the copy as soon as the Stack goes; a cache that does not know that yet must not make the
// controller let the copy go, without which the stack could never be destroyed.
func TestTheCopyOutlivesAStaleCache(t *testing.T) {
	c := newCluster(t, demo(fromCluster, func(s *pulumiv1.Stack) { s.Spec.DestroyOnFinalize = true }), programOf(greeting))
	c.give("cluster-1", quoted(farText), false)
	c.reconcile()
	c.finish("", nil)
	c.reconcile()
	stale := c.stack()
	if err := c.client.Delete(t.Context(), c.stack()); err != nil {
		t.Fatal(err)
	}
	if err := c.client.Delete(t.Context(), c.kept()); err != nil {
		t.Fatal(err)
	}
	under, ok := c.client.(client.WithWatch)
	if !ok {
		t.Fatal("the client cannot be wrapped")
	}
	c.r.Client = interceptor.NewClient(under, interceptor.Funcs{
		Get: func(ctx context.Context, w client.WithWatch, name client.ObjectKey, into client.Object, opts ...client.GetOption) error {
			if stack, is := into.(*pulumiv1.Stack); is && name == key {
				stale.DeepCopyInto(stack)
				return nil
			}
			return w.Get(ctx, name, into, opts...)
		},
	})
	result, err := c.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: key})
	if err != nil && !apierrors.IsConflict(err) {
		t.Fatal(err)
	}
	if kept := c.kept(); kept == nil || !slices.Contains(kept.Finalizers, finalizerCopy) {
		t.Fatalf("the copy is %v", kept)
	}
	if result.RequeueAfter != kube.ConflictRetry {
		t.Errorf("it is looked at again after %s", result.RequeueAfter)
	}
	c.r.Client = under
	c.reconcile()
	if kept := c.kept(); kept == nil || c.stack().Status.CurrentUpdate == nil {
		t.Errorf("no destroy (%s), the copy is %v", c.said(), kept)
	}
}
