package stack

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/failure"
)

func isSuspended(o *Observed) { o.Stack.Spec.Suspend = true }

func unapplied(o *Observed) { o.Stack.Status.Applied = new(false) }

func TestSuspended(t *testing.T) {
	going := func(o *Observed) { o.Update.DeletionTimestamp = new(metav1.NewTime(noon)) }
	destroys := func(o *Observed) { o.Update.Spec.Type = autov1alpha1.DestroyUpdate }
	cases := map[string]struct {
		o      Observed
		act    Act
		reason string
		ready  metav1.ConditionStatus
		says   string
	}{
		"InLine":            {world(isSuspended), Nothing, "ProcessingCompleted", metav1.ConditionTrue, "and suspended"},
		"NotFollowed":       {world(isSuspended, revision("8")), Nothing, "ProcessingCompleted", metav1.ConditionTrue, ""},
		"Requested":         {world(isSuspended, annotated("a")), Nothing, "ProcessingCompleted", metav1.ConditionTrue, ""},
		"NeverRan":          {world(isSuspended, neverRan), Nothing, "Suspended", metav1.ConditionFalse, "never run"},
		"NewSpec":           {world(isSuspended, generation(3)), Nothing, "Suspended", metav1.ConditionFalse, "not the one that was run"},
		"InvalidSpec":       {world(isSuspended, generation(3), invalid), Nothing, "Suspended", metav1.ConditionFalse, "it will not run: bad"},
		"InBackoff":         {world(isSuspended, failed("UpdateFailed", 1, time.Hour)), Nothing, "Suspended", metav1.ConditionFalse, "demo-1 failed: boom"},
		"Exhausted":         {world(isSuspended, failed("UpdateFailed", 4, time.Hour)), Nothing, "Suspended", metav1.ConditionFalse, "failed"},
		"ResyncDue":         {world(isSuspended, resyncing), Nothing, "ProcessingCompleted", metav1.ConditionTrue, ""},
		"Runs":              {world(isSuspended, under("pod")), Nothing, "StackProcessing", metav1.ConditionFalse, "is starting"},
		"Waits":             {world(isSuspended, under("")), Supersede, "StackProcessing", metav1.ConditionFalse, "withdrawn"},
		"Deleted":           {world(isSuspended, goes), Nothing, "Suspended", metav1.ConditionFalse, "pulumi.com/abandon=true"},
		"DeletedResume":     {world(isSuspended, goes), Nothing, "Suspended", metav1.ConditionFalse, `{"spec":{"suspend":false}}`},
		"DeletedKeeps":      {world(isSuspended, goes, func(o *Observed) { o.Stack.Spec.DestroyOnFinalize = false }), Release, "ProcessingCompleted", metav1.ConditionTrue, ""},
		"DeletedNothing":    {world(isSuspended, goes, neverRan, unapplied), Release, "ProcessingCompleted", metav1.ConditionTrue, ""},
		"DeletedDestroyed":  {world(isSuspended, goes, destroyed(3)), Release, "ProcessingCompleted", metav1.ConditionTrue, ""},
		"DeletedAbandoned":  {world(isSuspended, goes, abandon(abandonValue)), Release, "ProcessingCompleted", metav1.ConditionTrue, ""},
		"DeletedRuns":       {world(isSuspended, goes, under("pod")), Nothing, "StackProcessing", metav1.ConditionFalse, "is starting"},
		"DeletedDestroys":   {world(isSuspended, goes, under("pod"), destroys), Nothing, "StackProcessing", metav1.ConditionFalse, "is starting"},
		"DestroyWaits":      {world(isSuspended, goes, under(""), destroys), Supersede, "StackProcessing", metav1.ConditionFalse, "withdrawn"},
		"AbandonedRuns":     {world(isSuspended, goes, under("pod"), abandon(abandonValue)), Cancel, "StackProcessing", metav1.ConditionFalse, "canceled"},
		"WithdrawnAlready":  {world(isSuspended, under(""), going), Nothing, "StackProcessing", metav1.ConditionFalse, ""},
		"Unreadable":        {world(isSuspended, func(o *Observed) { o.Stack.Spec.Unreadable = "config" }), Nothing, "SpecInvalid", metav1.ConditionFalse, ""},
		"NamespaceGoes":     {world(isSuspended, goes, func(o *Observed) { o.Terminating = true }), Nothing, "Suspended", metav1.ConditionFalse, "suspended"},
		"CollectorIsAtWork": {world(isSuspended, goes, func(o *Observed) { o.Stack.Finalizers = append(o.Stack.Finalizers, metav1.FinalizerDeleteDependents) }), Nothing, "Suspended", metav1.ConditionFalse, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			step := Plan(tc.o, noon)
			if step.Act != tc.act || step.State.Reason() != tc.reason || !strings.Contains(step.State.Message(), tc.says) || step.After != 0 {
				t.Errorf("the step is %+v", step)
			}
			list := status(tc.o, step, noon).Conditions
			ready := meta.FindStatusCondition(list, autov1alpha1.ConditionTypeReady)
			if ready == nil || ready.Status != tc.ready {
				t.Errorf("Ready is %+v, want %s", ready, tc.ready)
			}
			if !meta.IsStatusConditionTrue(list, pulumiv1.ConditionTypeSuspended) {
				t.Errorf("nothing says that the Stack is suspended: %+v", list)
			}
			if quiet := tc.reason == pulumiv1.ReasonSuspended; quiet && len(list) != 2 {
				t.Errorf("there are other conditions: %+v", list)
			}
		})
	}
}

