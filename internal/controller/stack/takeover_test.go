package stack

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/kube"
	"github.com/gantry-operator/gantry/internal/kube/kubetest"
	"github.com/gantry-operator/gantry/internal/operation"
)

// leftByPKO is a Stack as PKO leaves it, with all that PKO made for it. The objects are those of testdata/pko.yaml.
type leftByPKO struct {
	stack     *pulumiv1.Stack
	program   *pulumiv1.Program
	workspace *autov1alpha1.Workspace
	update    *autov1alpha1.Update
}

func pko(t *testing.T) leftByPKO {
	t.Helper()
	left := leftByPKO{&pulumiv1.Stack{}, &pulumiv1.Program{}, &autov1alpha1.Workspace{}, &autov1alpha1.Update{}}
	kubetest.Read(t, "testdata/pko.yaml", left.objects()...)
	return left
}

func (l leftByPKO) objects() []client.Object {
	return []client.Object{l.stack, l.program, l.workspace, l.update}
}

// newTakeover is a cluster in which PKO was. The Stack's status is applied as PKO applies it, so that the API server knows
// whose the fields are.
func newTakeover(t *testing.T, left leftByPKO, more ...client.Object) *cluster {
	t.Helper()
	status := left.stack.Status
	left.stack.Status = pulumiv1.StackStatus{}
	c := newCluster(t, append(left.objects(), more...)...)
	stack := c.stack()
	if err := kube.ApplyStatus(t.Context(), c.client, stack, kube.ManagerStackStatus, &stack.Status, &status); err != nil {
		t.Fatal(err)
	}
	return c
}

// firstUp makes the Stack one whose first update PKO has made and not seen the end of.
func (l leftByPKO) firstUp(conditions ...metav1.Condition) {
	l.stack.Status = pulumiv1.StackStatus{ObservedGeneration: 2, CurrentUpdate: &pulumiv1.CurrentUpdate{
		Generation: 2, Name: l.update.Name, Commit: "1",
	}}
	l.update.Status = autov1alpha1.UpdateStatus{ObservedGeneration: 1, Conditions: conditions}
}

func at(ago time.Duration) metav1.Time { return metav1.NewTime(noon.Add(-ago)) }

func progressing(status metav1.ConditionStatus, reason string) metav1.Condition {
	return metav1.Condition{Type: autov1alpha1.UpdateConditionTypeProgressing, Status: status, Reason: reason, LastTransitionTime: at(time.Minute)}
}

// abort ends an Update as the update controller ends one that PKO was running.
func (c *cluster) abort(name string) {
	c.t.Helper()
	update := c.update(name)
	update.Status.Message = "the operation was under way"
	for kind, reason := range map[string]string{
		autov1alpha1.UpdateConditionTypeFailed: operation.ReasonAborted, autov1alpha1.UpdateConditionTypeComplete: "Failed",
	} {
		update.Status.Conditions = append(update.Status.Conditions,
			metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: reason, LastTransitionTime: metav1.NewTime(c.clock.Now())})
	}
	update.Status.Conditions[0].Status = metav1.ConditionFalse // Progressing
	if err := c.client.Status().Update(c.t.Context(), update); err != nil {
		c.t.Fatal(err)
	}
}

// update is the Update of a name, or nil.
func (c *cluster) update(name string) *autov1alpha1.Update {
	c.t.Helper()
	for _, update := range c.updates() {
		if update.Name == name {
			return &update
		}
	}
	return nil
}

func (c *cluster) remove(object client.Object) {
	c.t.Helper()
	if err := c.client.Delete(c.t.Context(), object); err != nil {
		c.t.Fatal(err)
	}
}

