package stack

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/operation"
)

func TestPendingPolicy(t *testing.T) {
	failed := func(reason string, kind autov1alpha1.UpdateType) func(*pulumiv1.Stack) {
		return func(s *pulumiv1.Stack) {
			s.Status.LastUpdate = &pulumiv1.LastUpdate{Name: "u", State: pulumiv1.FailedStackState, Reason: reason, Type: kind}
		}
	}
	interrupted := func(s *pulumiv1.Stack) { s.Status.InterruptedUpdate = "before" }
	up, preview := autov1alpha1.UpUpdate, autov1alpha1.PreviewUpdate
	cases := map[string]struct {
		reason string
		change []func(*pulumiv1.Stack)
		next   autov1alpha1.UpdateType
		want   autov1alpha1.PendingOperationsPolicy
	}{
		"First":         {reason: "nobody looks in vain", next: up},
		"AfterFailure":  {reason: "a program that fails leaves nothing pending", change: []func(*pulumiv1.Stack){failed("UpdateFailed", up)}, next: up},
		"AfterKill":     {reason: "the default", change: []func(*pulumiv1.Stack){interrupted}, next: up, want: "Refresh"},
		"Keep":          {reason: "the user's word", change: []func(*pulumiv1.Stack){interrupted, func(s *pulumiv1.Stack) { s.Spec.PendingOperations = "Keep" }}, next: up, want: "Keep"},
		"KeepUnneeded":  {reason: "the policy alone is no reason to look", change: []func(*pulumiv1.Stack){func(s *pulumiv1.Stack) { s.Spec.PendingOperations = "Keep" }}, next: up},
		"Destroy":       {reason: "what is destroyed has to be known", change: []func(*pulumiv1.Stack){interrupted}, next: autov1alpha1.DestroyUpdate, want: "Refresh"},
		"Preview":       {reason: "a preview changes nothing", change: []func(*pulumiv1.Stack){interrupted}, next: preview},
		"StillUnlooked": {reason: "another failure in between", change: []func(*pulumiv1.Stack){interrupted, failed(operation.ReasonConflict, up)}, next: up, want: "Refresh"},
		"Aborted":       {reason: "a record of an earlier version", change: []func(*pulumiv1.Stack){failed(operation.ReasonAborted, up)}, next: up, want: "Refresh"},
		"PKO":           {reason: "PKO does not say how its updates failed", change: []func(*pulumiv1.Stack){failed("", "")}, next: up, want: "Refresh"},
		"AbortedLook":   {reason: "a preview leaves nothing", change: []func(*pulumiv1.Stack){failed(operation.ReasonAborted, preview)}, next: up},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := pendingPolicy(demo(tc.change...), tc.next); got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}

func TestRecordPending(t *testing.T) {
	met := func(outcome autov1alpha1.PendingOperationsOutcome, count int32) *autov1alpha1.PendingOperations {
		return &autov1alpha1.PendingOperations{Outcome: outcome, Count: count, Message: "words"}
	}
	known := &pulumiv1.PendingOperationsRecord{Update: "long ago", Generation: 1}
	cases := map[string]struct {
		reason      string
		known       *pulumiv1.PendingOperationsRecord
		suspect     string
		met         *autov1alpha1.PendingOperations
		interrupted bool
		failure     string
		generation  int64
		want        string
		record      string
		message     string
	}{
		"Ordinary":          {reason: "nothing to say"},
		"Interrupted":       {reason: "the next one has to look", interrupted: true, failure: operation.ReasonAborted, want: "u"},
		"AbortedWithoutBit": {reason: "recorded by an earlier version", failure: operation.ReasonAborted, want: "u"},
		"NotLooked":         {reason: "a failure before it looked", suspect: "before", failure: operation.ReasonConflict, want: "before"},
		"None":              {reason: "there are none", suspect: "before", met: met("None", 0)},
		"Cleared":           {reason: "they are dealt with", suspect: "before", met: met("Cleared", 2), record: "u", message: "words"},
		"Kept":              {reason: "as was asked for", suspect: "before", met: met("Kept", 2), record: "u", message: "words"},
		"Failed":            {reason: "the next one tries again", suspect: "before", met: met("Failed", 2), want: "before", record: "u", message: "words"},
		"LostInTheMiddle":   {reason: "what was found is told all the same", suspect: "before", met: met("Found", 2), interrupted: true, failure: operation.ReasonAborted, want: "u", record: "u", message: "no luck\nwords"},
		"ClearedThenKilled": {reason: "the operation after the refresh was killed", suspect: "before", met: met("Cleared", 1), interrupted: true, failure: operation.ReasonAborted, want: "u", record: "u", message: "no luck\nwords"},
		"Locked":            {reason: "what another one has under way is no news", suspect: "before", met: met("Found", 2), failure: operation.ReasonConflict, want: "before"},
		"Remembered":        {reason: "the same again is no word of a person", known: known, generation: 1, record: "long ago"},
		"RememberedFailure": {reason: "a failure forgets nothing", known: known, generation: 2, failure: "UpdateFailed", record: "long ago"},
		"Forgotten":         {reason: "somebody has changed the Stack since, and it went well", known: known, generation: 2},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			status := &pulumiv1.StackStatus{InterruptedUpdate: tc.suspect, PendingOperations: tc.known}
			update := &autov1alpha1.Update{ObjectMeta: metav1.ObjectMeta{Name: "u"}, Spec: autov1alpha1.UpdateSpec{Type: autov1alpha1.UpUpdate}}
			update.Status.PendingOperations, update.Status.Interrupted = tc.met, tc.interrupted
			record := &pulumiv1.LastUpdate{State: pulumiv1.SucceededStackState, Generation: tc.generation}
			if tc.failure != "" {
				record.State, record.Message, record.Reason = pulumiv1.FailedStackState, "no luck", tc.failure
				meta.SetStatusCondition(&update.Status.Conditions, metav1.Condition{Type: autov1alpha1.UpdateConditionTypeFailed, Status: metav1.ConditionTrue, Reason: tc.failure})
			}
			recordPending(status, update, record)
			got := ""
			if status.PendingOperations != nil {
				got = status.PendingOperations.Update
			}
			if status.InterruptedUpdate != tc.want || got != tc.record {
				t.Errorf("%s: suspected is %q and on record %q, want %q and %q", tc.reason, status.InterruptedUpdate, got, tc.want, tc.record)
			}
			if tc.message != "" && record.Message != tc.message {
				t.Errorf("%s: the message is %q, want %q", tc.reason, record.Message, tc.message)
			}
		})
	}
}

