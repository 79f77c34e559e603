package stack

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// told are the events with a reason that were emitted since it was asked last, the rest of which are forgotten.
func (c *cluster) told(reason string) []string {
	var told []string
	for {
		select {
		case event := <-c.events.Events:
			if strings.Contains(event, " "+reason+" ") {
				told = append(told, event)
			}
		default:
			return told
		}
	}
}

// workspaceSays gives the Workspace a condition, as its controller would.
func (c *cluster) workspaceSays(kind, reason, message string) {
	c.t.Helper()
	workspace := &autov1alpha1.Workspace{}
	if err := c.client.Get(c.t.Context(), key, workspace); err != nil {
		c.t.Fatal(err)
	}
	workspace.Status.Conditions = []metav1.Condition{{Type: kind, Status: metav1.ConditionTrue, Reason: reason, Message: message, LastTransitionTime: metav1.NewTime(c.clock.Now())}}
	if err := c.client.Status().Update(c.t.Context(), workspace); err != nil {
		c.t.Fatal(err)
	}
}

// An up without outputs empties them; a preview says nothing of them.
func TestOutputsGoWithTheProgramsOutputs(t *testing.T) {
	c := newCluster(t, demo(), programOf(greeting))
	c.reconcile()
	c.finish("", map[string]string{"greeting": `"hello"`})
	c.reconcile()
	c.edit(func(s *pulumiv1.Stack) { s.Spec.Preview, s.Generation = true, 2 })
	c.reconcile()
	c.finish("", nil)
	c.reconcile()
	if got := c.stack().Status.Outputs; len(got) != 1 {
		t.Errorf("after a preview the outputs are %v", got)
	}
	c.edit(func(s *pulumiv1.Stack) { s.Spec.Preview, s.Generation = false, 3 })
	c.reconcile()
	c.finish("", nil)
	c.reconcile()
	if got := c.stack().Status.Outputs; len(got) != 0 {
		t.Errorf("after an up without outputs they are %v", got)
	}
}

func TestRequestIsOnRecord(t *testing.T) {
	c := newCluster(t, demo(func(s *pulumiv1.Stack) {
		s.Annotations = map[string]string{pulumiv1.AnnotationReconciliationRequest: "go"}
	}), programOf(greeting))
	c.reconcile()
	status := c.stack().Status
	if status.ObservedReconcileRequest != "go" || status.CurrentUpdate == nil || status.CurrentUpdate.ReconcileRequest != "go" {
		t.Errorf("under way: observed %q, current %+v", status.ObservedReconcileRequest, status.CurrentUpdate)
	}
	c.finish("", nil)
	c.reconcile()
	if last := c.stack().Status.LastUpdate; last == nil || last.ReconcileRequest != "go" {
		t.Errorf("at the end: %+v", last)
	}
}

// While a pod cannot start the update waits, however long, and nothing is counted.
func TestAPodThatCannotStartIsNoFailure(t *testing.T) {
	c := newCluster(t, demo(), programOf(greeting))
	c.reconcile()
	for _, reason := range []string{"ImagePullFailed", "Unschedulable", "PodRefused"} {
		c.workspaceSays(autov1alpha1.ConditionTypeReconciling, reason, "in the cluster's words")
		c.clock.Step(24 * time.Hour)
		c.reconcile()
		if got := c.state(); got != "Ready=False/NotReadyInProgress Reconciling=True/WorkspaceNotReady " {
			t.Errorf("%s: conditions are %s", reason, got)
		}
	}
	if last := c.stack().Status.LastUpdate; last != nil || len(c.updates()) != 1 {
		t.Errorf("lastUpdate is %+v, and there are %d Updates", last, len(c.updates()))
	}
}

func TestAStalledWorkspaceStallsTheStack(t *testing.T) {
	c := newCluster(t, demo(), programOf(greeting))
	c.reconcile()
	c.workspaceSays(autov1alpha1.ConditionTypeStalled, "PodTemplateInvalid", "spec.containers is missing")
	c.reconcile()
	if got := c.state(); got != "Ready=False/NotReadyStalled Stalled=True/WorkspaceFailed " {
		t.Errorf("conditions are %s", got)
	}
	if told := c.told(pulumiv1.ReasonWorkspaceFailed); len(told) != 1 || !strings.Contains(told[0], "PodTemplateInvalid: spec.containers is missing") {
		t.Errorf("it is told %d times: %q", len(told), told)
	}
}

