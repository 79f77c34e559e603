package workspace

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/pod"
)

const (
	// stuckAfter is how long after its grace period a pod that is still there counts as stuck.
	stuckAfter = 30 * time.Second
	// recheck is when to look again at what no watch tells of.
	recheck = 10 * time.Second
	// caRecheck is when to look again for the manager's certificates.
	caRecheck = time.Second
)

// deleting: the pod goes with its owner.
func deleting(o *Observed, _ time.Time) (Step, bool) {
	return Step{State: conditions.Reconciling(ReasonDeleting, "the workspace is being deleted, and its pod with it")},
		!o.Workspace.DeletionTimestamp.IsZero()
}

// former: what PKO left makes room. Its agent saves its state before it ends, which may take as long as PKO allowed it, so
// that the pod is never deleted by force. Once the rest is on its way, all that counts is that the pod is gone.
func former(o *Observed, now time.Time) (Step, bool) {
	if len(o.Former.Remove) == 0 && !o.Former.HasPod {
		return Step{}, false
	}
	step := Step{After: recheck, State: asleepState()}
	if len(o.Former.Remove) > 0 {
		step.Act = DeleteFormer
	}
	name := autov1alpha1.PodName(o.Workspace.Name)
	switch {
	case o.Former.HasPod && isStuck(o.Pod, now):
		step.State = stuckState(o.Pod)
	case o.Former.HasPod && o.Claims.Wanted:
		step.State = conditions.Reconciling(ReasonWaiting, "waiting for pod "+name+
			" to end, which the Pulumi Kubernetes Operator left; it saves its work first, for ten minutes at most, unless its template says otherwise")
	case o.Claims.Wanted:
		step.After = caRecheck
		step.State = conditions.Reconciling(ReasonWaiting, "removing what the Pulumi Kubernetes Operator left, before pod "+name+" is started")
	}
	return step, true
}

// taken: a pod of the name is there that is not ours. It is not ours to remove either.
func taken(o *Observed, _ time.Time) (Step, bool) {
	if o.Pod == nil || metav1.IsControlledBy(o.Pod, o.Workspace) {
		return Step{}, false
	}
	return takenStep(o.Pod), true
}

// takenStep says whose the pod is.
func takenStep(p *corev1.Pod) Step {
	owner := "nothing"
	if ref := metav1.GetControllerOf(p); ref != nil {
		owner = ref.Kind + " " + ref.Name
	}
	return Step{After: recheck, State: conditions.Reconciling(ReasonPodNameTaken, fmt.Sprintf(
		"pod %s exists already and belongs to %s, not to this workspace; the workspace's pod starts when that pod is gone: delete what it belongs to", p.Name, owner))}
}

// ending: there is never a second pod, so the end of the first is waited out.
func ending(o *Observed, now time.Time) (Step, bool) {
	if o.Pod == nil || o.Pod.DeletionTimestamp.IsZero() {
		return Step{}, false
	}
	if isStuck(o.Pod, now) {
		return Step{PodName: o.Pod.Name, After: recheck, State: stuckState(o.Pod)}, true
	}
	step := Step{State: afterPod(o), After: o.Pod.DeletionTimestamp.Add(stuckAfter).Sub(now)}
	if o.Claims.Live {
		step.PodName = o.Pod.Name
		step.State = conditions.Reconciling(ReasonWaiting, "pod "+o.Pod.Name+" is being ended, and the operation in it is being stopped")
	}
	return step, true
}

// isStuck tells that a pod should have ended by now. Its deletion timestamp is when its grace period is over.
func isStuck(p *corev1.Pod, now time.Time) bool {
	return !p.DeletionTimestamp.IsZero() && !now.Before(p.DeletionTimestamp.Add(stuckAfter))
}

// stuckState says what to do of a pod that does not end.
func stuckState(p *corev1.Pod) conditions.State {
	return conditions.Reconciling(ReasonPodStuck, fmt.Sprintf(
		"pod %s should have ended but is still there; if its node %s is gone for good, remove it with: kubectl delete pod -n %s %s --force",
		p.Name, p.Spec.NodeName, p.Namespace, p.Name))
}

// live: a pod with an operation stays as it is, whatever changed. If it is not what the spec asks for any more, the status
// says so from the moment it observes that spec, so that no other operation starts in it.
func live(o *Observed, now time.Time) (Step, bool) {
	if o.Pod == nil || !o.Claims.Live {
		return Step{}, false
	}
	step := keep(o, now, true)
	switch {
	case o.Invalid != nil:
		step.State = conditions.Stalled(reasonOf(o.Invalid), o.Invalid.Error())
	case isOutdated(o):
		step.State = conditions.Reconciling(autov1alpha1.ReasonPodOutdated, "pod "+o.Pod.Name+" is replaced when the operation in it is over")
	}
	return step, true
}

