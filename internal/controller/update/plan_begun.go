package update

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/operation"
)

// The checks of Updates that are over, on their way out, or given to a pod.

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

// snapshotWaits finds an operation that does not go on before the state is kept.
func snapshotWaits(o Observed, _ time.Time) (Step, bool) {
	step := following(o)
	step.Act = KeepSnapshot
	return step, o.attached() && o.State.Snapshot != nil
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
