package workspace

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

const (
	// lookAfter is the age from which a pod that has not started is looked into: by then it should have.
	lookAfter = 3 * time.Second
	// lookEvery is how often that is done at most.
	lookEvery = 5 * time.Second
	// warnAfter is the age from which the pod's warning events count; before, they may well pass.
	warnAfter = 10 * time.Second
	// silentAfter is how long an agent may take to connect.
	silentAfter = 30 * time.Second
)

// trouble is what keeps a pod from working, in words.
type trouble struct{ Reason, Message string }

// troubleOf finds what keeps a pod without a session from working; the first cause found is the one nearest to the
// root. The messages have no counters and no times, so that they stay the same while the cause does.
func troubleOf(o *Observed, now time.Time) (trouble, bool) {
	for _, look := range []func(*Observed, time.Time) (trouble, bool){
		failedPod, unschedulable, missingReferences, failingContainer, warned, silent,
	} {
		if t, found := look(o, now); found {
			return t, true
		}
	}
	return trouble{}, false
}

// failedPod: evicted, or otherwise ended as a whole.
func failedPod(o *Observed, _ time.Time) (trouble, bool) {
	if !terminated(o.Pod) {
		return trouble{}, false
	}
	message := fmt.Sprintf("pod %s has ended (%s)", o.Pod.Name, o.Pod.Status.Phase)
	for _, more := range []string{o.Pod.Status.Reason, o.Pod.Status.Message} {
		if more != "" {
			message += ": " + more
		}
	}
	return trouble{ReasonPodFailed, message}, true
}

// unschedulable: the scheduler has said so.
func unschedulable(o *Observed, _ time.Time) (trouble, bool) {
	for _, c := range o.Pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return trouble{ReasonUnschedulable, fmt.Sprintf("no node takes pod %s: %s", o.Pod.Name, c.Message)}, true
		}
	}
	return trouble{}, false
}

// missingReferences: the kubelet waits for objects that do not exist.
func missingReferences(o *Observed, _ time.Time) (trouble, bool) {
	if len(o.Findings.Missing) == 0 {
		return trouble{}, false
	}
	names := make([]string, 0, len(o.Findings.Missing))
	for _, reference := range o.Findings.Missing {
		names = append(names, reference.Kind+" "+reference.Name)
	}
	return trouble{ReasonMissingReference, fmt.Sprintf("pod %s needs what is not in namespace %s: %s; create it, or mend the reference to it",
		o.Pod.Name, o.Pod.Namespace, strings.Join(names, ", "))}, true
}

// warned: the cluster complains of something that the pod's own status does not show, a volume for example.
func warned(o *Observed, _ time.Time) (trouble, bool) {
	if o.Findings.Warning == "" {
		return trouble{}, false
	}
	return trouble{ReasonPodNotStarting, fmt.Sprintf("pod %s does not start: %s", o.Pod.Name, o.Findings.Warning)}, true
}

// silent: the container runs, and yet nobody calls.
func silent(o *Observed, now time.Time) (trouble, bool) {
	status := statusOfContainer(o.Pod)
	if status == nil || status.State.Running == nil {
		return trouble{}, false
	}
	if t, ok := toldBefore(o, status); ok {
		return t, true
	}
	since := status.State.Running.StartedAt.Time
	// After a restart of the manager the agents of old pods are not late: they are counted from when they were missed.
	if c := meta.FindStatusCondition(o.Workspace.Status.Conditions, autov1alpha1.ConditionTypeReconciling); c != nil {
		if missed := c.LastTransitionTime.Time; missed.After(since) {
			since = missed
		}
	} else {
		since = now
	}
	if now.Sub(since) < silentAfter {
		return trouble{}, false
	}
	return trouble{ReasonAgentNotConnected, fmt.Sprintf(
		"pod %s runs, but its agent does not reach the manager; see its log (kubectl logs -n %s %s -c pulumi), and see that network policies let it out to the gantry-hub Service",
		o.Pod.Name, o.Pod.Namespace, o.Pod.Name)}, true
}

// slowToStart tells whether a pod has a node but has not started for too long, so that a closer look is due.
func slowToStart(o *Observed, now time.Time) bool {
	p := o.Pod
	return !o.Connected && p.DeletionTimestamp.IsZero() && p.Status.Phase == corev1.PodPending &&
		p.Spec.NodeName != "" && age(p, now) >= lookAfter
}

// recheckPod is when to look again at a pod that is not connected: soon while it is new, so that trouble that sends no
// event is told within seconds.
func recheckPod(p *corev1.Pod, now time.Time) time.Duration {
	switch a := age(p, now); {
	case a < lookAfter:
		return lookAfter - a
	case a < silentAfter:
		return lookEvery
	default:
		return recheck
	}
}

// latest is the newest of the events, as "Reason: message".
func latest(events []corev1.Event) string {
	if len(events) == 0 {
		return ""
	}
	at := func(e corev1.Event) time.Time {
		for _, t := range []time.Time{e.LastTimestamp.Time, e.EventTime.Time} {
			if !t.IsZero() {
				return t
			}
		}
		return e.CreationTimestamp.Time
	}
	newest := slices.MaxFunc(events, func(a, b corev1.Event) int { return at(a).Compare(at(b)) })
	return newest.Reason + ": " + newest.Message
}