func TestAnInvalidSpecIsToldOncePerMessage(t *testing.T) {
	kind := func(kind string, generation int64) func(*pulumiv1.Stack) {
		return func(s *pulumiv1.Stack) {
			s.Generation, s.Spec.WorkspaceTemplate = generation, &pulumiv1.WorkspaceTemplate{Kind: kind}
		}
	}
	c := newCluster(t, demo(kind("Pod", 1)), programOf(greeting))
	for range 3 {
		c.reconcile()
		c.clock.Step(time.Hour)
	}
	if told := c.told(pulumiv1.EventStackConfigInvalid); len(told) != 1 {
		t.Errorf("the first message is told %d times: %q", len(told), told)
	}
	c.edit(kind("Job", 2))
	c.reconcile()
	if told := c.told(pulumiv1.EventStackConfigInvalid); len(told) != 1 || !strings.Contains(told[0], `"Job"`) {
		t.Errorf("the second message is told %d times: %q", len(told), told)
	}
}

// What is written is PKO's to take back, and what PKO wrote is ours, since the names are the same.
func TestFieldManagers(t *testing.T) {
	c := newCluster(t, demo(), programOf(greeting))
	under, ok := c.client.(client.WithWatch)
	if !ok {
		t.Fatal("the client cannot be wrapped")
	}
	managers := map[string]string{}
	c.r.Client = interceptor.NewClient(under, interceptor.Funcs{
		Patch: func(ctx context.Context, w client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			managers[obj.GetObjectKind().GroupVersionKind().Kind] = (&client.PatchOptions{}).ApplyOptions(opts).FieldManager
			return w.Patch(ctx, obj, patch, opts...)
		},
		SubResourcePatch: func(ctx context.Context, w client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			managers[obj.GetObjectKind().GroupVersionKind().Kind+"/"+sub] = (&client.SubResourcePatchOptions{}).ApplyOptions(opts).FieldManager
			return w.SubResource(sub).Patch(ctx, obj, patch, opts...)
		},
	})
	if _, err := c.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
		t.Fatal(err)
	}
	delete(managers, "") // the finalizer's patch, of an object without a kind
	want := map[string]string{"Workspace": "pulumi-kubernetes-operator", "Stack/status": "pulumi-kubernetes-operator/stack-status"}
	if diff := cmp.Diff(want, managers); diff != "" {
		t.Errorf("field managers (-want +got):\n%s", diff)
	}
}

// The name of the stack is used as it is, in each of its forms.
func TestStackNamesOfEveryForm(t *testing.T) {
	for _, name := range []string{"dev", "acme/dev", "acme/network/dev", "organization/network/dev"} {
		stack := demo(func(s *pulumiv1.Stack) {
			s.Spec.Stack, s.Spec.Targets, s.Spec.TargetDependents = name, []string{"urn:a"}, true
		})
		workspace, err := buildWorkspace(stack, Source{})
		if err != nil {
			t.Fatal(err)
		}
		update, err := buildUpdate(Observed{Stack: stack}, Step{Type: autov1alpha1.UpUpdate}, workspace)
		if err != nil {
			t.Fatal(err)
		}
		if workspace.Spec.Stacks[0].Name != name || update.Spec.StackName != name {
			t.Errorf("%s became %s and %s", name, workspace.Spec.Stacks[0].Name, update.Spec.StackName)
		}
		if !*update.Spec.TargetDependents || len(update.Spec.Target) != 1 {
			t.Errorf("target %v, targetDependents %v", update.Spec.Target, *update.Spec.TargetDependents)
		}
	}
}

// TestProgramMadeAnew deletes the Program in the foreground, as Argo CD does, which raises its generation, and makes it anew:
// the Stack runs again if it says something else, though its generation is the same.
func TestProgramMadeAnew(t *testing.T) {
	held := programOf(greeting)
	held.Finalizers = []string{metav1.FinalizerDeleteDependents}
	c := newCluster(t, demo(), held)
	c.reconcile()
	c.finish("", nil)
	c.reconcile()
	runs := func(want int, when string) {
		t.Helper()
		c.reconcile()
		if got := len(c.updates()); got != want {
			t.Fatalf("%s: %d updates, want %d", when, got, want)
		}
	}

	if err := c.client.Delete(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	if err := c.client.Get(t.Context(), client.ObjectKeyFromObject(held), held); err != nil {
		t.Fatal(err)
	}
	held.Generation = 2 // as the API server does
	if err := c.client.Update(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	runs(1, "while the Program is being deleted")
	if got := c.state(); got != "Ready=False/NotReadyInProgress Reconciling=True/SourceUnavailable " {
		t.Errorf("conditions meanwhile: %s", got)
	}
	held.Finalizers = nil
	if err := c.client.Update(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	runs(1, "without the Program")
	if err := c.client.Create(t.Context(), programOf(greeting)); err != nil {
		t.Fatal(err)
	}
	runs(1, "with the same Program again")

	if err := c.client.Delete(t.Context(), programOf(greeting)); err != nil {
		t.Fatal(err)
	}
	if err := c.client.Create(t.Context(), programOf(`{outputs: {greeting: bonjour}}`)); err != nil {
		t.Fatal(err)
	}
	runs(2, "with another Program of the same name and generation")
}
