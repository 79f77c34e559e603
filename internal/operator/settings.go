package operator

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gantry-operator/gantry/internal/pod"
)

// managerContainer is the manager's container in its own pod.
const managerContainer = "manager"

// podSettings are what the manager knows that every pod needs. The bundle of authorities is not among them, as it changes.
func podSettings(ctx context.Context, o Options, live client.Reader) (pod.Settings, error) {
	settings := pod.Settings{
		WorkspaceImage: o.WorkspaceImage, WorkspaceImageAgentPath: o.WorkspaceImageAgentPath,
		AgentImage: o.AgentImage, AgentImagePullPolicy: o.AgentImagePullPolicy,
		HubAddress: hubAddress(o), CancelGrace: o.CancelGrace,
	}
	if settings.AgentImage == "" {
		image, policy, err := ownImage(ctx, o, live)
		if err != nil {
			return settings, err
		}
		settings.AgentImage = image
		if settings.AgentImagePullPolicy == "" {
			settings.AgentImagePullPolicy = policy
		}
	}
	service := &corev1.Service{}
	err := live.Get(ctx, types.NamespacedName{Namespace: o.PodNamespace, Name: o.HubService}, service)
	if client.IgnoreNotFound(err) != nil {
		return settings, fmt.Errorf("look up Service %s/%s: %w", o.PodNamespace, o.HubService, err)
	}
	if ip := service.Spec.ClusterIP; err == nil && ip != corev1.ClusterIPNone {
		settings.HubIP = ip
	}
	return settings, nil
}

// ownImage is the image of the manager's own pod, which carries the agent too.
func ownImage(ctx context.Context, o Options, live client.Reader) (string, corev1.PullPolicy, error) {
	if o.PodName == "" {
		return "", "", errors.New("AGENT_IMAGE is not set, and neither is POD_NAME, by which the manager finds its own image")
	}
	own := &corev1.Pod{}
	err := live.Get(ctx, types.NamespacedName{Namespace: o.PodNamespace, Name: o.PodName}, own)
	if apierrors.IsNotFound(err) {
		return "", "", fmt.Errorf("AGENT_IMAGE is not set, and there is no pod %s/%s (POD_NAMESPACE, POD_NAME) to take it from", o.PodNamespace, o.PodName)
	}
	if err != nil {
		return "", "", fmt.Errorf("look up the manager's own pod: %w", err)
	}
	for _, container := range own.Spec.Containers {
		if container.Name == managerContainer || len(own.Spec.Containers) == 1 {
			return container.Image, container.ImagePullPolicy, nil
		}
	}
	return "", "", fmt.Errorf("AGENT_IMAGE is not set, and pod %s has no container %q to take it from", o.PodName, managerContainer)
}
