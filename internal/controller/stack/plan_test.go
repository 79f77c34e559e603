package stack

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/operation"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// world makes what is observed of a Stack that is at generation 2, has a source at revision "7" and, unless changed,
// succeeded with it a minute ago.
func world(changes ...func(*Observed)) Observed {
	o := Observed{
		Stack: &pulumiv1.Stack{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "demo", UID: "stack-uid", Generation: 2, Finalizers: []string{pulumiv1.Finalizer}},
			Spec:       pulumiv1.StackSpec{Stack: "dev", ProgramRef: &pulumiv1.ProgramReference{Name: "p"}},
			Status: pulumiv1.StackStatus{Applied: new(true), LastUpdate: &pulumiv1.LastUpdate{
				Generation: 2, Name: "demo-1", Type: autov1alpha1.UpUpdate, State: pulumiv1.SucceededStackState,
				LastAttemptedCommit: "7", LastSuccessfulCommit: "7", LastResyncTime: metav1.NewTime(noon.Add(-time.Minute)),
			}},
		},
		Source: Source{Revision: "7"},
	}
	for _, change := range changes {
		change(&o)
	}
	return o
}

func neverRan(o *Observed) { o.Stack.Status = pulumiv1.StackStatus{Applied: new(false)} }

func annotated(value string) func(*Observed) {
	return func(o *Observed) {
		o.Stack.Annotations = map[string]string{pulumiv1.AnnotationReconciliationRequest: value}
	}
}

func answered(value string) func(*Observed) {
	return func(o *Observed) { o.Stack.Status.LastUpdate.ReconcileRequest = value }
}

func generation(n int64) func(*Observed) { return func(o *Observed) { o.Stack.Generation = n } }

func revision(r string) func(*Observed) { return func(o *Observed) { o.Source.Revision = r } }

func failed(reason string, failures int64, ago time.Duration) func(*Observed) {
	return func(o *Observed) {
		last := o.Stack.Status.LastUpdate
		last.State, last.Reason, last.Failures, last.Message = pulumiv1.FailedStackState, reason, failures, "boom"
		if !passes(reason) {
			last.Attempts = failures
		}
		last.LastResyncTime = metav1.NewTime(noon.Add(-ago))
	}
}

func goes(o *Observed) {
	now := metav1.NewTime(noon)
	o.Stack.DeletionTimestamp = &now
	o.Stack.Generation = 3
	o.Stack.Spec.DestroyOnFinalize = true
}

func under(podUID string) func(*Observed) {
	return func(o *Observed) {
		o.Stack.Status.CurrentUpdate = &pulumiv1.CurrentUpdate{Generation: 2, Name: "demo-2", Commit: "7"}
		o.Update = &autov1alpha1.Update{ObjectMeta: metav1.ObjectMeta{Name: "demo-2", OwnerReferences: []metav1.OwnerReference{ownerReference(o.Stack, false)}}, Spec: autov1alpha1.UpdateSpec{Type: autov1alpha1.UpUpdate}}
		o.Update.Status.PodUID = podUID
	}
}

func workspaceOf(kind, name string) func(*Observed) {
	return func(o *Observed) {
		o.Workspace = &autov1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "demo", OwnerReferences: []metav1.OwnerReference{
			{APIVersion: "pulumi.com/v1", Kind: kind, Name: name, UID: "other-uid", Controller: new(true)},
		}}}
	}
}