func invalid(o *Observed) {
	o.DesiredErr = failure.NewTerminal(pulumiv1.ReasonSpecInvalid, "bad")
	o.SourceErr = o.DesiredErr
}

func resyncing(o *Observed) {
	o.Stack.Spec.ContinueResyncOnCommitMatch = true
	o.Stack.Status.LastUpdate.LastResyncTime = metav1.NewTime(noon.Add(-time.Hour))
}

// digested has the spec as it is on record as the one that ran.
func digested(o *Observed) { o.Stack.Status.LastUpdate.SpecDigest = wanted(o.Stack) }

// wasSuspended has it on record that the Stack was suspended when it was looked at last.
func wasSuspended(o *Observed) {
	o.Stack.Status.Conditions = append(conditions.Suspended(pulumiv1.ReasonSuspended, "").Conditions(2),
		metav1.Condition{Type: pulumiv1.ConditionTypeSuspended, Status: metav1.ConditionTrue})
}

// TestAdoptGeneration: to suspend and to resume are no reasons to run, and whatever else is new is.
func TestAdoptGeneration(t *testing.T) {
	refreshes := func(o *Observed) { o.Stack.Spec.Refresh = true }
	cases := map[string]struct {
		o    Observed
		runs bool
	}{
		"Suspended":             {world(digested, isSuspended, generation(3)), false},
		"Resumed":               {world(digested, wasSuspended, generation(4)), false},
		"ResumedAndEdited":      {world(digested, wasSuspended, generation(4), refreshes), true},
		"EditedAlone":           {world(digested, generation(3)), true},
		"NothingOnRecord":       {world(wasSuspended, generation(4)), true},
		"Deleted":               {world(digested, wasSuspended, goes), true},
		"ResumedAndUnreadable":  {world(digested, wasSuspended, generation(4), func(o *Observed) { o.Stack.Spec.Unreadable = "x" }), true},
		"ResumedAfterADestroy":  {world(goes, destroyed(3), digested, wasSuspended, generation(5)), false},
		"ResumedInTheBackoff":   {world(failed("UpdateFailed", 1, time.Second), digested, wasSuspended, generation(4)), false},
		"ResumedAfterTheEdits":  {world(digested, wasSuspended, generation(9)), false},
		"ResumedWithARequest":   {world(digested, wasSuspended, generation(4), annotated("a")), false},
		"SuspendedBeforeTheRun": {world(neverRan, wasSuspended, generation(4)), false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			adoptGeneration(tc.o.Stack)
			last := lastUpdate(tc.o.Stack)
			if got := last != nil && last.Generation != tc.o.Stack.Generation; got != tc.runs {
				t.Errorf("the last update is %+v of generation %d", last, tc.o.Stack.Generation)
			}
		})
	}
}

// TestWanted: the digest stands for all of the spec but suspend, and for a deletion.
func TestWanted(t *testing.T) {
	plain := wanted(world().Stack)
	if plain == "" || wanted(world(isSuspended).Stack) != plain {
		t.Error("a suspended Stack's spec counts as another one")
	}
	for name, o := range map[string]Observed{"Edited": world(func(o *Observed) { o.Stack.Spec.Refresh = true }), "Going": world(goes)} {
		if wanted(o.Stack) == plain {
			t.Errorf("%s: the same is wanted", name)
		}
	}
	if wanted(world(func(o *Observed) { o.Stack.Spec.Unreadable = "x" }).Stack) != "" {
		t.Error("something is known to be wanted by a spec that cannot be read")
	}
}

// TestSuspendAndResume plays it through: suspended in line, a new commit and time pass, and the resume runs that once.
func TestSuspendAndResume(t *testing.T) {
	c := newCluster(t, fromGit())
	c.has(commitA, digestA, "tree-a")
	c.reconcile()
	c.finish("", nil)
	c.reconcile()
	before := len(c.updates())

	c.edit(func(s *pulumiv1.Stack) { s.Generation++; s.Spec.Suspend = true })
	if result := c.reconcile(); result.RequeueAfter != 0 {
		t.Errorf("a suspended Stack is looked at again after %s", result.RequeueAfter)
	}
	c.has(commitB, digestB, "tree-b")
	c.clock.Step(24 * time.Hour)
	c.reconcile()
	stack := c.stack()
	if len(c.updates()) != before || stack.Status.LastUpdate.Generation != stack.Generation ||
		!meta.IsStatusConditionTrue(stack.Status.Conditions, "Ready") || !meta.IsStatusConditionTrue(stack.Status.Conditions, "Suspended") {
		t.Errorf("suspended, there are %d Updates instead of %d, and the status is %+v", len(c.updates()), before, stack.Status)
	}

	c.edit(func(s *pulumiv1.Stack) { s.Generation++; s.Spec.Suspend = false })
	c.reconcile()
	stack = c.stack()
	if len(c.updates()) != before+1 || stack.Status.CurrentUpdate == nil || stack.Status.CurrentUpdate.Commit != commitB {
		t.Fatalf("resumed, there are %d Updates, and the status is %+v", len(c.updates()), stack.Status)
	}
	c.finish("", nil)
	c.reconcile()
	for range 2 { // to suspend and to resume changes nothing
		c.edit(func(s *pulumiv1.Stack) { s.Generation++; s.Spec.Suspend = !s.Spec.Suspend })
		c.reconcile()
	}
	if len(c.updates()) != before+1 || !meta.IsStatusConditionTrue(c.stack().Status.Conditions, "Ready") {
		t.Errorf("there are %d Updates, and the status is %+v", len(c.updates()), c.stack().Status)
	}
}
