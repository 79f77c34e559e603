package update

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/operation"
)

func TestOutputsSecret(t *testing.T) {
	got, warning := buildOutputs(anUpdate("u"), map[string]*operation.Output{
		"z":     {Json: []byte(`"hunter2"`), Secret: true},
		"a b":   {Json: []byte(`{"x":1}`), Secret: true},
		"plain": {Json: []byte(`1`)},
		"empty": {},
	})
	if warning != "" {
		t.Fatal(warning)
	}
	want := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "u-stack-outputs",
			Labels:          map[string]string{"auto.pulumi.com/component": "update", "auto.pulumi.com/update-name": "u"},
			Annotations:     map[string]string{"pulumi.com/secrets": `["a_b","z"]`},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "auto.pulumi.com/v1alpha1", Kind: "Update", Name: "u", UID: "uid-u"}},
		},
		Immutable: ptr(true),
		Type:      corev1.SecretTypeOpaque,
		Data: map[string][]byte{
			"z": []byte(`"hunter2"`), "a_b": []byte(`{"x":1}`), "plain": []byte("1"), "empty": []byte("null"),
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Secret (-want +got):\n%s", diff)
	}
}

func TestSecretsListIsNeverNull(t *testing.T) {
	got, _ := buildOutputs(anUpdate("u"), map[string]*operation.Output{"a": {Json: []byte("1")}})
	if list := got.Annotations[autov1alpha1.AnnotationSecrets]; list != "[]" {
		t.Errorf("annotation is %q, want []", list)
	}
}

func TestOutputsAtTheLimit(t *testing.T) {
	for size, fits := range map[int]bool{corev1.MaxSecretSize: true, corev1.MaxSecretSize + 1: false} {
		secret, warning := buildOutputs(anUpdate("u"), map[string]*operation.Output{"a": {Json: make([]byte, size)}})
		if (len(secret.Data) == 1) != fits || (warning == "") != fits {
			t.Errorf("%d bytes: %d kept, warning %q; want it to fit: %v", size, len(secret.Data), warning, fits)
		}
	}
}

func TestOutputKeys(t *testing.T) {
	long := strings.Repeat("x", 300)
	tests := map[string]struct {
		names []string
		want  map[string]string
	}{
		"Plain":           {[]string{"a", "b-c.d_E"}, map[string]string{"a": "a", "b-c.d_E": "b-c.d_E"}},
		"Replaced":        {[]string{"a:b/c", "ü"}, map[string]string{"a:b/c": "a_b_c", "ü": "_"}},
		"ExactKeepsIt":    {[]string{"a b", "a_b"}, map[string]string{"a_b": "a_b", "a b": "a_b_c8687a08aa5d"}},
		"FirstOfTwo":      {[]string{"a/b", "a b"}, map[string]string{"a b": "a_b", "a/b": "a_b_c14cddc033f6"}},
		"Dots":            {[]string{".", "..", "..x", ".x"}, map[string]string{".": "_", "..": "__", "..x": "__x", ".x": ".x"}},
		"Empty":           {[]string{""}, map[string]string{"": "_"}},
		"TooLongIsHashed": {[]string{long}, map[string]string{long: strings.Repeat("x", 240) + "_0d4e2ca9e9cb"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := outputKeys(test.names)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			taken := map[string]bool{}
			for name, key := range got {
				if problems := validation.IsConfigMapKey(key); len(problems) > 0 {
					t.Errorf("the key %q of %q is refused: %v", key, name, problems)
				}
				if taken[key] {
					t.Errorf("the key %q is given twice", key)
				}
				taken[key] = true
			}
		})
	}
}

func TestOnlyASuccessfulUpHasOutputs(t *testing.T) {
	outputs := map[string]*operation.Output{"a": {Json: []byte("1")}}
	tests := map[string]struct {
		kind    autov1alpha1.UpdateType
		outcome operation.Outcome
		want    int
	}{
		"Up":        {autov1alpha1.UpUpdate, operation.Outcome_SUCCEEDED, 1},
		"FailedUp":  {autov1alpha1.UpUpdate, operation.Outcome_FAILED, 0},
		"Preview":   {autov1alpha1.PreviewUpdate, operation.Outcome_SUCCEEDED, 0},
		"Destroyed": {autov1alpha1.DestroyUpdate, operation.Outcome_SUCCEEDED, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			update := anUpdate("u", func(u *autov1alpha1.Update) { u.Spec.Type = test.kind })
			if got := outputsOf(update, &operation.Result{Outcome: test.outcome, Outputs: outputs}); len(got) != test.want {
				t.Errorf("got %d outputs, want %d", len(got), test.want)
			}
		})
	}
}