// TestTakeoverRunsNothing: what PKO left in line with its source stays as it is, without a run.
func TestTakeoverRunsNothing(t *testing.T) {
	cases := map[string]struct {
		change func(leftByPKO)
		state  string
	}{
		"Ready": {func(leftByPKO) {}, "Ready=True/ProcessingCompleted "},
		"RequestAnswered": {func(l leftByPKO) {
			l.stack.Annotations = map[string]string{pulumiv1.AnnotationReconciliationRequest: "a"}
			l.stack.Status.LastUpdate.ReconcileRequest = "a"
		}, "Ready=True/ProcessingCompleted "},
		"ResyncNotDue": {func(l leftByPKO) {
			l.stack.Spec.ContinueResyncOnCommitMatch, l.stack.Spec.ResyncFrequencySeconds = true, 7200
		}, "Ready=True/ProcessingCompleted "},
		"GivenUp": {func(l leftByPKO) {
			last := l.stack.Status.LastUpdate
			last.State, last.Failures, last.Message = pulumiv1.FailedStackState, 3, "boom"
		}, "Ready=False/NotReadyStalled Stalled=True/UpdateFailed "},
		"SucceededUnseen": {func(l leftByPKO) {
			l.stack.Status.LastUpdate = nil
			l.stack.Status.CurrentUpdate = &pulumiv1.CurrentUpdate{Generation: 2, Name: l.update.Name, Commit: "1"}
		}, "Ready=True/ProcessingCompleted "},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			left := pko(t)
			tc.change(left)
			c := newTakeover(t, left)
			c.reconcile()
			if got := c.state(); got != tc.state {
				t.Errorf("conditions: %s, want %s", got, tc.state)
			}
			updates, stack := c.updates(), c.stack()
			if len(updates) != 1 || updates[0].Name != left.update.Name {
				t.Errorf("the takeover made a run: %d updates", len(updates))
			}
			if len(updates[0].Finalizers) != 0 {
				t.Errorf("PKO's Update can never go: %v", updates[0].Finalizers)
			}
			if stack.Generation != 2 || len(stack.Finalizers) != 1 || stack.Status.ProjectInfo == nil || stack.Status.LastUpdate.Name != left.update.Name {
				t.Errorf("the Stack became %+v", stack)
			}
		})
	}
}

// TestTakeoverOfARun: what PKO was running ends as aborted and is tried again after a backoff, not at once and not never.
func TestTakeoverOfARun(t *testing.T) {
	left := pko(t)
	left.firstUp(progressing(metav1.ConditionTrue, "Progressing"))
	left.stack.Generation = 3 // the change of a spec does not push aside what may have begun
	c := newTakeover(t, left)
	c.reconcile()
	if running := c.update(left.update.Name); running == nil || !running.DeletionTimestamp.IsZero() || !madeByPKO(running) || len(c.updates()) != 1 {
		t.Fatalf("PKO's run was not left to end: %+v", running)
	}
	if applied := c.stack().Status.Applied; applied == nil || !*applied {
		t.Error("it is not on record that something may have been applied")
	}
	c.edit(func(s *pulumiv1.Stack) { s.Generation = 2 })

	c.abort(left.update.Name)
	result := c.reconcile()
	last := c.stack().Status.LastUpdate
	if last == nil || last.Name != left.update.Name || last.Reason != operation.ReasonAborted || last.Failures != 1 {
		t.Fatalf("on record: %+v", last)
	}
	if got := c.state(); got != "Ready=False/NotReadyInProgress Reconciling=True/RetryingAfterFailure " || result.RequeueAfter <= 0 {
		t.Errorf("conditions: %slooks again after %s", got, result.RequeueAfter)
	}
	if ended := c.update(left.update.Name); ended == nil || len(ended.Finalizers) != 0 {
		t.Errorf("PKO's Update can never go: %+v", ended)
	}
	c.clock.Step(time.Minute)
	c.reconcile()
	if got := c.updates(); len(got) != 2 {
		t.Fatalf("%d updates, want PKO's and one more", len(got))
	}
	c.finish("", nil)
	c.reconcile()
	if got := c.state(); got != "Ready=True/ProcessingCompleted " {
		t.Errorf("conditions at the end: %s", got)
	}
}

