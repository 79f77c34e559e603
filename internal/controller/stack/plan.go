// Package stack owns the Stack controller: it keeps each Stack in line with its source by making one Workspace and one
// Update at a time, records how they went, and destroys what they made before it lets a Stack go.
//
// A reconcile observes (observe.go), plans (plan*.go, pure) and takes the one step planned (take.go).
package stack

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/claim"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/references"
)

// Observed is all that a plan is made from.
type Observed struct {
	// Began is when the reconcile did.
	Began time.Time
	// Stack as it is, with the result of an update that is complete already in its status.
	Stack *pulumiv1.Stack
	// Absorbed is the update whose result was put there, nil if there was none to record.
	Absorbed *autov1alpha1.Update
	// Update is the update under way, nil if there is none.
	Update *autov1alpha1.Update
	// Workspace is nil if there is none.
	Workspace *autov1alpha1.Workspace
	// Source is what there is to run; SourceErr says why there is nothing. Skipped is its revision, if that is a new one
	// which changes nothing of what the stack needs.
	Source    Source
	SourceErr error
	Skipped   string
	// Desired is the Workspace that the Stack asks for; DesiredErr says why it cannot be made.
	Desired    *autov1alpha1.Workspace
	DesiredErr error
	// Inputs are what the desired Workspace takes from Secrets and ConfigMaps.
	Inputs references.Summary
	// Kubeconfig is that of another Stack's output, nil if the Stack takes none or it was not looked at.
	Kubeconfig *Kubeconfig
	// Prerequisites are the Stacks that have to succeed first.
	Prerequisites []Prerequisite
	// Terminating says that the namespace of a Stack that has to be destroyed is being deleted; Elsewhere is the one in which
	// the destroy runs instead, if there is one.
	Terminating bool
	Elsewhere   string
	// PodGone says that the Stack's pod is gone from the namespace that is being deleted.
	PodGone bool
	// Dependents are the Stacks that have to be gone before a Stack that goes is destroyed.
	Dependents []Dependent
	// CanceledBy is with what a cancel request was made that was not seen before, where that is known.
	CanceledBy string
	// Project is that of what the Stack claims; empty where that is not known. Rival is the Stack that goes before this one
	// with it; nil if none does.
	Project string
	Rival   *claim.Holder
	// Cycle are the Stacks that wait for each other, beginning with this one; none if there is no such cycle.
	Cycle []string
}

// Act is what a step does.
type Act int

// What a step may do.
const (
	// Nothing but keep the status true.
	Nothing Act = iota
	// Run applies the Workspace and creates an Update.
	Run
	// Prepare applies the Workspace and has its pod started, ahead of the Update; or again, where the Update waits and the
	// Workspace is gone.
	Prepare
	// Supersede deletes the Update under way, which no pod has begun, so that a newer one can be made.
	Supersede
	// Cancel deletes the Update under way, which ends its operation gracefully.
	Cancel
	// Reclaim deletes the Workspace after a success.
	Reclaim
	// Release removes the finalizer.
	Release
)

// Step is what to do next, and what to say of it.
type Step struct {
	// Check is the name of the check that decided.
	Check string
	Act   Act
	// State becomes the Stack's conditions.
	State conditions.State
	// Type and Message are those of the Update to create; Update is its name, once it is known.
	Type    autov1alpha1.UpdateType
	Message string
	Update  string
	// Touch asks outdated prerequisites to run again.
	Touch []Touch
	// Keep is the copy of another Stack's output to write; Drop deletes the one that is in the way.
	Keep *corev1.Secret
	Drop bool
	// After is when to look again at the latest; zero waits for an event.
	After time.Duration
}

// check looks at one thing. It answers a step, or nil if it has nothing to say.
type check func(Observed, time.Time) *Step

// namedCheck is a check with the name by which the status tells that it decided.
type namedCheck struct {
	name string
	ask  check
}

// runs is what the status tells where no check had anything to say, so that an update runs.
const runs = "run"