func TestPlan(t *testing.T) {
	type want struct {
		act     Act
		state   string // the reason of what is said
		message string // of the Update
		after   time.Duration
	}
	cases := map[string]struct {
		reason string
		o      Observed
		want   want
	}{
		"FirstRun":         {"nothing is on record", world(neverRan), want{act: Run, state: "StackProcessing", message: "Initial stack update"}},
		"WorkspaceTaken":   {"another Stack's Workspace is not taken over", world(neverRan, workspaceOf("Stack", "demo.")), want{state: "SpecInvalid", after: 30 * time.Second}},
		"WorkspaceLeft":    {"the Workspace of a Stack that is gone goes too", world(neverRan, workspaceOf("Stack", "demo")), want{state: "StackProcessing", after: 30 * time.Second}},
		"WorkspaceNotOurs": {"it is not reclaimed either", world(workspaceOf("Stack", "demo."), func(o *Observed) { o.Stack.Spec.WorkspaceReclaimPolicy = pulumiv1.WorkspaceReclaimDelete }), want{state: "ProcessingCompleted"}},
		"UpToDate":         {"nothing changed runs nothing", world(), want{state: "ProcessingCompleted"}},
		"SpecChanged":      {"a spec edit runs", world(generation(3)), want{act: Run, state: "StackProcessing", message: "New stack generation: 3"}},
		"SourceChanged":    {"a new revision runs", world(revision("8")), want{act: Run, state: "StackProcessing", message: `New commit detected: "8"`}},
		"Requested":        {"a new request runs", world(annotated("a")), want{act: Run, state: "StackProcessing", message: `Sync request: "a"`}},
		"RequestAnswered":  {"a request runs once", world(annotated("a"), answered("a")), want{state: "ProcessingCompleted"}},
		"RequestRemoved":   {"a removed annotation runs nothing", world(answered("a")), want{state: "ProcessingCompleted"}},
		"RequestPutBack":   {"an answered request that was removed and put back is not new", world(answered("a"), annotated("a")), want{state: "ProcessingCompleted"}},
		"RequestEmptied":   {"an empty value asks for nothing", world(answered("a"), annotated("")), want{state: "ProcessingCompleted"}},
		"FailedRecently":   {"a failure waits for its backoff", world(failed("UpdateFailed", 1, time.Second)), want{state: "RetryingAfterFailure", after: 9 * time.Second}},
		"FailedCooledDown": {"and is then tried again", world(failed("UpdateFailed", 1, 12*time.Second)), want{act: Run, state: "StackProcessing", message: "Backoff time elapsed: 10s"}},
		"FailedExhausted":  {"the fourth failure is the last", world(failed("UpdateFailed", 4, 30*time.Hour)), want{state: "UpdateFailed"}},
		"ConflictRecently": {"a lock is waited for, under a reason of its own", world(failed(operation.ReasonConflict, 1, time.Second)), want{state: "UpdateConflict", after: 9 * time.Second}},
		"ConflictNeverExhausted": {"a lock may be released at any time", world(failed(operation.ReasonConflict, 40, 17*time.Minute)),
			want{act: Run, state: "StackProcessing", message: "Backoff time elapsed: 15m"}},
		"ExhaustedRevivedBySource": {"a new revision is worth an attempt", world(failed("UpdateFailed", 4, time.Second), revision("8")),
			want{act: Run, state: "StackProcessing", message: `New commit detected: "8"`}},
		"ExhaustedRevivedByRequest": {"so is a request", world(failed("UpdateFailed", 4, time.Second), annotated("go")),
			want{act: Run, state: "StackProcessing", message: `Sync request: "go"`}},
		"PreviewFailed": {"a preview's failure has its own reason", world(failed("UpdateFailed", 1, time.Second), func(o *Observed) { o.Stack.Status.LastUpdate.Type = autov1alpha1.PreviewUpdate }),
			want{state: "PreviewFailed", after: 9 * time.Second}},
		"ResyncNotDue": {"resync is every minute or longer", world(func(o *Observed) {
			o.Stack.Spec.ContinueResyncOnCommitMatch, o.Stack.Spec.ResyncFrequencySeconds = true, 600
		}), want{state: "ProcessingCompleted", after: 9 * time.Minute}},
		"ResyncDue": {"a due resync runs", world(func(o *Observed) {
			o.Stack.Spec.ContinueResyncOnCommitMatch = true
			o.Stack.Status.LastUpdate.LastResyncTime = metav1.NewTime(noon.Add(-2 * time.Minute))
		}), want{act: Run, state: "StackProcessing", message: "Resync time elapsed: 1m"}},
		"ReclaimAfterSuccess": {"the Workspace goes when the policy says so", world(func(o *Observed) {
			o.Stack.Spec.WorkspaceReclaimPolicy, o.Workspace = pulumiv1.WorkspaceReclaimDelete, &autov1alpha1.Workspace{}
		}), want{act: Reclaim, state: "ProcessingCompleted"}},
		"NoReclaimAfterFailure": {"but not after a failure", world(failed("UpdateFailed", 1, 0), func(o *Observed) {
			o.Stack.Spec.WorkspaceReclaimPolicy, o.Workspace = pulumiv1.WorkspaceReclaimDelete, &autov1alpha1.Workspace{}
		}), want{state: "RetryingAfterFailure", after: 10 * time.Second}},

		"UpdateUnderWay":           {"nothing else happens meanwhile", world(under("pod"), generation(3)), want{state: "StackProcessing"}},
		"UpdateNotBegun":           {"an Update may wait for its pod", world(under("")), want{state: "StackProcessing"}},
		"UpdateOutdated":           {"a spec edit mends a pod that cannot start", world(under(""), generation(3)), want{act: Supersede, state: "StackProcessing"}},
		"UpdateOutdatedSource":     {"so does a new revision", world(under(""), revision("8")), want{act: Supersede, state: "StackProcessing"}},
		"UpdateOutdatedByDeletion": {"a deletion does not wait for a pod that cannot start", world(under(""), goes), want{act: Supersede, state: "StackProcessing"}},

		"UpdateUnwanted": {"a deletion cancels what runs", world(under("pod"), goes), want{act: Cancel, state: "StackProcessing"}},
		"UpdateUnwantedEnding": {"once", world(under("pod"), goes, func(o *Observed) {
			now := metav1.NewTime(noon)
			o.Update.DeletionTimestamp = &now
		}), want{state: "StackProcessing"}},
		"UpdateOrphaned": {"no event of an orphan leads to the Stack", world(under("pod"), goes, func(o *Observed) {
			now := metav1.NewTime(noon)
			o.Update.DeletionTimestamp, o.Update.OwnerReferences = &now, nil
		}), want{state: "StackProcessing", after: orphanPoll}},
		"DestroyIsWanted": {"a destroy is not canceled", world(under("pod"), goes, func(o *Observed) { o.Update.Spec.Type = autov1alpha1.DestroyUpdate }), want{state: "StackProcessing"}},

		"SourceMissing": {"a source may come by itself", world(neverRan, func(o *Observed) { o.SourceErr = failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "none") }),
			want{state: "SourceUnavailable", after: sourcePoll}},
		"SpecInvalid": {"what cannot work needs a person", world(neverRan, func(o *Observed) { o.DesiredErr = failure.NewTerminal(pulumiv1.ReasonSpecInvalid, "bad") }),
			want{state: "SpecInvalid"}},
		"WorkspaceGoing": {"a new Workspace waits for the old one to be gone", world(neverRan, func(o *Observed) {
			now := metav1.NewTime(noon)
			o.Workspace = &autov1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &now}}
		}), want{state: "StackProcessing"}},
		"PrerequisiteMissing": {"others have to succeed first", world(neverRan, func(o *Observed) {
			o.Prerequisites = []Prerequisite{{PrerequisiteRef: pulumiv1.PrerequisiteRef{Name: "base"}}}
		}), want{state: "PrerequisiteNotSatisfied"}},

		"SpecUnreadable": {"nothing is decided from a spec that cannot be read", world(goes, func(o *Observed) { o.Stack.Spec.Unreadable = "resyncFrequencySeconds" }),
			want{state: "SpecInvalid"}},
		"DeletedKeeping":        {"resources are kept unless asked otherwise", world(goes, func(o *Observed) { o.Stack.Spec.DestroyOnFinalize = false }), want{act: Release, state: "ProcessingCompleted"}},
		"DeletedNothingApplied": {"nothing was ever applied", world(goes, neverRan, func(o *Observed) { o.Stack.Generation = 3 }), want{act: Release, state: "ProcessingCompleted"}},
		"DeletedFirstUpLost":    {"an up was begun, whatever became of its record", world(goes, func(o *Observed) { o.Stack.Status = pulumiv1.StackStatus{Applied: new(true)} }), want{act: Run, state: "StackProcessing", message: "Stack marked for deletion"}},
		"Deleted":               {"a destroy runs", world(goes), want{act: Run, state: "StackProcessing", message: "Stack marked for deletion"}},
		"DeletedWhilePreview":   {"the present flag decides nothing", world(goes, func(o *Observed) { o.Stack.Spec.Preview = true }), want{act: Run, state: "StackProcessing", message: "Stack marked for deletion"}},
		"PrerequisiteCycle": {"Stacks that wait for each other need a person", world(neverRan, func(o *Observed) {
			o.Prerequisites, o.Cycle = []Prerequisite{{PrerequisiteRef: within("1h"), Stack: world(neverRan).Stack}}, []string{"demo", "base"}
		}), want{state: "SpecInvalid", after: 30 * time.Second}},
		"CycleThatRan": {"a circle of Stacks that have run does no harm", world(neverRan, func(o *Observed) {
			o.Prerequisites, o.Cycle = []Prerequisite{{Stack: world().Stack}}, []string{"demo", "base"}
		}), want{act: Run, state: "StackProcessing", message: "Initial stack update"}},
		"DeletedForeground": {"the garbage collector goes first", world(goes, func(o *Observed) { o.Stack.Finalizers = append(o.Stack.Finalizers, metav1.FinalizerDeleteDependents) }), want{state: "StackProcessing"}},
		"DeletedOrphaning":  {"whatever it is to do", world(goes, func(o *Observed) { o.Stack.Finalizers = append(o.Stack.Finalizers, metav1.FinalizerOrphanDependents) }), want{state: "StackProcessing"}},
		"Destroyed":         {"a destroy of this deletion is on record", world(goes, destroyed(3)), want{act: Release, state: "ProcessingCompleted"}},
		"DestroyedBefore":   {"an earlier destroy does not count", world(goes, destroyed(2)), want{act: Run, state: "StackProcessing", message: "Stack marked for deletion"}},
		"DestroyFailed": {"a failed destroy is tried for ever", world(goes, destroyed(3), failed("UpdateFailed", 50, 17*time.Minute)),
			want{act: Run, state: "StackProcessing", message: "Backoff time elapsed: 15m"}},
		"DestroyProtected": {"a protected resource needs a person, and is tried again", world(goes, destroyed(3), failed(operation.ReasonProtected, 2, time.Second)),
			want{state: "ResourceProtected", after: 29 * time.Second}},
		"UpProtected":           {"for an up it is a failure like another", world(failed(operation.ReasonProtected, 1, time.Second)), want{state: "RetryingAfterFailure", after: 9 * time.Second}},
		"DestroyFailedRecently": {"with a backoff", world(goes, destroyed(3), failed("UpdateFailed", 50, time.Second)), want{state: "RetryingAfterFailure", after: 15*time.Minute - time.Second}},
		"DeletedIgnoresPrerequisites": {"a prerequisite does not hold a deletion", world(goes, func(o *Observed) {
			o.Prerequisites = []Prerequisite{{PrerequisiteRef: pulumiv1.PrerequisiteRef{Name: "gone"}}}
		}), want{act: Run, state: "StackProcessing", message: "Stack marked for deletion"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			step := Plan(tc.o, noon)
			got := want{step.Act, step.State.Reason(), step.Message, step.After}
			if !strings.HasPrefix(got.message, tc.want.message) || (tc.want.message == "" && got.message != "") {
				t.Errorf("%s: the message is %q, want it to begin with %q", tc.reason, got.message, tc.want.message)
			}
			if lo, hi := tc.want.after, tc.want.after+tc.want.after/5+time.Second; got.after < lo || got.after > hi {
				t.Errorf("%s: looks again after %s, want %s and a little jitter", tc.reason, got.after, lo)
			}
			got.message, got.after = tc.want.message, tc.want.after
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func destroyed(generation int64) func(*Observed) {
	return func(o *Observed) {
		last := o.Stack.Status.LastUpdate
		last.Type, last.Generation = autov1alpha1.DestroyUpdate, generation
	}
}

func TestPlanTypes(t *testing.T) {
	cases := map[string]struct {
		o    Observed
		want autov1alpha1.UpdateType
	}{
		"Up":      {world(neverRan), autov1alpha1.UpUpdate},
		"Preview": {world(neverRan, func(o *Observed) { o.Stack.Spec.Preview = true }), autov1alpha1.PreviewUpdate},
		"Destroy": {world(goes), autov1alpha1.DestroyUpdate},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Plan(tc.o, noon).Type; got != tc.want {
				t.Errorf("type is %q, want %q", got, tc.want)
			}
		})
	}
}

