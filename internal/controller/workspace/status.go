package workspace

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/pod"
)

// Reasons of a Workspace's conditions.
const (
	// ReasonSucceeded (Ready): the pod is connected, or there is none since there is nothing to do.
	ReasonSucceeded = "Succeeded"
	// ReasonDeleting (Reconciling): the Workspace is being deleted.
	ReasonDeleting = "Deleting"
	// ReasonWaiting (Reconciling): the pod is starting, or the one before it is ending.
	ReasonWaiting = "WaitingForReplicas"
	// ReasonConnectionFailed (Reconciling): the agent was connected and is not now.
	ReasonConnectionFailed = "ConnectionFailed"
	// ReasonPodNameTaken (Reconciling): a pod that is not the Workspace's has its pod's name.
	ReasonPodNameTaken = "PodNameTaken"
	// ReasonPodStuck (Reconciling): a pod should have ended but is still there.
	ReasonPodStuck = "PodStuck"
	// ReasonPodRefused (Reconciling): the API server refuses the pod: quota, Pod Security, a webhook.
	ReasonPodRefused = "PodRefused"
	// ReasonPermissionMissing (Reconciling): the manager lacks a right that the Workspace needs.
	ReasonPermissionMissing = "PermissionMissing"
	// ReasonServiceAccountMissing (Reconciling): the ServiceAccount of the pod does not exist.
	ReasonServiceAccountMissing = "ServiceAccountMissing"
	// ReasonNamespaceTerminating (Reconciling): no pod can be made in a namespace that is being deleted.
	ReasonNamespaceTerminating = "NamespaceTerminating"
	// ReasonUnschedulable (Reconciling): no node takes the pod.
	ReasonUnschedulable = "Unschedulable"
	// ReasonMissingReference (Reconciling): a Secret or ConfigMap, or a key of one, does not exist.
	ReasonMissingReference = "MissingReference"
	// ReasonImagePullFailed (Reconciling): an image cannot be had.
	ReasonImagePullFailed = "ImagePullFailed"
	// ReasonContainerFailed (Reconciling): a container cannot be started, or ends with a failure.
	ReasonContainerFailed = "ContainerFailed"
	// ReasonPodFailed (Reconciling): the pod as a whole has failed, by an eviction for example.
	ReasonPodFailed = "PodFailed"
	// ReasonPodNotStarting (Reconciling): the cluster warns of something that keeps the pod from starting.
	ReasonPodNotStarting = "PodNotStarting"
	// ReasonAgentNotConnected (Reconciling): the pod runs, but its agent does not reach the manager.
	ReasonAgentNotConnected = "AgentNotConnected"
	// ReasonPodTemplateInvalid (Stalled): spec.podTemplate is not a part of a pod.
	ReasonPodTemplateInvalid = "PodTemplateInvalid"
	// ReasonPodInvalid (Stalled): the API server finds the pod malformed.
	ReasonPodInvalid = "PodInvalid"
	// ReasonSpecInvalid (Stalled): another field of the spec has a value that does not work.
	ReasonSpecInvalid = "SpecInvalid"
)

// connected ends the message of a Workspace whose agent is there.
const connected = " is connected"

// asleepState is that of a Workspace without a pod and without work.
func asleepState() conditions.State {
	return conditions.Ready(ReasonSucceeded, "asleep: a pod is started when there is something to do")
}

// startingState is that of a Workspace whose pod was just made.
func startingState(podName string) conditions.State {
	return conditions.Reconciling(ReasonWaiting, "waiting for pod "+podName+" to start and its agent to connect")
}

// afterPod is the state while a pod goes.
func afterPod(o *Observed) conditions.State {
	if o.Claims.Wanted {
		return conditions.Reconciling(ReasonWaiting, "waiting for pod "+o.Pod.Name+" to end before a new one is started")
	}
	return asleepState()
}

// podState is the state of a Workspace whose pod stays, and when to look again.
func podState(o *Observed, now time.Time) (conditions.State, time.Duration) {
	if o.Connected {
		return conditions.Ready(ReasonSucceeded, "pod "+o.Pod.Name+connected), 0
	}
	if t, found := troubleOf(o, now); found {
		return conditions.Reconciling(t.Reason, t.Message), recheckPod(o.Pod, now)
	}
	if wasConnected(&o.Workspace.Status) {
		return conditions.Reconciling(ReasonConnectionFailed,
			"the agent of pod "+o.Pod.Name+" is not connected; it goes on with its work and connects again by itself"), recheck
	}
	return startingState(o.Pod.Name), recheckPod(o.Pod, now)
}

// wasConnected tells from the last status whether the agent of the pod has been connected.
func wasConnected(status *autov1alpha1.WorkspaceStatus) bool {
	reconciling := meta.FindStatusCondition(status.Conditions, autov1alpha1.ConditionTypeReconciling)
	if reconciling != nil {
		return reconciling.Reason == ReasonConnectionFailed
	}
	return status.PodName != "" && meta.IsStatusConditionTrue(status.Conditions, autov1alpha1.ConditionTypeReady)
}

// reasonOf is the reason of what a person has to mend.
func reasonOf(invalid *pod.InvalidError) string {
	switch {
	case strings.HasPrefix(invalid.Path, pod.PathTemplate):
		return ReasonPodTemplateInvalid
	default:
		return ReasonSpecInvalid
	}
}

// statusOf is the whole status that the controller owns.
func statusOf(o *Observed, step Step, now time.Time) autov1alpha1.WorkspaceStatus {
	old := &o.Workspace.Status
	generation := o.Workspace.Generation
	want := append(step.State.Conditions(generation), conditions.FieldsIgnored(ignored(&o.Workspace.Spec), generation)...)
	status := autov1alpha1.WorkspaceStatus{
		ObservedGeneration: generation,
		PulumiVersion:      old.PulumiVersion,
		PodName:            step.PodName,
		Conditions:         conditions.Merge(old.Conditions, want, metav1.NewTime(now)),
	}
	if o.Former.left() {
		status.Address = old.Address // the sign of PKO stays until nothing else of it is left
	}
	if o.PulumiVersion != "" {
		status.PulumiVersion = o.PulumiVersion
	}
	return status
}

// stateCondition is the condition that has the state's reason and message: Stalled, Reconciling or Ready.
func stateCondition(all []metav1.Condition) metav1.Condition {
	for _, kind := range []string{autov1alpha1.ConditionTypeStalled, autov1alpha1.ConditionTypeReconciling, autov1alpha1.ConditionTypeReady} {
		if c := meta.FindStatusCondition(all, kind); c != nil {
			return *c
		}
	}
	return metav1.Condition{}
}

// age is how long the pod has been there.
func age(p *corev1.Pod, now time.Time) time.Duration { return now.Sub(p.CreationTimestamp.Time) }
