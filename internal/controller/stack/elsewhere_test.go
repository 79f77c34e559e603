package stack

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/pod"
)

// terminating is the Stack's namespace on its way out.
func terminating() *corev1.Namespace {
	now := metav1.NewTime(noon)
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: key.Namespace, DeletionTimestamp: &now, Finalizers: []string{"kubernetes"}}}
}

// namespaceGoes has a Stack applied, and then its namespace deleted with all that the namespace controller deletes.
func namespaceGoes(t *testing.T, destroyNamespace string) *cluster {
	t.Helper()
	c := newCluster(t, demo(func(s *pulumiv1.Stack) { s.Spec.DestroyOnFinalize = true }), programOf(greeting), terminating())
	c.r.DestroyNamespace = destroyNamespace
	c.reconcile()
	c.did(map[string]int32{"create": 5})
	c.finish("", nil)
	c.reconcile()
	if err := c.client.Delete(t.Context(), c.stack()); err != nil {
		t.Fatal(err)
	}
	c.edit(func(s *pulumiv1.Stack) { s.Generation = 2 }) // as the API server does
	objects := []client.Object{&autov1alpha1.Workspace{}, &pulumiv1.Program{}}
	objects[0].SetName(key.Name)
	objects[1].SetName("p")
	for _, update := range c.updates() {
		update.Finalizers = nil
		if err := c.client.Update(t.Context(), &update); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, &update)
	}
	for _, object := range objects {
		object.SetNamespace(key.Namespace)
		if err := c.client.Delete(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	c.r.Client = c.refusingIn(key.Namespace, corev1.NamespaceTerminatingCause)
	c.told("")
	return c
}

// refusingIn is a client that makes no Workspace in a namespace.
func (c *cluster) refusingIn(namespace string, cause metav1.CauseType) client.Client {
	c.t.Helper()
	under, ok := c.client.(client.WithWatch)
	if !ok {
		c.t.Fatal("the client cannot be wrapped")
	}
	return interceptor.NewClient(under, interceptor.Funcs{
		Patch: func(ctx context.Context, w client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			if obj.GetObjectKind().GroupVersionKind().Kind != "Workspace" || obj.GetNamespace() != namespace {
				return w.Patch(ctx, obj, patch, opts...)
			}
			if cause == "" {
				return apierrors.NewNotFound(corev1.Resource("namespaces"), namespace)
			}
			refused := apierrors.NewForbidden(autov1alpha1.GroupVersion.WithResource("workspaces").GroupResource(), obj.GetName(), nil)
			refused.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: cause}}
			return refused
		},
	})
}

// stalled is what a Stack says that needs a person.
func (c *cluster) stalled() (reason, message string) {
	c.t.Helper()
	for _, condition := range c.stack().Status.Conditions {
		if condition.Type == autov1alpha1.ConditionTypeStalled {
			return condition.Reason, condition.Message
		}
	}
	return "", ""
}

// Without an execution namespace the Stack stays, and says what it has and what to do.
func TestNamespaceTerminating(t *testing.T) {
	c := namespaceGoes(t, "")
	result := c.reconcile()
	if result.RequeueAfter != namespacePoll || len(c.updates()) != 0 {
		t.Errorf("looked at again after %s, updates: %v", result.RequeueAfter, c.updates())
	}
	reason, message := c.stalled()
	for _, words := range []string{"namespace ns is being deleted", "--destroy-namespace", `5 resources, the stack's own among them, of the stack "dev"`,
		"kubectl annotate stack demo -n ns pulumi.com/abandon=true"} {
		if reason != pulumiv1.ReasonNamespaceTerminating || !strings.Contains(message, words) {
			t.Errorf("%s: %q does not say %q", reason, message, words)
		}
	}
	if told := c.told(pulumiv1.ReasonNamespaceTerminating); len(told) != 1 {
		t.Errorf("it is told %d times: %q", len(told), told)
	}
	if !slices.Contains(c.stack().Finalizers, pulumiv1.Finalizer) {
		t.Error("the finalizer went without a destroy")
	}
}

