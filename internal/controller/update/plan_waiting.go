package update

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/validate"
)

// The checks of Updates that no pod has yet.

func specInvalid(o Observed, _ time.Time) (Step, bool) {
	problems := validate.Update(&o.Update.Spec)
	return Step{Act: End, Reason: ReasonInvalidSpec, Message: problems.String()}, len(problems) > 0
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

// podOutdated keeps from a pod that is about to be replaced; that it is connected says nothing then.
func podOutdated(o Observed, _ time.Time) (Step, bool) {
	under := meta.FindStatusCondition(o.Workspace.Status.Conditions, autov1alpha1.ConditionTypeReconciling)
	return Step{
		Act: Wait, Reason: ReasonWorkspaceNotReady,
		Message: fmt.Sprintf("waiting for the pod %s to be replaced by one of the Workspace's new spec", o.pod()),
	}, under != nil && under.Status == metav1.ConditionTrue && under.Reason == autov1alpha1.ReasonPodOutdated
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
