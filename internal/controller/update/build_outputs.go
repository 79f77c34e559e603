package update

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/operation"
)

const (
	// componentUpdate is the component label of the Secret with the outputs.
	componentUpdate = "update"
	// maxSecretsList bounds the annotation; the API server takes 256 KiB of them all.
	maxSecretsList = 200 << 10
	// maxKey is the longest key that a Secret takes.
	maxKey = validation.DNS1123SubdomainMaxLength
)

// keptOutputs is what became of the outputs.
type keptOutputs struct {
	// secret is the name of the Secret that has them; empty if there is none.
	secret string
	// warning says why there is none although there are outputs.
	warning string
}

// outputsOf are the outputs to keep: those of an up that succeeded.
func outputsOf(update *autov1alpha1.Update, result *operation.Result) map[string]*operation.Output {
	if update.Spec.Type != autov1alpha1.UpUpdate || result.GetOutcome() != operation.Outcome_SUCCEEDED {
		return nil
	}
	return result.GetOutputs()
}

// buildOutputs makes the Secret with the outputs. Where they do not fit into one, it says so instead: the operation
// succeeded all the same.
func buildOutputs(update *autov1alpha1.Update, outputs map[string]*operation.Output) (*corev1.Secret, string) {
	data, secrets, size := map[string][]byte{}, []string{}, 0
	for name, key := range outputKeys(slices.Collect(maps.Keys(outputs))) {
		data[key] = outputs[name].GetJson()
		if len(data[key]) == 0 {
			data[key] = []byte("null")
		}
		size += len(data[key])
		if outputs[name].GetSecret() {
			secrets = append(secrets, key)
		}
	}
	slices.Sort(secrets)
	list, err := json.Marshal(secrets)
	if err != nil || size > corev1.MaxSecretSize || len(list) > maxSecretsList {
		return nil, fmt.Sprintf("the %d outputs are not kept: they have %d bytes, and a Secret takes no more than %d; export less", len(outputs), size, corev1.MaxSecretSize)
	}
	immutable := true
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: update.Namespace,
			Name:      autov1alpha1.OutputsSecretName(update.Name),
			Labels: map[string]string{
				autov1alpha1.LabelComponent:  componentUpdate,
				autov1alpha1.LabelUpdateName: autov1alpha1.LabelValue(update.Name),
			},
			Annotations:     map[string]string{autov1alpha1.AnnotationSecrets: string(list)},
			OwnerReferences: []metav1.OwnerReference{ownerReference(update)},
		},
		Immutable: &immutable,
		Type:      corev1.SecretTypeOpaque,
		Data:      data,
	}, ""
}

func ownerReference(update *autov1alpha1.Update) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion: autov1alpha1.GroupVersion.String(), Kind: "Update", Name: update.Name, UID: update.UID,
	}
}

// outputKeys gives every output a key of its own in the Secret: its name with what a key cannot have replaced by an
// underscore, as PKO does. Of names that come out alike, the one that needed no change keeps it, else the first in
// order; the others get a hash of their name, so that none is lost and none depends on the rest.
func outputKeys(names []string) map[string]string {
	slices.Sort(names)
	keys, taken := map[string]string{}, map[string]bool{}
	for _, name := range names {
		if sanitize(name) == name && len(name) <= maxKey {
			keys[name], taken[name] = name, true
		}
	}
	for _, name := range names {
		if keys[name] != "" {
			continue
		}
		key := sanitize(name)
		if len(key) > maxKey || taken[key] {
			key = withHash(key, name)
		}
		keys[name], taken[key] = key, true
	}
	return keys
}

// sanitize replaces what a Secret's key cannot have.
func sanitize(name string) string {
	key := regexp.MustCompile(`[^-._a-zA-Z0-9]`).ReplaceAllString(name, "_")
	switch {
	case key == "", key == ".":
		return "_"
	case strings.HasPrefix(key, ".."):
		return "__" + key[2:]
	default:
		return key
	}
}

func withHash(key, name string) string {
	sum := sha256.Sum256([]byte(name))
	suffix := "_" + hex.EncodeToString(sum[:])[:12]
	return key[:min(len(key), maxKey-len(suffix))] + suffix
}
