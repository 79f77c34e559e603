package pod

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Reference names an object that a pod refers to.
type Reference struct {
	// Kind is Secret or ConfigMap.
	Kind string
	// Name of the object, in the pod's namespace.
	Name string
}

// The kinds that references are of.
const (
	KindSecret    = "Secret"
	KindConfigMap = "ConfigMap"
)

// References are the Secrets and ConfigMaps that volumes and variables of the pod name as not optional, sorted.
func References(spec *corev1.PodSpec) []Reference {
	var uses []use
	for i := range spec.Volumes {
		uses = append(uses, volumeUses(&spec.Volumes[i])...)
	}
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			uses = append(uses, envUses(&containers[i])...)
		}
	}
	references := make([]Reference, 0, len(uses))
	for _, used := range uses {
		if used.Name != "" && !used.optional {
			references = append(references, used.Reference)
		}
	}
	slices.SortFunc(references, func(a, b Reference) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return slices.Compact(references)
}

// use is one use that a pod makes of an object.
type use struct {
	Reference
	// keys that are used; none stands for all.
	keys     []string
	optional bool
}

func secretUse(name string, optional *bool, keys ...string) use {
	return use{Reference{KindSecret, name}, keys, optional != nil && *optional}
}

func configMapUse(name string, optional *bool, keys ...string) use {
	return use{Reference{KindConfigMap, name}, keys, optional != nil && *optional}
}

func volumeUses(v *corev1.Volume) []use {
	var uses []use
	if s := v.Secret; s != nil {
		uses = append(uses, secretUse(s.SecretName, s.Optional, keysOf(s.Items)...))
	}
	if c := v.ConfigMap; c != nil {
		uses = append(uses, configMapUse(c.Name, c.Optional, keysOf(c.Items)...))
	}
	if v.Projected == nil {
		return uses
	}
	for _, from := range v.Projected.Sources {
		if s := from.Secret; s != nil {
			uses = append(uses, secretUse(s.Name, s.Optional, keysOf(s.Items)...))
		}
		if c := from.ConfigMap; c != nil {
			uses = append(uses, configMapUse(c.Name, c.Optional, keysOf(c.Items)...))
		}
	}
	return uses
}

func keysOf(items []corev1.KeyToPath) []string {
	var keys []string
	for _, item := range items {
		keys = append(keys, item.Key)
	}
	return keys
}

func envUses(c *corev1.Container) []use {
	var uses []use
	for _, from := range c.EnvFrom {
		if s := from.SecretRef; s != nil {
			uses = append(uses, secretUse(s.Name, s.Optional))
		}
		if m := from.ConfigMapRef; m != nil {
			uses = append(uses, configMapUse(m.Name, m.Optional))
		}
	}
	for _, e := range c.Env {
		if e.ValueFrom == nil {
			continue
		}
		if s := e.ValueFrom.SecretKeyRef; s != nil {
			uses = append(uses, secretUse(s.Name, s.Optional, s.Key))
		}
		if m := e.ValueFrom.ConfigMapKeyRef; m != nil {
			uses = append(uses, configMapUse(m.Name, m.Optional, m.Key))
		}
	}
	return uses
}