// retired: the hub gives the pod no more work, so it has to make room.
func retired(o *Observed, _ time.Time) (Step, bool) {
	return removeIf(o, o.Pod != nil && o.Retired)
}

// finished: nothing runs any more in a pod that has failed or was evicted.
func finished(o *Observed, _ time.Time) (Step, bool) {
	return removeIf(o, o.Pod != nil && terminated(o.Pod))
}

// unready: without the hub's certificate authority no pod can be made, and none be compared.
func unready(o *Observed, now time.Time) (Step, bool) {
	if o.HasCA {
		return Step{}, false
	}
	switch {
	case o.Pod != nil:
		step := keep(o, now, o.Claims.Wanted)
		step.After = caRecheck
		return step, true
	case o.Claims.Wanted:
		return Step{After: caRecheck, State: conditions.Reconciling(ReasonWaiting, "waiting for the manager's certificates")}, true
	default:
		return Step{State: asleepState()}, true
	}
}

// invalid: a person has to mend the Workspace. A pod from before is removed as any outdated one is.
func invalid(o *Observed, _ time.Time) (Step, bool) {
	if o.Invalid == nil {
		return Step{}, false
	}
	step := Step{State: conditions.Stalled(reasonOf(o.Invalid), o.Invalid.Error())}
	if o.Pod != nil {
		step.Act = DeletePod
	}
	return step, true
}

// outdated: the pod is not the one the Workspace asks for now, and has no operation.
func outdated(o *Observed, _ time.Time) (Step, bool) {
	return removeIf(o, isOutdated(o))
}

func isOutdated(o *Observed) bool {
	return o.Pod != nil && o.Built != nil &&
		o.Pod.Annotations[autov1alpha1.AnnotationRevisionHash] != o.Built.Annotations[autov1alpha1.AnnotationRevisionHash]
}

// wake: an operation waits and there is no pod.
func wake(o *Observed, _ time.Time) (Step, bool) {
	if o.Pod != nil || !o.Claims.Wanted {
		return Step{}, false
	}
	name := autov1alpha1.PodName(o.Workspace.Name)
	return Step{Act: CreatePod, PodName: name, State: startingState(name)}, true
}

// asleep: nothing to do and no pod is as it should be.
func asleep(o *Observed, _ time.Time) (Step, bool) {
	return Step{State: asleepState()}, o.Pod == nil
}

// wanted: the pod is there for the operation that waits.
func wanted(o *Observed, now time.Time) (Step, bool) {
	if !o.Claims.Wanted {
		return Step{}, false
	}
	return keep(o, now, true), true
}

// idle: the pod had nothing to do for long enough.
func idle(o *Observed, now time.Time) (Step, bool) {
	return removeIf(o, untilIdle(o, now) <= 0)
}

// warm: the pod is kept for the next operation, for a while.
func warm(o *Observed, now time.Time) (Step, bool) {
	step := keep(o, now, false)
	if until := untilIdle(o, now); step.After == 0 || until < step.After {
		step.After = until
	}
	return step, true
}

// keep leaves the pod where it is, protected or not.
func keep(o *Observed, now time.Time, protect bool) Step {
	state, after := podState(o, now)
	step := Step{State: state, PodName: o.Pod.Name, After: after}
	if len(pod.ProtectionPatch(o.Pod, o.Built, protect)) > 0 {
		step.Act = Unprotect
		if protect {
			step.Act = Protect
		}
	}
	return step
}

// removeIf deletes the pod if so, and says what follows.
func removeIf(o *Observed, so bool) (Step, bool) {
	if !so {
		return Step{}, false
	}
	return Step{Act: DeletePod, State: afterPod(o)}, true
}

// untilIdle is how much of the idle time is left.
func untilIdle(o *Observed, now time.Time) time.Duration {
	since := started(o.Pod)
	if o.Claims.LastEnd.After(since) {
		since = o.Claims.LastEnd
	}
	return since.Add(o.IdleTimeout).Sub(now)
}

// started is when the pod started, or was made.
func started(p *corev1.Pod) time.Time {
	if p.Status.StartTime != nil {
		return p.Status.StartTime.Time
	}
	return p.CreationTimestamp.Time
}

// terminated tells whether all of the pod's containers have ended for good.
func terminated(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded
}