func TestUpdateNameIsMadeOfTheReason(t *testing.T) {
	base := updateName(world(), Step{Type: autov1alpha1.UpUpdate})
	if again := updateName(world(), Step{Type: autov1alpha1.UpUpdate}); again != base {
		t.Errorf("the same reason gave %s and %s", base, again)
	}
	others := map[string]Observed{
		"Generation": world(generation(3)), "Revision": world(revision("8")), "Request": world(annotated("a")),
		"LastUpdate": world(func(o *Observed) { o.Stack.Status.LastUpdate.Name = "demo-9" }),
		"Stack":      world(func(o *Observed) { o.Stack.UID = "another" }),
	}
	for name, o := range others {
		if got := updateName(o, Step{Type: autov1alpha1.UpUpdate}); got == base {
			t.Errorf("another %s gave the same name %s", name, got)
		}
	}
}

func TestPrerequisites(t *testing.T) {
	ready := world().Stack
	cases := map[string]struct {
		p        Prerequisite
		problem  string
		outdated bool
	}{
		"Missing":  {Prerequisite{}, "there is no such Stack", false},
		"NeverRan": {Prerequisite{Stack: world(neverRan).Stack}, "has not run to completion", false},
		"NewSpec":  {Prerequisite{Stack: world(generation(3)).Stack}, "has not run to completion", false},
		"Asked":    {Prerequisite{Stack: world(annotated("a")).Stack}, "has not run to completion", false},
		"Failed":   {Prerequisite{Stack: world(failed("UpdateFailed", 1, 0)).Stack}, "prerequisite failed", false},
		"Met":      {Prerequisite{Stack: ready}, "", false},
		"Recent":   {Prerequisite{PrerequisiteRef: within("2m"), Stack: ready}, "", false},
		"Outdated": {Prerequisite{PrerequisiteRef: within("30s"), Stack: ready}, "out of date", true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			problem, outdated := tc.p.unmet(noon)
			if (tc.problem == "") != (problem == "") || !strings.Contains(problem, tc.problem) || outdated != tc.outdated {
				t.Errorf("unmet = %q, %v; want %q, %v", problem, outdated, tc.problem, tc.outdated)
			}
		})
	}
}

func within(d string) pulumiv1.PrerequisiteRef {
	return pulumiv1.PrerequisiteRef{Name: "base", Requirement: &pulumiv1.RequirementSpec{SucceededWithinDuration: d}}
}
