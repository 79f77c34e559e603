package update

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// mainContainer is the container in which the agent runs.
const mainContainer = "pulumi"

// isOver tells that the pod will never run its containers again.
func isOver(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
}

// endOf says why a pod ended, as far as it tells.
func endOf(pod *corev1.Pod) string {
	why := disruption(pod)
	if why == "" {
		why = containerEnd(pod)
	}
	switch {
	case why != "":
		return fmt.Sprintf("the pod %s ended (%s) before a result was reported", pod.Name, why)
	case isDeleting(pod):
		return fmt.Sprintf("the pod %s was deleted before a result was reported", pod.Name)
	default:
		return fmt.Sprintf("the pod %s ended before a result was reported", pod.Name)
	}
}

// disruption is what the cluster did to the pod.
func disruption(pod *corev1.Pod) string {
	if pod.Status.Reason != "" {
		return withMessage(pod.Status.Reason, pod.Status.Message)
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.DisruptionTarget && condition.Status == corev1.ConditionTrue {
			return withMessage(condition.Reason, condition.Message)
		}
	}
	return ""
}

// containerEnd is how the agent's container ended.
func containerEnd(pod *corev1.Pod) string {
	for _, status := range pod.Status.ContainerStatuses {
		ended := status.State.Terminated
		if ended == nil {
			ended = status.LastTerminationState.Terminated
		}
		if status.Name != mainContainer || ended == nil {
			continue
		}
		switch {
		case ended.Reason == "OOMKilled":
			return "OOMKilled: the container pulumi needs a higher memory limit"
		case ended.ExitCode != 0:
			return fmt.Sprintf("the container pulumi exited with code %d, reason %s", ended.ExitCode, ended.Reason)
		}
	}
	return ""
}

func withMessage(reason, message string) string {
	if message == "" {
		return reason
	}
	return reason + ": " + message
}
