package update

import (
	"cmp"
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
	// maxLists bounds the annotations; the API server takes 256 KiB of them all.
	maxLists = 200 << 10
	// maxOmitted is how many of the outputs that are left out a warning names.
	maxOmitted = 10
	// maxKey is the longest key that a Secret takes.
	maxKey = validation.DNS1123SubdomainMaxLength
)

// keptOutputs is what became of the outputs.
type keptOutputs struct {
	// secret is the name of the Secret that has them; empty if there is none.
	secret string
	// warning says what it has not, or why there is none although there are outputs.
	warning string
}

// outputsOf are the outputs to keep: those of an up that succeeded.
func outputsOf(update *autov1alpha1.Update, result *operation.Result) map[string]*operation.Output {
	if update.Spec.Type != autov1alpha1.UpUpdate || result.GetOutcome() != operation.Outcome_SUCCEEDED {
		return nil
	}
	return result.GetOutputs()
}

// buildOutputs makes the Secret with the outputs. Where they do not all fit into one, the largest are left out, which the
// Secret and the warning tell: the operation succeeded all the same, and whoever waits for a small one gets it.
func buildOutputs(update *autov1alpha1.Update, outputs map[string]*operation.Output) (*corev1.Secret, string) {
	data, secrets := map[string][]byte{}, []string{}
	for name, key := range outputKeys(slices.Collect(maps.Keys(outputs))) {
		data[key] = outputs[name].GetJson()
		if len(data[key]) == 0 {
			data[key] = []byte("null")
		}
		if outputs[name].GetSecret() {
			secrets = append(secrets, key)
		}
	}
	slices.Sort(secrets)
	omitted, size := leaveOut(data)
	annotations, err := lists(map[string][]string{autov1alpha1.AnnotationSecrets: secrets, autov1alpha1.AnnotationOmitted: omitted})
	warning := ""
	switch {
	case err != nil:
		return nil, fmt.Sprintf("the %d outputs are not kept: they have %d bytes, and a Secret takes no more than %d; export less", len(outputs), size, corev1.MaxSecretSize)
	case len(omitted) > 0:
		warning = fmt.Sprintf("%d of the %d outputs are not kept: together they have %d bytes, and a Secret takes no more than %d; export less of %s",
			len(omitted), len(outputs), size, corev1.MaxSecretSize, namesOf(omitted))
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
			Annotations:     annotations,
			OwnerReferences: []metav1.OwnerReference{ownerReference(update)},
		},
		Immutable: &immutable,
		Type:      corev1.SecretTypeOpaque,
		Data:      data,
	}, warning
}

// leaveOut removes the largest values until the rest fits into a Secret, and tells their keys and the size that all had.
func leaveOut(data map[string][]byte) (omitted []string, size int) {
	for _, value := range data {
		size += len(value)
	}
	largest := slices.SortedFunc(maps.Keys(data), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(data[b]), len(data[a])), cmp.Compare(a, b))
	})
	for left := size; left > corev1.MaxSecretSize; {
		key := largest[0]
		left, largest, omitted = left-len(data[key]), largest[1:], append(omitted, key)
		delete(data, key)
	}
	slices.Sort(omitted)
	return omitted, size
}

// lists are annotations of lists. Only that of the secrets is always there. An error means that they are too long.
func lists(all map[string][]string) (map[string]string, error) {
	annotations, size := map[string]string{}, 0
	for name, list := range all {
		if len(list) == 0 && name != autov1alpha1.AnnotationSecrets {
			continue
		}
		text, err := json.Marshal(list)
		if err != nil {
			return nil, fmt.Errorf("write the annotation %s: %w", name, err)
		}
		annotations[name] = string(text)
		size += len(text)
	}
	if size > maxLists {
		return nil, fmt.Errorf("the annotations have %d bytes", size)
	}
	return annotations, nil
}

// namesOf names the first of the outputs.
func namesOf(outputs []string) string {
	if more := len(outputs) - maxOmitted; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(outputs[:maxOmitted], ", "), more)
	}
	return strings.Join(outputs, ", ")
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
