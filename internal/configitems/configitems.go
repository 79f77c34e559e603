// Package configitems owns the translation of a Stack's environment and configuration into what a Workspace carries:
// environment variables, configuration items, and the volumes those read from. It is pure.
package configitems

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/validate"
)

// Where Secrets and ConfigMaps are mounted; users' templates rely on these paths.
const (
	secretsPath    = "/var/run/secrets/stacks.pulumi.com/secrets/"
	configMapsPath = "/var/run/configmaps/stacks.pulumi.com/configmaps/"
	// volumeHash is the number of hexadecimal digits of the hash in a volume's name.
	volumeHash = 10
)

// Items is a stack's configuration, and the volumes it needs.
type Items struct {
	Config  []autov1alpha1.ConfigItem
	Volumes []corev1.Volume
	Mounts  []corev1.VolumeMount
}

// Of translates the configuration of a Stack: config, configRef, secrets, secretsRef, each sorted by key. What Check
// complains of is a failure.TerminalError.
func Of(namespace string, spec *pulumiv1.StackSpec) (*Items, error) {
	if err := invalid(Check(namespace, spec)); err != nil {
		return nil, err
	}
	items := &Items{}
	items.addConfig(spec.Config)
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
		if err := items.addSecretRef(key, spec.SecretsRef[key]); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// invalid is the error of a Stack with these problems.
func invalid(problems validate.Problems) error {
	if len(problems) == 0 {
		return nil
	}
	return failure.NewTerminal(pulumiv1.ReasonSpecInvalid, "%s", problems)
}

func (i *Items) addConfig(config *apiextensionsv1.JSON) {
	values, _ := readConfig(config)
	for _, key := range sorted(values) {
		if string(values[key]) == "null" {
			continue // a Workspace cannot hold it, and it says the same as no value
		}
		i.Config = append(i.Config, autov1alpha1.ConfigItem{Key: key, Value: &apiextensionsv1.JSON{Raw: values[key]}, Secret: new(bool)})
	}
}

func (i *Items) addSecretLiteral(key, value string) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	i.Config = append(i.Config, autov1alpha1.ConfigItem{Key: key, Value: &apiextensionsv1.JSON{Raw: raw}, Secret: new(true)})
	return nil
}

func (i *Items) addSecretRef(key string, ref pulumiv1.ResourceRef) error {
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
	return i.mount("secret-", name, secretsPath, corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: name}})
}

// mountConfigMap mounts a ConfigMap, once, and answers where.
func (i *Items) mountConfigMap(name string) string {
	source := corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}
	return i.mount("configmap-", name, configMapsPath, corev1.VolumeSource{ConfigMap: &source})
}

func (i *Items) mount(prefix, name, parent string, source corev1.VolumeSource) string {
	volume, path := volumeName(prefix, name), parent+name
	if !slices.ContainsFunc(i.Volumes, func(v corev1.Volume) bool { return v.Name == volume }) {
		i.Volumes = append(i.Volumes, corev1.Volume{Name: volume, VolumeSource: source})
		i.Mounts = append(i.Mounts, corev1.VolumeMount{Name: volume, MountPath: path})
	}
	return path
}

// volumeName is the name of the volume of an object. Users' templates know it; but an object's name may be longer than a
// volume's, and have dots, and then it is cut and gets a hash.
func volumeName(prefix, name string) string {
	if len(validation.IsDNS1123Label(prefix+name)) == 0 {
		return prefix + name
	}
	sum := sha256.Sum256([]byte(name))
	head := strings.ReplaceAll(name, ".", "-")
	head = strings.TrimRight(head[:min(len(head), validation.DNS1123LabelMaxLength-len(prefix)-len("-")-volumeHash)], "-")
	return prefix + head + "-" + hex.EncodeToString(sum[:])[:volumeHash]
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
