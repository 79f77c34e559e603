package pod

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Reference names an object that a pod cannot start without.
type Reference struct {
	// Kind is Secret or ConfigMap.
	Kind string
	// Name of the object, in the pod's namespace.
	Name string
}

// References are the Secrets and ConfigMaps that volumes and variables of the pod name as not optional, sorted.
func References(spec *corev1.PodSpec) []Reference {
	found := map[Reference]struct{}{}
	add := func(kind, name string, optional *bool) {
		if name != "" && (optional == nil || !*optional) {
			found[Reference{kind, name}] = struct{}{}
		}
	}
	for i := range spec.Volumes {
		volumeReferences(&spec.Volumes[i], add)
	}
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			envReferences(&containers[i], add)
		}
	}
	references := make([]Reference, 0, len(found))
	for r := range found {
		references = append(references, r)
	}
	slices.SortFunc(references, func(a, b Reference) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return references
}

const (
	kindSecret    = "Secret"
	kindConfigMap = "ConfigMap"
)

func volumeReferences(v *corev1.Volume, add func(kind, name string, optional *bool)) {
	if v.Secret != nil {
		add(kindSecret, v.Secret.SecretName, v.Secret.Optional)
	}
	if v.ConfigMap != nil {
		add(kindConfigMap, v.ConfigMap.Name, v.ConfigMap.Optional)
	}
	if v.Projected == nil {
		return
	}
	for _, s := range v.Projected.Sources {
		if s.Secret != nil {
			add(kindSecret, s.Secret.Name, s.Secret.Optional)
		}
		if s.ConfigMap != nil {
			add(kindConfigMap, s.ConfigMap.Name, s.ConfigMap.Optional)
		}
	}
}

func envReferences(c *corev1.Container, add func(kind, name string, optional *bool)) {
	for _, from := range c.EnvFrom {
		if from.SecretRef != nil {
			add(kindSecret, from.SecretRef.Name, from.SecretRef.Optional)
		}
		if from.ConfigMapRef != nil {
			add(kindConfigMap, from.ConfigMapRef.Name, from.ConfigMapRef.Optional)
		}
	}
	for _, e := range c.Env {
		if e.ValueFrom == nil {
			continue
		}
		if ref := e.ValueFrom.SecretKeyRef; ref != nil {
			add(kindSecret, ref.Name, ref.Optional)
		}
		if ref := e.ValueFrom.ConfigMapKeyRef; ref != nil {
			add(kindConfigMap, ref.Name, ref.Optional)
		}
	}
}