// TestPendingOperationsHeal goes with a Stack from an update whose pod died to the one after it, and to the next.
func TestPendingOperationsHeal(t *testing.T) {
	c := newCluster(t, demo(), programOf(greeting))
	c.reconcile()
	if policy := c.updates()[0].Spec.PendingOperations; policy != "" {
		t.Errorf("the first update has the policy %q: it would cost every deployment a process", policy)
	}
	c.ends(func(status *autov1alpha1.UpdateStatus) {
		status.Interrupted = true
		fail(status, operation.ReasonAborted)
	})
	c.reconcile()
	if got := c.stack().Status.InterruptedUpdate; got != c.updates()[0].Name {
		t.Errorf("interruptedUpdate is %q", got)
	}

	c.clock.Step(time.Hour)
	c.reconcile()
	second := c.open()
	if second.Spec.PendingOperations != autov1alpha1.PendingOperationsRefresh {
		t.Fatalf("the next update has the policy %q", second.Spec.PendingOperations)
	}
	const told = "An interrupted update left 1 operation pending in the state: creating urn:a."
	c.ends(func(status *autov1alpha1.UpdateStatus) {
		status.PendingOperations = &autov1alpha1.PendingOperations{
			Outcome: autov1alpha1.PendingOperationsCleared, Count: 1, Snapshot: "demo-snapshot-1", Message: told,
			Operations: []autov1alpha1.PendingOperation{{Type: "creating", URN: "urn:a"}},
		}
	})
	c.reconcile()
	stack := c.stack()
	if stack.Status.InterruptedUpdate != "" || stack.Status.LastUpdate.Message != told || stack.Status.LastUpdate.State != pulumiv1.SucceededStackState {
		t.Errorf("interrupted is %q and the record %+v", stack.Status.InterruptedUpdate, stack.Status.LastUpdate)
	}
	want := &pulumiv1.PendingOperationsRecord{PendingOperations: *c.find(second.Name).Status.PendingOperations, Update: second.Name, Generation: 1}
	if diff := cmp.Diff(want, stack.Status.PendingOperations); diff != "" {
		t.Errorf("on record (-want +got):\n%s", diff)
	}
	if got := c.state(); got != "PendingOperations=True/PendingOperationsCleared Ready=True/ProcessingCompleted " {
		t.Errorf("conditions: %s", got)
	}
	if diff := cmp.Diff([]string{"Warning PendingOperations " + told}, c.told("PendingOperations")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}

	t.Log("the one after that does not look, and the record goes with the next change")
	c.edit(func(s *pulumiv1.Stack) { s.Generation++ })
	c.reconcile()
	if policy := c.open().Spec.PendingOperations; policy != "" {
		t.Errorf("the update after it has the policy %q", policy)
	}
	c.ends(func(*autov1alpha1.UpdateStatus) {})
	c.reconcile()
	if got := c.state(); got != "Ready=True/ProcessingCompleted " || c.stack().Status.PendingOperations != nil {
		t.Errorf("conditions: %s", got)
	}
}