// A namespace may begin to go when nobody looks: the API server's refusal says the same.
func TestNamespaceTerminatingIsToldByTheRefusal(t *testing.T) {
	c := newCluster(t, demo(), programOf(greeting))
	c.r.Client = c.refusingIn(key.Namespace, corev1.NamespaceTerminatingCause)
	result := c.reconcile()
	if reason, message := c.stalled(); reason != pulumiv1.ReasonNamespaceTerminating || result.RequeueAfter != namespacePoll || !strings.Contains(message, "--destroy-namespace") {
		t.Errorf("%s: %s, looked at again after %s", reason, message, result.RequeueAfter)
	}
}

// A lock that the Stack's pod left is known to be that of the dead once the pod is gone: none can come after it.
func TestElsewhereIsToldOfThePodThatIsGone(t *testing.T) {
	for name, there := range map[string]bool{"Gone": false, "StillThere": true} {
		t.Run(name, func(t *testing.T) {
			c := namespaceGoes(t, "gantry-destroy")
			if there {
				last := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: autov1alpha1.PodName(key.Name)}}
				if err := c.client.Create(t.Context(), last); err != nil {
					t.Fatal(err)
				}
			}
			before, err := buildWorkspace(c.stack(), Source{})
			if err != nil {
				t.Fatal(err)
			}
			c.reconcile()
			workspace := &autov1alpha1.Workspace{}
			if err := c.client.Get(t.Context(), types.NamespacedName{Namespace: "gantry-destroy", Name: c.updates()[0].Spec.WorkspaceName}, workspace); err != nil {
				t.Fatal(err)
			}
			want := pod.HostPrefix(before)
			if there {
				want = ""
			}
			if got := workspace.Annotations[autov1alpha1.AnnotationGoneHosts]; got != want {
				t.Errorf("hosts that begin with %q are said to be gone, want %q", got, want)
			}
		})
	}
}

// With an execution namespace the destroy runs there, is tried again there, and leaves nothing there.
func TestDestroyElsewhere(t *testing.T) {
	c := namespaceGoes(t, "gantry-destroy")
	c.reconcile()
	updates := c.updates()
	if len(updates) != 1 || updates[0].Namespace != "gantry-destroy" || updates[0].Spec.Type != autov1alpha1.DestroyUpdate {
		t.Fatalf("updates: %+v; %s", updates, c.dump())
	}
	update := updates[0]
	if !slices.Equal(update.Finalizers, []string{autov1alpha1.FinalizerOperation}) || len(update.OwnerReferences) != 1 || update.OwnerReferences[0].Kind != "Workspace" {
		t.Errorf("the Update has finalizers %v, owners %v", update.Finalizers, update.OwnerReferences)
	}
	workspace := &autov1alpha1.Workspace{}
	if err := c.client.Get(t.Context(), types.NamespacedName{Namespace: "gantry-destroy", Name: update.Spec.WorkspaceName}, workspace); err != nil {
		t.Fatal(err)
	}
	if kept := c.stack().Status.Source; workspace.Spec.Flux == nil || workspace.Spec.Flux.Digest != kept.Digest || len(workspace.OwnerReferences) != 0 || workspace.Spec.IdleTimeout != "0s" {
		t.Errorf("the Workspace has %+v, owners %v", workspace.Spec, workspace.OwnerReferences)
	}
	for _, object := range []client.Object{&update, workspace} {
		if woken := c.r.ownerElsewhere(t.Context(), object); len(woken) != 1 || woken[0] != (ctrl.Request{NamespacedName: key}) {
			t.Errorf("what happens to %s wakes %v", object.GetName(), woken)
		}
	}
	if current := c.stack().Status.CurrentUpdate; current == nil || current.Namespace != "gantry-destroy" {
		t.Errorf("on record is %+v", current)
	}
	if result := c.reconcile(); result.RequeueAfter != orphanPoll {
		t.Errorf("meanwhile it is looked at after %s, though the next manager may have no flag", result.RequeueAfter)
	}
	if got := c.says("Reconciling"); !strings.Contains(got, "destroy gantry-destroy/"+update.Name) {
		t.Errorf("the Stack says %q", got)
	}

	c.finish("access denied", nil)
	c.reconcile()
	if got := c.state(); !strings.Contains(got, "Reconciling=True/RetryingAfterFailure") {
		t.Errorf("after a failure the Stack says %s", got)
	}
	c.clock.Step(time.Minute)
	c.reconcile()
	c.finish("", nil)
	if _, err := c.once(); err != nil {
		t.Fatal(err)
	}
	if err := c.client.Get(t.Context(), key, &pulumiv1.Stack{}); !apierrors.IsNotFound(err) {
		t.Errorf("the Stack is still there (%v)", err)
	}
	if err := c.client.Get(t.Context(), client.ObjectKeyFromObject(workspace), workspace); !apierrors.IsNotFound(err) {
		t.Errorf("the Workspace is still in the execution namespace (%v)", err)
	}
}

