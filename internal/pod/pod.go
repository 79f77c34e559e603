// Package pod owns what the pod of a Workspace looks like: a pure builder from a Workspace and the manager's
// settings, and pure readings of such a pod. Names, labels, paths and merge order are those that users of the
// Pulumi Kubernetes Operator rely on.
package pod

import (
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/validate"
)

// Names inside the pod.
const (
	// ContainerPulumi is the container in which the agent and Pulumi run.
	ContainerPulumi = "pulumi"
	// ContainerBootstrap is the init container that brings the agent, where the image does not carry it.
	ContainerBootstrap = "bootstrap"
	// ContainerFetch is an init container of PKO's that Gantry has no need of; templates may still patch it.
	ContainerFetch = "fetch"
	// VolumeShare is the volume that all generated containers share.
	VolumeShare = "share"
	// ShareDir is where VolumeShare is mounted.
	ShareDir = "/share"
	// EnvFile is where init containers leave variables for Pulumi; every container has its path in PULUMI_ENV.
	EnvFile = ShareDir + "/.env"
	// KubeconfigDir is where the Secret of spec.kubeconfig is mounted.
	KubeconfigDir = "/var/run/secrets/gantry-kubeconfig"

	volumeToken      = "gantry-token"
	volumeKubeconfig = "gantry-kubeconfig"
	tokenDir         = "/var/run/secrets/gantry"
	tokenSeconds     = int64(3600)
	installedAgent   = ShareDir + "/agent"
	imageAgent       = "/agent"
	componentValue   = "workspace"
)

// Settings is what the manager knows that every pod needs.
type Settings struct {
	// WorkspaceImage is the image of the pulumi container where a Workspace names none.
	WorkspaceImage string
	// WorkspaceImageAgentPath is the path of the agent in WorkspaceImage; empty if the image carries none.
	WorkspaceImageAgentPath string
	// AgentImage is the image that carries the agent at /agent: the manager's own.
	AgentImage string
	// AgentImagePullPolicy is the pull policy of AgentImage.
	AgentImagePullPolicy corev1.PullPolicy
	// HubAddress is where the agent calls, as host:port; the host is a name of the hub's Service.
	HubAddress string
	// HubIP is the cluster IP of that Service. It is written into /etc/hosts of pods that cannot ask the
	// cluster's DNS. Optional.
	HubIP string
	// CA is the PEM bundle by which the agent knows the hub.
	CA string
	// CancelGrace is how long a canceled operation may take to end by itself.
	CancelGrace time.Duration
}

// KubeconfigPath is the path in the pod of the kubeconfig that is under key in the Secret of spec.kubeconfig.
func KubeconfigPath(key string) string { return KubeconfigDir + "/" + key }

// Build returns the pod that a Workspace asks for. An *InvalidError says what in the Workspace does not work.
func Build(workspace *autov1alpha1.Workspace, settings Settings) (*corev1.Pod, error) {
	if err := checkSpec(&workspace.Spec); err != nil {
		return nil, err
	}
	user, err := readTemplate(workspace.Spec.PodTemplate)
	if err != nil {
		return nil, err
	}
	if err := checkImages(&user.spec); err != nil {
		return nil, err
	}
	agent := placeAgent(&workspace.Spec, user, settings)
	template, err := user.mergeOnto(generate(workspace, settings, agent))
	if err != nil {
		return nil, err
	}
	finish(template, workspace, settings, agent)
	hash, err := hashOf(template)
	if err != nil {
		return nil, err
	}
	template.Annotations = withValue(template.Annotations, autov1alpha1.AnnotationRevisionHash, hash)
	owner := metav1.NewControllerRef(workspace, autov1alpha1.GroupVersion.WithKind("Workspace"))
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: autov1alpha1.PodName(workspace.Name), Namespace: workspace.Namespace,
			Labels: template.Labels, Annotations: template.Annotations,
			OwnerReferences: []metav1.OwnerReference{*owner},
		},
		Spec: template.Spec,
	}, nil
}

// checkSpec refuses what no pod can be built from.
func checkSpec(spec *autov1alpha1.WorkspaceSpec) error {
	problems := validate.Workspace(spec)
	if len(problems) == 0 {
		return nil
	}
	text := problems[0].Text
	if len(problems) > 1 {
		text += "; " + problems[1:].String()
	}
	return &InvalidError{Path: problems[0].Path, Problem: text}
}

// agentPlace says where the agent's program is and whether an init container has to bring it.
type agentPlace struct {
	path      string
	bootstrap bool
}

// placeAgent avoids the init container wherever it can: it costs the better part of a second of every start.
func placeAgent(spec *autov1alpha1.WorkspaceSpec, user *template, settings Settings) agentPlace {
	if spec.AgentPath != "" {
		return agentPlace{path: spec.AgentPath}
	}
	image := imageOf(spec, settings)
	if c := find(user.spec.Containers, ContainerPulumi); c != nil && c.Image != "" {
		image = c.Image
	}
	if image == settings.WorkspaceImage && settings.WorkspaceImageAgentPath != "" {
		return agentPlace{path: settings.WorkspaceImageAgentPath}
	}
	return agentPlace{path: installedAgent, bootstrap: true}
}

// imageOf is the image of the pulumi container before the template.
func imageOf(spec *autov1alpha1.WorkspaceSpec, settings Settings) string {
	if spec.Image != "" {
		return spec.Image
	}
	return settings.WorkspaceImage
}

// hubHost is the name by which the agent calls the hub.
func hubHost(settings Settings) string {
	host, _, err := net.SplitHostPort(settings.HubAddress)
	if err != nil {
		return settings.HubAddress
	}
	return host
}

// find returns the container of that name, or nil.
func find(containers []corev1.Container, name string) *corev1.Container {
	for i := range containers {
		if containers[i].Name == name {
			return &containers[i]
		}
	}
	return nil
}

// withValue sets a key of a map that may be nil.
func withValue(values map[string]string, key, value string) map[string]string {
	if values == nil {
		values = map[string]string{}
	}
	values[key] = value
	return values
}
