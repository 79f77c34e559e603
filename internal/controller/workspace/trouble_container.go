package workspace

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/internal/pod"
)

// failingContainer: an init container or the pulumi container cannot be started or does not stay up. Containers beside
// it are the user's own; they do not keep the agent from working.
func failingContainer(o *Observed, _ time.Time) (trouble, bool) {
	statuses := o.Pod.Status.InitContainerStatuses
	if pulumi := statusOfContainer(o.Pod); pulumi != nil {
		statuses = append(append([]corev1.ContainerStatus(nil), statuses...), *pulumi)
	}
	for i := range statuses {
		if t, found := troubleOfContainer(o, &statuses[i]); found {
			return t, true
		}
	}
	return trouble{}, false
}

// statusOfContainer is the status of the pulumi container; nil while there is none.
func statusOfContainer(p *corev1.Pod) *corev1.ContainerStatus {
	for i := range p.Status.ContainerStatuses {
		if p.Status.ContainerStatuses[i].Name == pod.ContainerPulumi {
			return &p.Status.ContainerStatuses[i]
		}
	}
	return nil
}

// troubleOfContainer reads one container's status.
func troubleOfContainer(o *Observed, status *corev1.ContainerStatus) (trouble, bool) {
	if waiting := status.State.Waiting; waiting != nil {
		switch waiting.Reason {
		case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed":
			return imageTrouble(o, status, waiting), true
		case "CreateContainerConfigError":
			return configTrouble(o, status, waiting), true
		case "CreateContainerError", "RunContainerError":
			return trouble{ReasonContainerFailed, fmt.Sprintf("container %s of pod %s cannot be started: %s", status.Name, o.Pod.Name, waiting.Message)}, true
		}
	}
	for _, ended := range []*corev1.ContainerStateTerminated{status.State.Terminated, status.LastTerminationState.Terminated} {
		switch {
		case ended == nil || ended.ExitCode == 0:
		case ended.ExitCode == operation.ExitUnreachable && status.Name == pod.ContainerPulumi:
			if !healed(o, ended) {
				return unreachable(o, ended), true
			}
		default:
			return exitTrouble(o, status.Name, ended), true
		}
	}
	return trouble{}, false
}

// imageTrouble says which image and what the registry said. The kubelet tells the cause only every other time on some
// versions; what was told before is kept then.
func imageTrouble(o *Observed, status *corev1.ContainerStatus, waiting *corev1.ContainerStateWaiting) trouble {
	prefix := fmt.Sprintf("image %s of container %s in pod %s cannot be pulled: ", imageName(o.Pod, status), status.Name, o.Pod.Name)
	const cause = "ErrImagePull: "
	said := waiting.Message
	if at := strings.Index(said, cause); at >= 0 {
		return trouble{ReasonImagePullFailed, prefix + said[at+len(cause):]}
	}
	before := stateCondition(o.Workspace.Status.Conditions)
	if waiting.Reason == "ImagePullBackOff" && before.Reason == ReasonImagePullFailed && strings.HasPrefix(before.Message, prefix) {
		return trouble{ReasonImagePullFailed, before.Message}
	}
	if said == "" {
		said = waiting.Reason
	}
	return trouble{ReasonImagePullFailed, prefix + said}
}

// imageName is the image as the pod's spec has it; the status may have it resolved.
func imageName(p *corev1.Pod, status *corev1.ContainerStatus) string {
	for _, containers := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range containers {
			if containers[i].Name == status.Name {
				return containers[i].Image
			}
		}
	}
	return status.Image
}

// configTrouble: mostly a Secret or ConfigMap, or a key of one, that is not there. The kubelet has one reason for all,
// so its words have to tell; a wrong guess costs the reason, not the message.
func configTrouble(o *Observed, status *corev1.ContainerStatus, waiting *corev1.ContainerStateWaiting) trouble {
	reason := ReasonContainerFailed
	if strings.Contains(waiting.Message, "not found") || strings.Contains(waiting.Message, "couldn't find key") {
		reason = ReasonMissingReference
	}
	return trouble{reason, fmt.Sprintf("container %s of pod %s cannot be created: %s", status.Name, o.Pod.Name, waiting.Message)}
}

// exitTrouble says how the container ended and where to read more.
func exitTrouble(o *Observed, container string, ended *corev1.ContainerStateTerminated) trouble {
	message := fmt.Sprintf("container %s of pod %s ends with exit code %d", container, o.Pod.Name, ended.ExitCode)
	if ended.Reason != "" && ended.Reason != "Error" {
		message += " (" + ended.Reason + ")"
	}
	if words := strings.TrimSpace(ended.Message); words != "" {
		message += ": " + words
	}
	return trouble{ReasonContainerFailed, message + fmt.Sprintf("; see kubectl logs -n %s %s -c %s --previous", o.Pod.Namespace, o.Pod.Name, container)}
}

// unreachable says why the agent does not reach the manager, in the words that it left as its last.
func unreachable(o *Observed, ended *corev1.ContainerStateTerminated) trouble {
	return trouble{ReasonAgentNotConnected, unreachablePrefix(o) + strings.TrimSpace(ended.Message)}
}

func unreachablePrefix(o *Observed) string {
	return fmt.Sprintf("the agent in pod %s does not reach the manager: ", o.Pod.Name)
}

// toldBefore keeps what the agent said when its container ended, while it runs again and nothing else is known: the kubelet
// may forget how a container ended before, and then only the record knows it.
func toldBefore(o *Observed, status *corev1.ContainerStatus) (trouble, bool) {
	before := stateCondition(o.Workspace.Status.Conditions)
	if status.RestartCount == 0 || status.LastTerminationState.Terminated != nil ||
		before.Reason != ReasonAgentNotConnected || !strings.HasPrefix(before.Message, unreachablePrefix(o)) {
		return trouble{}, false
	}
	return trouble{ReasonAgentNotConnected, before.Message}, true
}

// healed tells whether the agent has been connected since its container ended, so that what it said then is over.
func healed(o *Observed, ended *corev1.ContainerStateTerminated) bool {
	if !wasConnected(&o.Workspace.Status) {
		return false
	}
	is := stateCondition(o.Workspace.Status.Conditions)
	return !is.LastTransitionTime.Time.Before(ended.FinishedAt.Time)
}
