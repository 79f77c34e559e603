package stack

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
)

func TestWorkspaceLost(t *testing.T) {
	waits := func(o *Observed) {
		o.Update = &autov1alpha1.Update{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "demo-2"}}
		o.Desired = &autov1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "demo"}}
	}
	tests := map[string]struct {
		change func(*Observed)
		want   bool
	}{
		"Gone":              {func(*Observed) {}, true},
		"There":             {func(o *Observed) { o.Workspace = o.Desired }, false},
		"Begun":             {func(o *Observed) { o.Update.Status.PodUID = "pod" }, false},
		"UpdateGoing":       {func(o *Observed) { o.Update.DeletionTimestamp = new(metav1.NewTime(noon)) }, false},
		"NoUpdate":          {func(o *Observed) { o.Update = nil }, false},
		"NoneDesired":       {func(o *Observed) { o.Desired = nil }, false},
		"MadeElsewhereOnly": {func(o *Observed) { o.Desired.Namespace = "destroyer" }, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			step := workspaceLost(world(waits, tc.change), noon)
			if got := step != nil && step.Act == Prepare; got != tc.want {
				t.Errorf("the step is %+v", step)
			}
		})
	}
}

// TestWorkspaceLostSaysWhy: the Workspace is gone and cannot be made, since its source cannot be had.
func TestWorkspaceLostSaysWhy(t *testing.T) {
	tests := map[string]struct {
		err   error
		want  string
		after time.Duration
	}{
		"Denied": {failure.NewTerminal(pulumiv1.ReasonSourceUnavailable, "denied"), "Stalled", 0},
		"Away":   {failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "away"), "Reconciling", sourcePoll},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			o := world(func(o *Observed) {
				o.Update = &autov1alpha1.Update{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "demo-2"}}
				o.SourceErr = tc.err
			})
			step := Plan(o, noon)
			if step.Act != Nothing || step.After != tc.after || step.State.Reason() != pulumiv1.ReasonSourceUnavailable || step.State.IsStalled() != (tc.want == "Stalled") {
				t.Errorf("the step is %+v", step)
			}
		})
	}
}

// TestWorkspaceIsMadeAgain: somebody deletes the Workspace while the first Update waits for its pod.
func TestWorkspaceIsMadeAgain(t *testing.T) {
	c := newCluster(t, fromGit())
	c.has(commitA, digestA, "tree-a")
	c.reconcile()
	workspace := &autov1alpha1.Workspace{}
	if err := c.client.Get(t.Context(), key, workspace); err != nil {
		t.Fatal(err)
	}
	before := c.updates()
	if err := c.client.Delete(t.Context(), workspace.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	c.reconcile()
	again := &autov1alpha1.Workspace{}
	if err := c.client.Get(t.Context(), key, again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(workspace.Spec, again.Spec); diff != "" || again.Annotations[autov1alpha1.AnnotationExpected] != "" {
		t.Errorf("the new Workspace is another one (-before +now):\n%s%v", diff, again.Annotations)
	}
	if after := c.updates(); len(after) != 1 || len(before) != 1 || after[0].Name != before[0].Name {
		t.Errorf("the Updates were %v and are %v", before, after)
	}
}

// TestOrphansWake: a Stack hears of its Update and of its Workspace when they have lost their owner.
func TestOrphansWake(t *testing.T) {
	stack := fromGit(func(s *pulumiv1.Stack) { s.Status.CurrentUpdate = &pulumiv1.CurrentUpdate{Name: "demo-2"} })
	if names := currentNames(stack); !cmp.Equal(names, []string{"demo-2"}) {
		t.Errorf("the Stack is found by the Updates %v", names)
	}
	if names := workspaceNames(stack); !cmp.Equal(names, []string{pulumiv1.WorkspaceName(key.Name)}) {
		t.Errorf("the Stack is found by the Workspaces %v", names)
	}
	c := newCluster(t, stack)
	update := &autov1alpha1.Update{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "demo-2", Labels: map[string]string{pulumiv1.LabelStackName: key.Name}}}
	want := []ctrl.Request{{NamespacedName: key}}
	if woken := c.r.stacksOf(t.Context(), update); !cmp.Equal(woken, want) {
		t.Errorf("the Update wakes %v", woken)
	}
}
