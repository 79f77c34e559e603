package pod

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// finish sets what holds whatever the user's template says.
func finish(t *corev1.PodTemplateSpec, workspace *autov1alpha1.Workspace, settings Settings, agent agentPlace) {
	for key, value := range systemLabels(workspace.Name) {
		t.Labels = withValue(t.Labels, key, value)
	}
	if workspace.Spec.Inputs != "" {
		t.Annotations = withValue(t.Annotations, autov1alpha1.AnnotationInputs, workspace.Spec.Inputs)
	}
	t.Spec.InitContainers = arrangeInit(t.Spec.InitContainers, workspace.Spec.SecurityProfile, settings, agent)
	noDNS := withoutClusterDNS(&t.Spec)
	pulumi := find(t.Spec.Containers, ContainerPulumi)
	pulumi.Env = setEnv(pulumi.Env, corev1.EnvVar{Name: "GANTRY_HOST_NETWORK_DNS", Value: strconv.FormatBool(noDNS)})
	pulumi.Env = setEnv(pulumi.Env, corev1.EnvVar{Name: killAfterEnv, Value: killAfter(&t.Spec).String()})
	if noDNS && settings.HubIP != "" {
		// The certificate is for the name, so the name has to lead to the hub here too.
		t.Spec.HostAliases = append(t.Spec.HostAliases, corev1.HostAlias{IP: settings.HubIP, Hostnames: []string{hubHost(settings)}})
	}
	for _, containers := range [][]corev1.Container{t.Spec.InitContainers, t.Spec.Containers} {
		for i := range containers {
			containers[i].Env = setEnv(containers[i].Env, corev1.EnvVar{Name: "PULUMI_ENV", Value: EnvFile})
		}
	}
}

// arrangeInit puts the generated init container first and the user's after it, in the user's order. Templates made
// for PKO may also patch by name an init container that this pod does not have:
//   - bootstrap, where the image carries the agent: the patch is dropped, there is nothing to bring;
//   - fetch, which Gantry never has: the container is kept, with what the patch adds, but runs a command that does
//     nothing and ends at once.
//
// A container of these names that has an image of its own is the user's, and runs as it is.
func arrangeInit(containers []corev1.Container, profile autov1alpha1.SecurityProfile, settings Settings, agent agentPlace) []corev1.Container {
	var first, rest []corev1.Container
	for _, c := range containers {
		switch {
		case c.Name == ContainerBootstrap && agent.bootstrap:
			first = append(first, c)
		case c.Name == ContainerBootstrap && c.Image == "":
		case c.Name == ContainerFetch && c.Image == "":
			c.Image, c.ImagePullPolicy = settings.AgentImage, settings.AgentImagePullPolicy
			c.Command, c.Args = []string{imageAgent, "version"}, nil
			if c.SecurityContext == nil {
				c.SecurityContext = containerSecurity(profile)
			}
			rest = append(rest, c)
		default:
			rest = append(rest, c)
		}
	}
	return append(first, rest...)
}

// withoutClusterDNS tells whether names of Services cannot be counted on in the pod.
func withoutClusterDNS(spec *corev1.PodSpec) bool {
	switch spec.DNSPolicy {
	case corev1.DNSClusterFirstWithHostNet:
		return false
	case corev1.DNSDefault, corev1.DNSNone:
		return true
	default:
		return spec.HostNetwork
	}
}

// setEnv puts a variable at the end and removes those of its name before it: the last one would win anyway.
func setEnv(env []corev1.EnvVar, set corev1.EnvVar) []corev1.EnvVar {
	kept := slices.DeleteFunc(slices.Clone(env), func(e corev1.EnvVar) bool { return e.Name == set.Name })
	return append(kept, set)
}

// hashOf is the hash of all that a pod is built from. Stacks, configuration and source are not in the pod: they
// travel with each operation, so a change of them replaces no pod.
func hashOf(t *corev1.PodTemplateSpec) (string, error) {
	annotations := maps.Clone(t.Annotations)
	delete(annotations, autov1alpha1.AnnotationRevisionHash)
	data, err := json.Marshal([]any{t.Labels, annotations, t.Spec})
	if err != nil {
		return "", fmt.Errorf("hash the pod: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}
