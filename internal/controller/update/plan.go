package update

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/hub"
	"github.com/gantry-operator/gantry/internal/operation"
)

// Observed is all that a plan is made from.
type Observed struct {
	// Update is the one that is looked at.
	Update *autov1alpha1.Update
	// Workspace is nil if there is none.
	Workspace *autov1alpha1.Workspace
	// Ahead is the Update of the same Workspace that has to end first; nil if there is none.
	Ahead *autov1alpha1.Update
	// Session is that of the Workspace's pod, if Connected.
	Session hub.Session
	// Connected says that the agent of the Workspace's pod has a session now.
	Connected bool
	// State is what the hub knows of this Update's operation.
	State hub.State
	// PodEnd says how the pod that has the operation ended; empty while the pod may still come back with a result.
	PodEnd string
	// Settings are the manager's.
	Settings Settings
}

// Settings are the manager's part of every operation.
type Settings struct {
	// CancelGrace is the time between SIGINT and a kill.
	CancelGrace time.Duration
	// ArtifactURL is where the manager's own store serves a digest.
	ArtifactURL func(digest string) string
}

// Act is what is to be done.
type Act int

// The acts. All but Expire and Tidy write the status.
const (
	// Wait does nothing but say what is waited for.
	Wait Act = iota
	// Start binds the Update to the connected pod, then offers the operation to it.
	Start
	// Resume offers the operation once more to the pod that it is bound to.
	Resume
	// Follow says how far the operation is.
	Follow
	// Cancel asks the agent to end the operation.
	Cancel
	// Record puts the agent's result on record.
	Record
	// End completes the Update without a result.
	End
	// Tidy releases what is held for a complete Update.
	Tidy
	// Expire deletes a complete Update.
	Expire
)

// Step is one thing to do, and why.
type Step struct {
	// Check is the name of the check that asked for it.
	Check string
	Act   Act
	// Reason and Message go into the conditions.
	Reason, Message string
	// Stalled says that a person has to act.
	Stalled bool
	// Operation to offer.
	Operation *operation.Operation
	// After is when to look again if nothing happens; zero is never.
	After time.Duration
}

// check is one question to what was observed.
type check struct {
	name string
	ask  func(Observed, time.Time) (Step, bool)
}

// checks lists what Plan asks, in order. The order is the policy: what is on record counts first, then what the agent
// says, then what became of the pod, then what somebody wishes; and a new operation starts only when nothing is in the
// way.
func checks() []check {
	return []check{
		{"expired", expired},
		{"complete", complete},
		{"finished", finished},
		{"foreign", foreign},
		{"canceled early", canceledEarly},
		{"pod lost", podLost},
		{"never given", neverGiven},
		{"canceled", canceled},
		{"not delivered", notDelivered},
		{"running", running},
		{"spec invalid", specInvalid},
		{"workspace missing", workspaceMissing},
		{"queued", queued},
		{"workspace stalled", workspaceStalled},
		{"workspace behind", workspaceBehind},
		{"not connected", notConnected},
		{"ready", ready},
	}
}

// Plan picks the one next step. It does no I/O and reads no clock.
func Plan(o Observed, now time.Time) Step {
	for _, c := range checks() {
		if step, ok := c.ask(o, now); ok {
			step.Check = c.name
			return step
		}
	}
	return Step{Act: Wait, Reason: ReasonWorkspaceNotReady, Message: "waiting for the Workspace"}
}

// isComplete tells that the Update is over.
func isComplete(update *autov1alpha1.Update) bool {
	return meta.IsStatusConditionTrue(update.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete)
}

// isStarted tells that the operation was, or may have been, given to a pod.
func isStarted(update *autov1alpha1.Update) bool { return update.Status.PodUID != "" }

func isDeleting(object metav1.Object) bool { return !object.GetDeletionTimestamp().IsZero() }

// attached tells that the agent of the very pod that has the operation is connected.
func (o Observed) attached() bool {
	return o.Connected && isStarted(o.Update) && o.Session.PodUID == types.UID(o.Update.Status.PodUID)
}

// pod is the name of the Workspace's pod.
func (o Observed) pod() string { return autov1alpha1.PodName(o.Update.Spec.WorkspaceName) }

func expired(o Observed, now time.Time) (Step, bool) {
	if !isComplete(o.Update) || isDeleting(o.Update) {
		return Step{}, false
	}
	left, limited := timeLeft(o.Update, now)
	if !limited || left > 0 {
		return Step{}, false
	}
	return Step{Act: Expire, Message: fmt.Sprintf("the Update was complete for %s and is deleted", *o.Update.Spec.TTLAfterCompleted)}, true
}

func complete(o Observed, now time.Time) (Step, bool) {
	left, _ := timeLeft(o.Update, now)
	return Step{Act: Tidy, After: left}, isComplete(o.Update)
}

func finished(o Observed, _ time.Time) (Step, bool) {
	return Step{Act: Record}, isStarted(o.Update) && o.State.Result != nil
}

// foreign finds an Update that another operator was running when it ended. Nothing can tell whether the operation came
// to its end, so it is not run again.
func foreign(o Observed, _ time.Time) (Step, bool) {
	progressing := meta.IsStatusConditionTrue(o.Update.Status.Conditions, autov1alpha1.UpdateConditionTypeProgressing)
	return Step{
		Act: End, Reason: operation.ReasonAborted,
		Message: "the operation was under way when its operator was replaced, and how it ended is not known; check the stack and run it again",
	}, progressing && !isStarted(o.Update)
}

