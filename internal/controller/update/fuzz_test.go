package update

import (
	"encoding/json"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/operation"
)

// FuzzOutputKeys: whatever a program calls its outputs, each has a key of its own that a Secret takes, and it does not
// depend on the order.
func FuzzOutputKeys(f *testing.F) {
	f.Add("a", "b", "c")
	f.Add("a/b", "a_b", "a b")
	f.Add("", ".", "..")
	f.Add("..", "...", "__")
	f.Add("ü", "_", "__")
	f.Add(strings.Repeat("x", 253), strings.Repeat("x", 254), strings.Repeat("x", 254)+"y")
	f.Add("a/b", "a b", "a_b_3d5a3d5a3d5a")
	f.Fuzz(func(t *testing.T, first, second, third string) {
		outputs := map[string]*operation.Output{first: {Json: []byte(`1`), Secret: true}, second: {Json: []byte(`2`)}, third: {}}
		names := make([]string, 0, len(outputs))
		for name := range outputs {
			names = append(names, name)
		}
		keys := outputKeys(names)
		seen := map[string]string{}
		for name := range outputs {
			key := keys[name]
			if problems := validation.IsConfigMapKey(key); len(problems) > 0 {
				t.Errorf("output %q has the key %q: %v", name, key, problems)
			}
			if other, ok := seen[key]; ok {
				t.Errorf("outputs %q and %q share the key %q", name, other, key)
			}
			seen[key] = name
			if len(validation.IsConfigMapKey(name)) == 0 && key != name {
				t.Errorf("output %q has the key %q", name, key)
			}
		}
		secret, warning := buildOutputs(anUpdate("u"), outputs)
		if warning != "" {
			t.Fatal(warning)
		}
		var hidden []string
		if err := json.Unmarshal([]byte(secret.Annotations[autov1alpha1.AnnotationSecrets]), &hidden); err != nil {
			t.Fatal(err)
		}
		if first != second && first != third && (len(hidden) != 1 || hidden[0] != keys[first]) {
			t.Errorf("hidden are %q, want %q", hidden, keys[first])
		}
		for key, value := range secret.Data {
			if !json.Valid(value) {
				t.Errorf("%q is not JSON", key)
			}
		}
	})
}