// checks lists what a plan asks, in order. The order is the controller's policy. Each has a line in docs/runbook.md.
func checks() []namedCheck {
	return []namedCheck{
		{"cancelRequested", cancelRequested},
		{"updateSuspended", updateSuspended},
		{"updateOutdated", updateOutdated},
		{"updateUnwanted", updateUnwanted},
		{"workspaceLost", workspaceLost},
		{"updateUnderWay", updateUnderWay},
		{"abandoned", abandoned},
		{"specUnreadable", specUnreadable},
		{"resourcesKept", resourcesKept},
		{"nothingApplied", nothingApplied},
		{"resourcesDestroyed", resourcesDestroyed},
		{"suspended", suspended},
		{"canceledBefore", canceledBefore},
		{"childrenCollected", childrenCollected},
		{"namespaceTerminating", namespaceTerminating},
		{"dependentsExist", dependentsExist},
		{"specInvalid", specInvalid},
		{"stackInUse", stackInUse},
		{"kubeconfigInvalid", kubeconfigInvalid},
		{"sourceComing", sourceComing},
		{"sourceUnavailable", sourceUnavailable},
		{"workspaceTaken", workspaceTaken},
		{"workspaceGoing", workspaceGoing},
		{"upToDate", upToDate},
		{"sourcePending", sourcePending},
		{"prerequisiteUnmet", prerequisiteUnmet},
		{"kubeconfigMissing", kubeconfigMissing},
	}
}

// Plan picks the one next step. It does no I/O and reads no clock.
func Plan(o Observed, now time.Time) Step {
	return withKubeconfig(next(o, now), o, now)
}

func next(o Observed, now time.Time) Step {
	for _, c := range checks() {
		if step := c.ask(o, now); step != nil {
			step.Check = c.name
			return *step
		}
	}
	message, _ := reasonToRun(o, now)
	return Step{
		Check: runs,
		Act:   Run, Type: updateType(o.Stack), Message: message,
		State: conditions.Reconciling(pulumiv1.ReasonStackProcessing, "the update is about to start: "+message),
	}
}

// updateType is the type of the next Update.
func updateType(stack *pulumiv1.Stack) autov1alpha1.UpdateType {
	switch {
	case deleting(stack):
		return autov1alpha1.DestroyUpdate
	case stack.Spec.Preview:
		return autov1alpha1.PreviewUpdate
	default:
		return autov1alpha1.UpUpdate
	}
}

// updateOutdated: no pod has begun the Update under way, and it is no longer what is wanted.
func updateOutdated(o Observed, _ time.Time) *Step {
	current := o.Stack.Status.CurrentUpdate
	if o.Update == nil || begun(o.Update) || current == nil || !o.Update.DeletionTimestamp.IsZero() {
		return nil
	}
	if deleting(o.Stack) && abandons(o.Stack) {
		return &Step{Act: Supersede, State: conditions.Reconciling(pulumiv1.ReasonStackProcessing, "the Stack is released, so that "+o.Update.Name+", which waited to start, is withdrawn")}
	}
	sourceChanged := newSource(o, current.Commit, current.Source)
	inputsChanged := len(changedInputs(current.Inputs, o.Inputs)) > 0
	if current.Generation == o.Stack.Generation && answersRequests(current, o.Stack) && !sourceChanged && !inputsChanged && !sourceServedByPKO(o) {
		return nil
	}
	return &Step{Act: Supersede, State: conditions.Reconciling(pulumiv1.ReasonStackProcessing, "the update that was waiting to start gives way to a newer one")}
}

// updateUnwanted: the Stack goes, so that what runs for it is not worth finishing. It ends gracefully, with its state
// saved; what it made is on record there for the destroy. A destroy itself ends only where a person releases the Stack; and
// so does what runs for a Stack that is suspended, which no destroy would follow.
func updateUnwanted(o Observed, _ time.Time) *Step {
	if !deleting(o.Stack) || o.Update == nil || !o.Update.DeletionTimestamp.IsZero() ||
		((o.Update.Spec.Type == autov1alpha1.DestroyUpdate || o.Stack.Spec.Suspend) && !abandons(o.Stack)) {
		return nil
	}
	return &Step{Act: Cancel, State: conditions.Reconciling(pulumiv1.ReasonStackProcessing,
		fmt.Sprintf("the Stack goes, so that %s %s is being canceled", o.Update.Spec.Type, o.Update.Name))}
}

// updateUnderWay: nothing else happens while an Update is not complete.
func updateUnderWay(o Observed, _ time.Time) *Step {
	if o.Update == nil {
		return nil
	}
	step := &Step{State: progressState(o.Stack, o.Update, o.Workspace)}
	if deleting(o.Stack) && !ownedBy(o.Update, o.Stack) {
		step.After = orphanPoll
	}
	return step
}

