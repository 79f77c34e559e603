// Package configitems owns the translation of a Stack's environment and configuration into what a Workspace carries:
// environment variables, configuration items, and the volumes those read from. It is pure.
package configitems

import (
	"encoding/json"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
)

// Where Secrets and ConfigMaps are mounted; users' templates rely on these paths.
const (
	secretsPath    = "/var/run/secrets/stacks.pulumi.com/secrets/"
	configMapsPath = "/var/run/configmaps/stacks.pulumi.com/configmaps/"
)

// Items is a stack's configuration, and the volumes it needs.
type Items struct {
	Config  []autov1alpha1.ConfigItem
	Volumes []corev1.Volume
	Mounts  []corev1.VolumeMount
}

// Of translates the configuration of a Stack: config, configRef, secrets, secretsRef, each sorted by key. A reference
// that cannot work is a failure.TerminalError that names the field.
func Of(namespace string, spec *pulumiv1.StackSpec) (*Items, error) {
	items := &Items{}
	if err := items.addConfig(spec.Config); err != nil {
		return nil, err
	}
	for _, key := range sorted(spec.ConfigRef) {
		ref := spec.ConfigRef[key]
		items.Config = append(items.Config, autov1alpha1.ConfigItem{
			Key: key, Secret: new(bool),
			ValueFrom: &autov1alpha1.ConfigValueFrom{Path: items.mountConfigMap(ref.Name) + "/" + ref.Key, JSON: ref.JSON},
		})
	}
	for _, key := range sorted(spec.Secrets) {
		if err := items.addSecretLiteral(key, spec.Secrets[key]); err != nil {
			return nil, err
		}
	}
	for _, key := range sorted(spec.SecretsRef) {
		if err := items.addSecretRef(namespace, key, spec.SecretsRef[key]); err != nil {
			return nil, err
		}
	}
	return items, nil
}

func (i *Items) addConfig(config *apiextensionsv1.JSON) error {
	if config == nil || len(config.Raw) == 0 || string(config.Raw) == "null" {
		return nil
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(config.Raw, &values); err != nil {
		return failure.NewTerminal(pulumiv1.ReasonSpecInvalid, "spec.config must be an object of keys and values")
	}
	for _, key := range sorted(values) {
		i.Config = append(i.Config, autov1alpha1.ConfigItem{Key: key, Value: &apiextensionsv1.JSON{Raw: values[key]}, Secret: new(bool)})
	}
	return nil
}

func (i *Items) addSecretLiteral(key, value string) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	i.Config = append(i.Config, autov1alpha1.ConfigItem{Key: key, Value: &apiextensionsv1.JSON{Raw: raw}, Secret: new(true)})
	return nil
}

func (i *Items) addSecretRef(namespace, key string, ref pulumiv1.ResourceRef) error {
	field := "spec.secretsRef[" + key + "]"
	if err := check(field, namespace, ref); err != nil {
		return err
	}
	if ref.SelectorType == pulumiv1.ResourceRefLiteral {
		return i.addSecretLiteral(key, ref.LiteralRef.Value)
	}
	i.Config = append(i.Config, autov1alpha1.ConfigItem{
		Key: key, Secret: new(true),
		ValueFrom: &autov1alpha1.ConfigValueFrom{Path: i.mountSecret(ref.SecretRef.Name) + "/" + ref.SecretRef.Key},
	})
	return nil
}

// mountSecret mounts a Secret, once, and answers where.
func (i *Items) mountSecret(name string) string {
	return i.mount("secret-"+name, secretsPath+name, corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: name}})
}

// mountConfigMap mounts a ConfigMap, once, and answers where.
func (i *Items) mountConfigMap(name string) string {
	source := corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}
	return i.mount("configmap-"+name, configMapsPath+name, corev1.VolumeSource{ConfigMap: &source})
}

func (i *Items) mount(volume, path string, source corev1.VolumeSource) string {
	if !slices.ContainsFunc(i.Volumes, func(v corev1.Volume) bool { return v.Name == volume }) {
		i.Volumes = append(i.Volumes, corev1.Volume{Name: volume, VolumeSource: source})
		i.Mounts = append(i.Mounts, corev1.VolumeMount{Name: volume, MountPath: path})
	}
	return path
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