// TestAnUpdateThatVanishedMayHaveBeenInterrupted: somebody took its finalizers away.
func TestAnUpdateThatVanishedMayHaveBeenInterrupted(t *testing.T) {
	c := newCluster(t, demo(), programOf(greeting))
	c.reconcile()
	gone := c.open()
	gone.Finalizers = nil
	if err := c.client.Update(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	if err := c.client.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	c.reconcile()
	if next := c.open(); next.Spec.PendingOperations != autov1alpha1.PendingOperationsRefresh {
		t.Errorf("the next update has the policy %q", next.Spec.PendingOperations)
	}
}

// open is the one Update that is not complete.
func (c *cluster) open() *autov1alpha1.Update {
	c.t.Helper()
	for _, update := range c.updates() {
		if len(update.Status.Conditions) == 0 {
			return &update
		}
	}
	c.t.Fatal("there is no Update under way")
	return nil
}

func (c *cluster) find(name string) *autov1alpha1.Update {
	c.t.Helper()
	for _, update := range c.updates() {
		if update.Name == name {
			return &update
		}
	}
	c.t.Fatalf("there is no Update %s", name)
	return nil
}

// ends completes the one Update that is under way.
func (c *cluster) ends(change func(*autov1alpha1.UpdateStatus)) {
	c.t.Helper()
	update := c.open()
	update.Status.PodUID = "pod"
	meta.SetStatusCondition(&update.Status.Conditions, metav1.Condition{
		Type: autov1alpha1.UpdateConditionTypeComplete, Status: metav1.ConditionTrue, Reason: "Updated", LastTransitionTime: metav1.NewTime(c.clock.Now()),
	})
	change(&update.Status)
	if err := c.client.Status().Update(c.t.Context(), update); err != nil {
		c.t.Fatal(err)
	}
}

func fail(status *autov1alpha1.UpdateStatus, reason string) {
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{Type: autov1alpha1.UpdateConditionTypeFailed, Status: metav1.ConditionTrue, Reason: reason})
}