// orphanPoll is how often an Update is looked at that no owner reference leads to the Stack from: it was orphaned by a
// deletion, or is in what may be the execution namespace no more.
const orphanPoll = 5 * time.Second

// ownedBy tells that an object names a Stack as an owner.
func ownedBy(object metav1.Object, stack *pulumiv1.Stack) bool {
	return slices.ContainsFunc(object.GetOwnerReferences(), func(ref metav1.OwnerReference) bool { return ref.UID == stack.UID })
}

// specUnreadable: a field holds what the schema lets through and no program can read. Nothing is decided from such a
// spec, least of all a deletion.
func specUnreadable(o Observed, _ time.Time) *Step {
	if o.Stack.Spec.Unreadable == "" {
		return nil
	}
	return &Step{State: conditions.Stalled(pulumiv1.ReasonSpecInvalid, "spec cannot be read: "+o.Stack.Spec.Unreadable)}
}

// specInvalid: the spec cannot work as it is.
func specInvalid(o Observed, _ time.Time) *Step {
	for _, err := range []error{o.DesiredErr, o.SourceErr} {
		if terminal, ok := failure.AsTerminal(err); ok {
			return &Step{State: conditions.Stalled(terminal.Reason, terminal.Error()+heldBack(o.Stack))}
		}
	}
	return nil
}

// sourceUnavailable: the source may well come by itself. A watch tells; the poll is for what a watch cannot see.
func sourceUnavailable(o Observed, _ time.Time) *Step {
	waiting, ok := failure.AsWaiting(o.SourceErr)
	if !ok {
		return nil
	}
	return &Step{State: conditions.Reconciling(waiting.Reason, waiting.Error()+heldBack(o.Stack)), After: sourcePoll}
}

// sourcePending: there is a reason to run, and somebody is looking what to run.
func sourcePending(o Observed, _ time.Time) *Step {
	if o.Source.Pending == "" {
		return nil
	}
	return &Step{State: conditions.Reconciling(pulumiv1.ReasonStackProcessing, o.Source.Pending), After: sourcePoll}
}

// workspaceTaken: a Workspace of the name is another's, which is not ours to change.
func workspaceTaken(o Observed, now time.Time) *Step {
	owner := otherOwner(o)
	if owner == nil {
		return nil
	}
	if message, _ := reasonToRun(o, now); message == "" {
		return nil
	}
	if owner.Kind == kindStack && owner.Name == o.Stack.Name {
		return &Step{After: sourcePoll, State: conditions.Reconciling(pulumiv1.ReasonStackProcessing, "waiting for the Workspace of the Stack of this name before it to be gone")}
	}
	return &Step{After: sourcePoll, State: conditions.Stalled(pulumiv1.ReasonSpecInvalid, fmt.Sprintf(
		"metadata.name: the Workspace of this Stack would be %q, which belongs to %s %q; give this Stack another name", o.Workspace.Name, owner.Kind, owner.Name))}
}

// otherOwner is what controls the Workspace, unless that is the Stack, or nothing does.
func otherOwner(o Observed) *metav1.OwnerReference {
	if o.Workspace == nil {
		return nil
	}
	if owner := metav1.GetControllerOf(o.Workspace); owner != nil && owner.UID != o.Stack.UID {
		return owner
	}
	return nil
}

// workspaceGoing: the Workspace is being deleted; a new one cannot be made before it is gone.
func workspaceGoing(o Observed, now time.Time) *Step {
	if o.Workspace == nil || o.Workspace.DeletionTimestamp.IsZero() {
		return nil
	}
	if message, _ := reasonToRun(o, now); message == "" {
		return nil
	}
	return &Step{State: conditions.Reconciling(pulumiv1.ReasonStackProcessing, "waiting for the old Workspace to be gone")}
}

// upToDate: there is no reason to run.
func upToDate(o Observed, now time.Time) *Step {
	message, after := reasonToRun(o, now)
	if message != "" {
		return nil
	}
	step := &Step{State: settledState(o), After: after}
	last := o.Stack.Status.LastUpdate
	if o.Stack.Spec.WorkspaceReclaimPolicy == pulumiv1.WorkspaceReclaimDelete && o.Workspace != nil && otherOwner(o) == nil && !deleting(o.Stack) &&
		last.State == pulumiv1.SucceededStackState {
		step.Act = Reclaim
	}
	return step
}

func deleting(stack *pulumiv1.Stack) bool { return !stack.DeletionTimestamp.IsZero() }