// The manager dies after each write of it: no second operation runs, and nothing stays.
func TestCrashesElsewhere(t *testing.T) {
	for crash := range 8 {
		c := namespaceGoes(t, "gantry-destroy")
		c.failWrite = crash + 1
		c.reconcile()
		held := c.failWrite
		c.failWrite = 0
		if n := len(c.updates()); n != 1 {
			t.Fatalf("write %d: %d destroys", crash+1, n)
		}
		c.finish("", nil)
		c.failWrite = held
		for range 4 {
			if _, err := c.once(); err != nil && !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
		}
		var left autov1alpha1.WorkspaceList
		if err := c.client.List(t.Context(), &left); err != nil {
			t.Fatal(err)
		}
		if err := c.client.Get(t.Context(), key, &pulumiv1.Stack{}); !apierrors.IsNotFound(err) || len(left.Items) > 0 {
			t.Errorf("write %d: the Stack: %v, Workspaces: %d", crash+1, err, len(left.Items))
		}
	}
}

// A Stack whose finalizer was taken off leaves nothing in the execution namespace either, and takes nothing of others.
func TestNothingIsLeftElsewhere(t *testing.T) {
	c := namespaceGoes(t, "gantry-destroy")
	c.reconcile()
	other := &autov1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: "gantry-destroy", Name: "other",
		Annotations: map[string]string{pulumiv1.AnnotationStack: "other/demo"}}}
	if err := c.client.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	c.edit(func(s *pulumiv1.Stack) { s.Finalizers = nil })
	if _, err := c.once(); err != nil {
		t.Fatal(err)
	}
	var left autov1alpha1.WorkspaceList
	if err := c.client.List(t.Context(), &left); err != nil {
		t.Fatal(err)
	}
	if len(left.Items) != 1 || left.Items[0].Name != "other" {
		t.Errorf("left are %v", left.Items)
	}
}

func TestExecutionNamespaceThatCannotBeUsed(t *testing.T) {
	cases := map[string]struct {
		cause metav1.CauseType
		says  string
	}{
		"Missing": {"", "namespace gantry-destroy, in which the destroy should run (--destroy-namespace), does not exist: create it"},
		"Going":   {corev1.NamespaceTerminatingCause, "is being deleted too"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := namespaceGoes(t, "gantry-destroy")
			c.r.Client = c.refusingIn("gantry-destroy", tc.cause)
			result := c.reconcile()
			if reason, message := c.stalled(); reason != pulumiv1.ReasonNamespaceTerminating || !strings.Contains(message, tc.says) || result.RequeueAfter != namespacePoll {
				t.Errorf("%s: %s, looked at again after %s", reason, message, result.RequeueAfter)
			}
		})
	}
}

// Stacks of all namespaces meet there: none has the name of another.
func TestNamesElsewhere(t *testing.T) {
	seen := map[string]bool{}
	for _, of := range []struct{ namespace, name, uid string }{
		{"a", "demo", "1"}, {"b", "demo", "2"}, {"a", "demo", "3"}, {"a-b", "c", "4"}, {"a", "b-c", "5"}, {"a", strings.Repeat("x", 200) + ".y", "6"},
	} {
		stack := &pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Namespace: of.namespace, Name: of.name, UID: types.UID(of.uid)}}
		name := workspaceElsewhere(stack, "gantry-destroy").Name
		if seen[name] || len(name) > autov1alpha1.MaxChildName {
			t.Errorf("%v has the name %s", of, name)
		}
		seen[name] = true
	}
}