// TestTakeoverOfWhatWaits: an Update that PKO had not begun is run once: itself, or where it would wait for PKO's archive
// one in its place.
func TestTakeoverOfWhatWaits(t *testing.T) {
	for name, inImage := range map[string]bool{"Itself": true, "AnotherInItsPlace": false} {
		t.Run(name, func(t *testing.T) {
			left := pko(t)
			left.firstUp(progressing(metav1.ConditionFalse, "WorkspaceNotReady"))
			if inImage {
				left.stack.Spec.ProgramRef, left.workspace.Spec.Flux, left.stack.Status.CurrentUpdate.Commit = nil, nil, ""
			}
			c := newTakeover(t, left)
			c.reconcile()
			updates := c.updates()
			if len(updates) != 1 || (updates[0].Name == left.update.Name) != inImage {
				t.Fatalf("updates: %+v", updates)
			}
			if current := c.stack().Status.CurrentUpdate; current == nil || current.Name != updates[0].Name {
				t.Errorf("under way: %+v", current)
			}
			workspace := &autov1alpha1.Workspace{}
			if err := c.client.Get(t.Context(), key, workspace); err != nil {
				t.Fatal(err)
			}
			if flux := workspace.Spec.Flux; !inImage && len(c.r.Artifacts.(archives)[flux.Digest]) == 0 {
				t.Errorf("the update would fetch %+v", flux)
			}
		})
	}
}

// TestTakeoverOfADeletion: a Stack that PKO could not destroy is destroyed, however often PKO has tried, and all goes.
func TestTakeoverOfADeletion(t *testing.T) {
	left := pko(t)
	now := at(time.Hour)
	left.stack.DeletionTimestamp, left.stack.Generation = &now, 3
	last := left.stack.Status.LastUpdate
	last.Generation, last.Type, last.State, last.Failures, last.Message = 3, autov1alpha1.DestroyUpdate, pulumiv1.FailedStackState, 3, "boom"
	last.LastResyncTime = at(time.Hour)
	c := newTakeover(t, left)
	c.reconcile()
	updates := c.updates()
	if i := slices.IndexFunc(updates, func(u autov1alpha1.Update) bool { return u.Spec.Type == autov1alpha1.DestroyUpdate }); i < 0 || len(updates) != 2 {
		t.Fatalf("no destroy: %+v", updates)
	}
	c.finish("", nil)
	if _, err := c.once(); err != nil {
		t.Fatal(err)
	}
	if err := c.client.Get(t.Context(), key, &pulumiv1.Stack{}); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("the Stack is still there (%v)", err)
	}
}

// TestDeletionWithoutARecord: a Stack is only let go without a destroy if it is certain that nothing was applied.
func TestDeletionWithoutARecord(t *testing.T) {
	fresh := func(l leftByPKO) { l.stack.Finalizers, l.stack.Status = nil, pulumiv1.StackStatus{} }
	cases := map[string]struct {
		change func(leftByPKO)
		seen   bool // alive by Gantry, with a source that is not there
		want   bool // a destroy
	}{
		"UpdateIsGone": {func(l leftByPKO) {
			l.stack.Status = pulumiv1.StackStatus{ObservedGeneration: 2, CurrentUpdate: &pulumiv1.CurrentUpdate{Generation: 2, Name: "demo-gone", Commit: "1"}}
		}, false, true},
		"NothingOnRecord":  {func(l leftByPKO) { l.stack.Status = pulumiv1.StackStatus{ObservedGeneration: 2} }, false, true},
		"PreviewOnRecord":  {func(l leftByPKO) { l.stack.Status.LastUpdate.Type = autov1alpha1.PreviewUpdate }, false, true},
		"FromABackup":      {func(l leftByPKO) { l.stack.Status = pulumiv1.StackStatus{} }, false, true},
		"FromABackupAlive": {func(l leftByPKO) { l.stack.Status = pulumiv1.StackStatus{} }, true, true},
		"FinalizerWasLost": {func(l leftByPKO) { l.stack.Finalizers = nil }, true, true},
		"Fresh":            {fresh, true, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			left := pko(t)
			tc.change(left)
			c := newTakeover(t, left)
			if tc.seen {
				c.remove(left.program)
				c.reconcile()
				if err := c.client.Create(t.Context(), programOf(greeting)); err != nil {
					t.Fatal(err)
				}
			}
			c.remove(c.stack())
			c.edit(func(s *pulumiv1.Stack) { s.Generation = 3 }) // as the API server does
			if _, err := c.once(); err != nil {
				t.Fatal(err)
			}
			destroys := slices.ContainsFunc(c.updates(), func(u autov1alpha1.Update) bool { return u.Spec.Type == autov1alpha1.DestroyUpdate })
			err := c.client.Get(t.Context(), key, &pulumiv1.Stack{})
			if destroys != tc.want || (err == nil) != tc.want {
				t.Errorf("destroyed: %t, want %t; the Stack: %v", destroys, tc.want, err)
			}
		})
	}
}

