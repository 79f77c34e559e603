package compat

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	pulumiv1alpha1 "github.com/gantry-operator/gantry/api/pulumi/v1alpha1"
)

// objectsPerVersion is how many objects are made of each version of each kind.
const objectsPerVersion = 300

// A value that does not decode would stop every object of its kind from being listed.
func TestWhateverTheSchemaAdmitsIsDecoded(t *testing.T) {
	decoder := serializer.NewCodecFactory(newScheme(t)).UniversalDeserializer()
	for name, definition := range definitions(t, filepath.Join(repository, "config/crd/bases")) {
		for _, version := range definition.Spec.Versions {
			t.Run(name+"/"+version.Name, func(t *testing.T) {
				g := generator{t: t, rand: rand.New(rand.NewPCG(1, 2))}
				readable := 0
				for range objectsPerVersion {
					data := g.object(definition, version)
					object, _, err := decoder.Decode(data, nil, nil)
					if err != nil {
						t.Fatalf("decode %s: %v", data, err)
					}
					if unreadable(object) == "" {
						readable++
					}
				}
				// A program is never looked into, so there is none that cannot be read.
				if readable == 0 || (readable == objectsPerVersion) != (name == "programs.pulumi.com") {
					t.Errorf("%d of %d objects are readable as a whole: too many or too few to prove anything", readable, objectsPerVersion)
				}
			})
		}
	}
}

func unreadable(object runtime.Object) string {
	switch o := object.(type) {
	case *pulumiv1.Stack:
		return o.Spec.Unreadable
	case *pulumiv1alpha1.Stack:
		return o.Spec.Unreadable
	case *autov1alpha1.Workspace:
		return o.Spec.Unreadable
	case *autov1alpha1.Update:
		return o.Spec.Unreadable
	}
	return ""
}

func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{pulumiv1.AddToScheme, pulumiv1alpha1.AddToScheme, autov1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

// generator makes awkward values that a schema admits.
type generator struct {
	t    *testing.T
	rand *rand.Rand
}

func (g generator) object(definition *apiextensionsv1.CustomResourceDefinition, version apiextensionsv1.CustomResourceDefinitionVersion) []byte {
	g.t.Helper()
	object, ok := g.value(version.Schema.OpenAPIV3Schema).(map[string]any)
	if !ok {
		g.t.Fatalf("%s %s is no object", definition.Name, version.Name)
	}
	object["apiVersion"] = definition.Spec.Group + "/" + version.Name
	object["kind"] = definition.Spec.Names.Kind
	object["metadata"] = map[string]any{"name": "a", "namespace": "b"}
	data, err := json.Marshal(object)
	if err != nil {
		g.t.Fatal(err)
	}
	return data
}

func (g generator) value(s *schema) any {
	if len(s.Enum) > 0 {
		return g.pick(anys(s.Enum)...)
	}
	switch {
	case s.XIntOrString:
		return g.pick(json.Number("0"), json.Number("-5"), json.Number("9223372036854775807"), g.text(s))
	case s.Type == "string":
		return g.text(s)
	case s.Type == "boolean":
		return g.pick(true, false)
	case s.Type == "integer":
		// API servers before 1.35 do not check how many bits an integer has.
		return g.pick(json.Number("0"), json.Number("7"), json.Number("-1"), json.Number("2147483648"),
			json.Number("9223372036854775807"), json.Number("100000000000000000000"))
	case s.Type == "array":
		list := []any{}
		for range g.rand.IntN(3) {
			list = append(list, g.value(s.Items.Schema))
		}
		return list
	case s.Type == "object":
		return g.fields(s)
	case s.Type == "" && preserves(s):
		return g.anything()
	}
	g.t.Fatalf("no value is known for %+v", s)
	return nil
}

func (g generator) fields(s *schema) map[string]any {
	fields := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		property := s.Properties[name]
		if g.rand.IntN(2) == 0 {
			fields[name] = g.value(&property)
		}
	}
	for _, name := range s.Required {
		property := s.Properties[name]
		fields[name] = g.value(&property)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		for i := range g.rand.IntN(3) {
			fields[fmt.Sprintf("k%d", i)] = g.value(s.AdditionalProperties.Schema)
		}
	}
	if preserves(s) {
		fields["unheardOf"] = g.anything()
	}
	return fields
}

func (g generator) text(s *schema) any {
	if s.Format == "date-time" {
		return g.pick("2026-01-02T03:04:05Z", "2026-01-02t03:04:05z", "2026-01-02T03:04:05x5Z", "0000-01-01T00:00:00+23:59")
	}
	switch s.Pattern {
	case "":
	case `^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$`:
		return g.pick("100m", "1Gi", "-.5", "1e1.5", "1e99999999999", "99999999999999999999999Ei")
	case `^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`:
		return g.pick("A", "a_,:b")
	case `^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$`:
		return g.pick("Ready", "a.b/C")
	case `^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$`:
		return g.pick("sha256:00", "a.b:=")
	default:
		g.t.Fatalf("no text is known for the pattern %q", s.Pattern)
	}
	return g.pick("a", "1e1.5", "yesterday", "-1h", "\u0000\U0001F4A5", "null", "{", `"`)
}

func (g generator) anything() any {
	return g.pick(nil, true, "text", json.Number("1e400"), json.Number("-0.0"), []any{}, []any{nil, map[string]any{"": nil}}, map[string]any{"a": []any{"b"}})
}

func (g generator) pick(from ...any) any { return from[g.rand.IntN(len(from))] }