func canceledEarly(o Observed, _ time.Time) (Step, bool) {
	return Step{
		Act: End, Reason: operation.ReasonCanceled, Message: "the Update was deleted before its operation started",
	}, isDeleting(o.Update) && !isStarted(o.Update)
}

func podLost(o Observed, _ time.Time) (Step, bool) {
	return Step{
		Act: End, Reason: operation.ReasonAborted,
		Message: o.PodEnd + "; how far the operation came is not known",
	}, isStarted(o.Update) && !o.attached() && o.PodEnd != ""
}

// neverGiven finds an Update that was bound to a pod whose agent has never heard of it: there is nothing to cancel.
func neverGiven(o Observed, _ time.Time) (Step, bool) {
	return Step{
		Act: End, Reason: operation.ReasonCanceled, Message: "the Update was deleted before its operation was given to the pod",
	}, isDeleting(o.Update) && o.attached() && !o.State.Offered
}

func canceled(o Observed, _ time.Time) (Step, bool) {
	if !isDeleting(o.Update) || !isStarted(o.Update) {
		return Step{}, false
	}
	step := following(o)
	step.Act, step.Message = Cancel, "the Update was deleted, so its operation is being canceled: "+step.Message
	return step, true
}

// notDelivered offers again when the agent has not told of the operation yet: after the manager was restarted between
// binding and offering, say. The agent runs it once however often it is offered.
func notDelivered(o Observed, _ time.Time) (Step, bool) {
	if !o.attached() || o.State.Progress != nil || o.Workspace == nil {
		return Step{}, false
	}
	op, err := build(o)
	if err != nil {
		return Step{}, false
	}
	step := following(o)
	step.Act, step.Operation = Resume, op
	return step, true
}

func running(o Observed, _ time.Time) (Step, bool) {
	return following(o), isStarted(o.Update)
}

// following says how far an operation is. Its agent may be away for a while; that alone never fails it.
func following(o Observed) Step {
	step := Step{Act: Follow, Reason: ReasonProgressing, Message: progressText(o.State.Progress)}
	if !o.attached() {
		step.After = lookAgain
		step.Message = fmt.Sprintf("waiting for the agent in the pod %s to come back", o.pod())
	}
	return step
}

func specInvalid(o Observed, _ time.Time) (Step, bool) {
	problem := invalid(o.Update.Spec)
	return Step{Act: End, Reason: ReasonInvalidSpec, Message: problem}, problem != ""
}

func workspaceMissing(o Observed, _ time.Time) (Step, bool) {
	step := Step{Act: Wait, Reason: ReasonWorkspaceNotFound}
	switch {
	case o.Workspace == nil:
		step.Message = fmt.Sprintf("the Workspace %q does not exist", o.Update.Spec.WorkspaceName)
	case isDeleting(o.Workspace):
		step.Message = fmt.Sprintf("the Workspace %q is being deleted", o.Workspace.Name)
	default:
		return Step{}, false
	}
	return step, true
}

func queued(o Observed, _ time.Time) (Step, bool) {
	if o.Ahead == nil {
		return Step{}, false
	}
	verb := "is first in the queue of"
	if isStarted(o.Ahead) {
		verb = "runs in"
	}
	return Step{
		Act: Wait, Reason: ReasonQueued,
		Message: fmt.Sprintf("waiting for the Update %q, which %s the Workspace %q", o.Ahead.Name, verb, o.Workspace.Name),
	}, true
}

func workspaceStalled(o Observed, _ time.Time) (Step, bool) {
	stalled := meta.FindStatusCondition(o.Workspace.Status.Conditions, autov1alpha1.ConditionTypeStalled)
	if stalled == nil || stalled.Status != metav1.ConditionTrue || o.behind() {
		return Step{}, false
	}
	return Step{
		Act: Wait, Stalled: true, Reason: ReasonWorkspaceStalled,
		Message: fmt.Sprintf("the Workspace %q is stalled (%s): %s", o.Workspace.Name, stalled.Reason, stalled.Message),
	}, true
}

// behind tells that the Workspace has a spec that its controller has not looked at yet: the pod may be an outdated one.
func (o Observed) behind() bool {
	return o.Workspace.Status.ObservedGeneration < o.Workspace.Generation
}

func workspaceBehind(o Observed, _ time.Time) (Step, bool) {
	return Step{
		Act: Wait, Reason: ReasonWorkspaceNotReady,
		Message: fmt.Sprintf("waiting for the Workspace %q to take up its new spec", o.Workspace.Name),
	}, o.behind()
}

func notConnected(o Observed, _ time.Time) (Step, bool) {
	if o.Connected && !o.Session.Retired {
		return Step{}, false
	}
	message := fmt.Sprintf("waiting for the pod %s", o.pod())
	under := meta.FindStatusCondition(o.Workspace.Status.Conditions, autov1alpha1.ConditionTypeReconciling)
	if under != nil && under.Status == metav1.ConditionTrue && under.Message != "" {
		message += ": " + under.Message
	}
	return Step{Act: Wait, Reason: ReasonWorkspaceNotReady, Message: message}, true
}

func ready(o Observed, _ time.Time) (Step, bool) {
	op, err := build(o)
	if err != nil {
		return Step{Act: Wait, Stalled: true, Reason: err.Reason, Message: err.Error()}, true
	}
	return Step{
		Act: Start, Reason: ReasonProgressing, Operation: op,
		Message: fmt.Sprintf("starting in the pod %s", o.pod()),
	}, true
}