// TestStackGoesAfterItsUpdates: a Stack is not let go before its Updates are, whatever comes between.
func TestStackGoesAfterItsUpdates(t *testing.T) {
	left := pko(t)
	left.stack.Spec.DestroyOnFinalize = false
	c := newTakeover(t, left)
	c.remove(c.stack())
	c.failWrite = 2 // the first is the status, the second lets the Update go
	if _, err := c.once(); !errors.Is(err, errCrash) {
		t.Fatalf("error %v", err)
	}
	if held := c.update(left.update.Name); len(held.Finalizers) != 0 || len(c.stack().Finalizers) != 1 {
		t.Errorf("finalizers: Update %v, Stack %v", held.Finalizers, c.stack().Finalizers)
	}
	if _, err := c.once(); err != nil {
		t.Fatal(err)
	}
	if err := c.client.Get(t.Context(), key, &pulumiv1.Stack{}); err == nil {
		t.Error("the Stack is still there")
	}
}

// TestDeletionThatIsHeldBack: what keeps a destroy from running comes with the ways out.
func TestDeletionThatIsHeldBack(t *testing.T) {
	left := pko(t)
	left.stack.Status = pulumiv1.StackStatus{ObservedGeneration: 2}
	c := newTakeover(t, left)
	c.remove(left.program)
	c.remove(c.stack())
	c.reconcile()
	waits := meta.FindStatusCondition(c.stack().Status.Conditions, autov1alpha1.ConditionTypeReconciling)
	if waits == nil || waits.Reason != pulumiv1.ReasonSourceUnavailable || !strings.Contains(waits.Message, "destroyOnFinalize to false") {
		t.Errorf("the Stack says %+v", waits)
	}
}

// TestUpdatesOfPKOCanGo: PKO's finalizer goes from every Update but the one under way, even if the Stack is gone.
func TestUpdatesOfPKOCanGo(t *testing.T) {
	left := pko(t)
	left.firstUp(progressing(metav1.ConditionFalse, "WorkspaceNotReady"))
	left.stack.Spec.ProgramRef, left.workspace.Spec.Flux, left.stack.Status.CurrentUpdate.Commit = nil, nil, ""
	old, other := left.update.DeepCopy(), left.update.DeepCopy()
	old.Name, old.UID = "demo-19a0000000", "old-uid"
	other.Name, other.UID = "other-19a0000000", "other-uid"
	for i := range other.OwnerReferences {
		other.OwnerReferences[i].Name = "other"
	}
	c := newTakeover(t, left, old, other)
	c.remove(old)
	c.remove(other)
	c.reconcile()
	if c.update(old.Name) != nil {
		t.Error("an old Update that is being deleted is still there")
	}
	if kept := c.update(left.update.Name); kept == nil || !madeByPKO(kept) {
		t.Error("the Update under way can go before its result is on record")
	}
	if c.update(other.Name) == nil {
		t.Error("another Stack's Update was let go")
	}

	c.edit(func(s *pulumiv1.Stack) { s.Finalizers = nil })
	c.remove(c.stack())
	orphan := c.update(left.update.Name)
	orphan.OwnerReferences = orphan.OwnerReferences[:1] // as the garbage collector does while the Workspace is there
	if err := c.client.Update(t.Context(), orphan); err != nil {
		t.Fatal(err)
	}
	c.remove(orphan)
	if _, err := c.once(); err != nil {
		t.Fatal(err)
	}
	if c.update(left.update.Name) != nil {
		t.Error("the Update of a Stack that is gone can never go")
	}
}
