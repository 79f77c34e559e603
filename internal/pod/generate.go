package pod

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// generate returns the pod as it is without the user's template. It has no probe: the agent's session tells sooner
// and more than a probe could.
func generate(workspace *autov1alpha1.Workspace, settings Settings, agent agentPlace) *corev1.PodTemplateSpec {
	spec := &workspace.Spec
	end := secondsToEnd(settings)
	t := &corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: systemLabels(workspace.Name)},
		Spec: corev1.PodSpec{
			ServiceAccountName:            spec.ServiceAccountName,
			RestartPolicy:                 corev1.RestartPolicyAlways,
			TerminationGracePeriodSeconds: &end,
			SecurityContext:               podSecurity(spec.SecurityProfile),
			Containers:                    []corev1.Container{pulumiContainer(spec, settings, agent)},
			Volumes:                       []corev1.Volume{shareVolume(), tokenVolume()},
		},
	}
	if agent.bootstrap {
		t.Spec.InitContainers = []corev1.Container{bootstrapContainer(spec, settings)}
	}
	addKubeconfig(&t.Spec, spec.Kubeconfig)
	return t
}

// systemLabels are the labels by which the pod is known; a template cannot change them.
func systemLabels(workspace string) map[string]string {
	return map[string]string{
		autov1alpha1.LabelComponent:     componentValue,
		autov1alpha1.LabelWorkspaceName: autov1alpha1.LabelValue(workspace),
	}
}

// pulumiContainer runs the agent, which runs Pulumi.
func pulumiContainer(spec *autov1alpha1.WorkspaceSpec, settings Settings, agent agentPlace) corev1.Container {
	c := corev1.Container{
		Name:            ContainerPulumi,
		Image:           imageOf(spec, settings),
		ImagePullPolicy: spec.ImagePullPolicy,
		// The last words of an agent that cannot run are what the user needs to read on the Workspace.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		Command:                  []string{agent.path, "run"},
		WorkingDir:               ShareDir,
		EnvFrom:                  spec.EnvFrom,
		Env:                      append([]corev1.EnvVar(nil), spec.Env...),
		Resources:                withDefaultRequests(spec.Resources),
		SecurityContext:          containerSecurity(spec.SecurityProfile),
		VolumeMounts: []corev1.VolumeMount{
			{Name: VolumeShare, MountPath: ShareDir},
			{Name: volumeToken, MountPath: tokenDir, ReadOnly: true},
		},
	}
	for _, e := range pulumiEnv(settings) {
		c.Env = setEnv(c.Env, e)
	}
	return c
}

// pulumiEnv is what the agent and the user's programs find in the environment, after the user's own variables.
func pulumiEnv(settings Settings) []corev1.EnvVar {
	field := func(name, path string) corev1.EnvVar {
		return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}}
	}
	return []corev1.EnvVar{
		field("POD_NAMESPACE", "metadata.namespace"),
		field("POD_SA_NAME", "spec.serviceAccountName"),
		{Name: "AGENT_MEMLIMIT", ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{
			ContainerName: ContainerPulumi, Resource: "requests.memory",
		}}},
		{Name: "GANTRY_HUB", Value: settings.HubAddress},
		{Name: "GANTRY_CA", Value: settings.CA},
	}
}

// bootstrapContainer copies the agent to the shared volume. It is the way that works with every image.
func bootstrapContainer(spec *autov1alpha1.WorkspaceSpec, settings Settings) corev1.Container {
	return corev1.Container{
		Name:                     ContainerBootstrap,
		Image:                    settings.AgentImage,
		ImagePullPolicy:          settings.AgentImagePullPolicy,
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		Command:                  []string{imageAgent, "install", installedAgent},
		SecurityContext:          containerSecurity(spec.SecurityProfile),
		VolumeMounts:             []corev1.VolumeMount{{Name: VolumeShare, MountPath: ShareDir}},
	}
}

// withDefaultRequests asks for a little memory and CPU where the user asks for none, but for no more than the limit.
func withDefaultRequests(r corev1.ResourceRequirements) corev1.ResourceRequirements {
	r = *r.DeepCopy()
	defaults := map[corev1.ResourceName]resource.Quantity{
		corev1.ResourceMemory: resource.MustParse("64Mi"),
		corev1.ResourceCPU:    resource.MustParse("100m"),
	}
	for name, quantity := range defaults {
		if asked, ok := r.Requests[name]; ok && !asked.IsZero() {
			continue
		}
		if limit, ok := r.Limits[name]; ok && limit.Cmp(quantity) < 0 {
			quantity = limit
		}
		if r.Requests == nil {
			r.Requests = corev1.ResourceList{}
		}
		r.Requests[name] = quantity
	}
	return r
}

func shareVolume() corev1.Volume {
	return corev1.Volume{Name: VolumeShare, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
}

// tokenVolume holds the token by which the agent proves who it is; no one but the hub accepts it.
func tokenVolume() corev1.Volume {
	seconds := tokenSeconds
	return corev1.Volume{Name: volumeToken, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
			Audience: autov1alpha1.TokenAudience, ExpirationSeconds: &seconds, Path: "token",
		}}},
	}}}
}

// addKubeconfig mounts the one key of the Secret that spec.kubeconfig names.
func addKubeconfig(spec *corev1.PodSpec, from *autov1alpha1.KubeconfigSource) {
	if from == nil || from.Type != autov1alpha1.KubeconfigSecret {
		return
	}
	spec.Volumes = append(spec.Volumes, corev1.Volume{Name: volumeKubeconfig, VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{
			SecretName: from.SecretRef.Name,
			Items:      []corev1.KeyToPath{{Key: from.SecretRef.Key, Path: from.SecretRef.Key}},
		},
	}})
	pulumi := find(spec.Containers, ContainerPulumi)
	pulumi.VolumeMounts = append(pulumi.VolumeMounts, corev1.VolumeMount{Name: volumeKubeconfig, MountPath: KubeconfigDir, ReadOnly: true})
}
