package compat

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

const (
	repository = "../.."
	// reference holds PKO's definitions and manifests, which are no part of the repository.
	reference = repository + "/../shared/compat"
	// applyLimit is the size of all of an object's annotations, of which client-side apply needs the whole object's.
	applyLimit = 256 * 1024
)

// wanted are the differences that are meant, with the reason for each.
func wanted() map[string][]Difference {
	status := func(version, path string) Difference {
		return Difference{version + " " + path, `defaults to {"observedGeneration":-1}, theirs to nothing`}
	}
	return map[string][]Difference{
		// Tools that wait for an object would take one that no controller has seen for one that is ready.
		"programs.pulumi.com": {status("v1", "status")},
		// The last column, which is wide, says what is suspended.
		"stacks.pulumi.com":          {{"v1 number of columns", "is 9, theirs is 8"}, status("v1", "status"), status("v1alpha1", "status")},
		"updates.auto.pulumi.com":    {status("v1alpha1", "status")},
		"workspaces.auto.pulumi.com": {status("v1alpha1", "status")},
	}
}

func TestWhateverValidatesThereValidatesHere(t *testing.T) {
	theirs := definitions(t, referenceDir(t, "crds"))
	ours := definitions(t, filepath.Join(repository, "config/crd/bases"))
	if diff := cmp.Diff(slices.Sorted(maps.Keys(theirs)), slices.Sorted(maps.Keys(ours))); diff != "" {
		t.Fatalf("definitions: -theirs +ours:\n%s", diff)
	}
	for name, their := range theirs {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(wanted()[name], CompareDefinitions(their, ours[name])); diff != "" {
				t.Errorf("differences, -wanted +found:\n%s", diff)
			}
		})
	}
}

func TestCompareDefinitions(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*apiextensionsv1.CustomResourceDefinition)
		want   []string
	}{
		"Same":       {"nothing was changed", func(*apiextensionsv1.CustomResourceDefinition) {}, nil},
		"Group":      {"objects of another group are other objects", func(d *apiextensionsv1.CustomResourceDefinition) { d.Spec.Group = "x" }, []string{"group"}},
		"Scope":      {"objects have namespaces", func(d *apiextensionsv1.CustomResourceDefinition) { d.Spec.Scope = "Cluster" }, []string{"scope"}},
		"Categories": {"kubectl get pulumi lists them", func(d *apiextensionsv1.CustomResourceDefinition) { d.Spec.Names.Categories = nil }, []string{"names"}},
		"ShortNames": {"a short name may be somebody else's", func(d *apiextensionsv1.CustomResourceDefinition) { d.Spec.Names.ShortNames = []string{"st"} }, []string{"names"}},
		"Conversion": {"a webhook may fail", func(d *apiextensionsv1.CustomResourceDefinition) {
			d.Spec.Conversion = &apiextensionsv1.CustomResourceConversion{Strategy: "Webhook"}
		}, []string{"conversion"}},
		"Version":     {"manifests name a version", func(d *apiextensionsv1.CustomResourceDefinition) { d.Spec.Versions[0].Name = "v2" }, []string{"v1"}},
		"Served":      {"a version that is not served is refused", func(d *apiextensionsv1.CustomResourceDefinition) { d.Spec.Versions[0].Served = false }, []string{"v1 served"}},
		"Storage":     {"stored objects have a version", func(d *apiextensionsv1.CustomResourceDefinition) { d.Spec.Versions[0].Storage = false }, []string{"v1 storage"}},
		"Subresource": {"status is written by itself", func(d *apiextensionsv1.CustomResourceDefinition) { d.Spec.Versions[0].Subresources = nil }, []string{"v1 subresources"}},
		"ColumnLost":  {"users look at columns", func(d *apiextensionsv1.CustomResourceDefinition) { d.Spec.Versions[0].AdditionalPrinterColumns = nil }, []string{"v1 number of columns"}},
		"ColumnOther": {"at their places", func(d *apiextensionsv1.CustomResourceDefinition) {
			d.Spec.Versions[0].AdditionalPrinterColumns[0].Priority = 1
		}, []string{"v1 column 0"}},
		"ColumnWords": {"a column may be described better", func(d *apiextensionsv1.CustomResourceDefinition) {
			d.Spec.Versions[0].AdditionalPrinterColumns[0].Description = "x"
		}, nil},
		"RuleLost": {"what they refuse may be accepted", func(d *apiextensionsv1.CustomResourceDefinition) {
			d.Spec.Versions[0].Schema.OpenAPIV3Schema.XValidations = nil
		}, nil},
		"Schema": {"schemas are compared", func(d *apiextensionsv1.CustomResourceDefinition) {
			d.Spec.Versions[0].Schema.OpenAPIV3Schema.Required = []string{"a"}
		}, []string{"v1 a"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			theirs := &apiextensionsv1.CustomResourceDefinition{Spec: apiextensionsv1.CustomResourceDefinitionSpec{
				Group: "g", Scope: "Namespaced",
				Names: apiextensionsv1.CustomResourceDefinitionNames{Kind: "K", Categories: []string{"pulumi"}},
				Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
					Name: "v1", Served: true, Storage: true,
					Subresources:             &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
					AdditionalPrinterColumns: []apiextensionsv1.CustomResourceColumnDefinition{{Name: "A", Type: "string"}},
					Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &schema{
						Type: "object", XValidations: apiextensionsv1.ValidationRules{{Rule: "true"}},
					}},
				}},
			}}
			ours := theirs.DeepCopy()
			c.change(ours)
			var got []string
			for _, difference := range CompareDefinitions(theirs, ours) {
				got = append(got, difference.Path)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s: -want +got:\n%s", c.reason, diff)
			}
		})
	}
}

func TestDefinitionsFitClientSideApply(t *testing.T) {
	for name, definition := range definitions(t, filepath.Join(repository, "config/crd/bases")) {
		data, err := json.Marshal(definition)
		if err != nil {
			t.Fatalf("encode %s: %v", name, err)
		}
		if len(data) >= applyLimit {
			t.Errorf("%s is %d bytes of JSON: client-side apply takes less than %d", name, len(data), applyLimit)
		}
	}
}

func TestEveryFieldIsDescribed(t *testing.T) {
	for name, definition := range definitions(t, filepath.Join(repository, "config/crd/bases")) {
		for _, version := range definition.Spec.Versions {
			for _, path := range undescribed("", version.Schema.OpenAPIV3Schema) {
				t.Errorf("%s %s: %s has no description", name, version.Name, path)
			}
		}
	}
}

// undescribed lists the fields that have no description.
func undescribed(path string, s *schema) []string {
	var found []string
	for name, property := range s.Properties {
		// The API server itself describes metadata.
		if at := join(path, name); property.Description == "" && at != "metadata" {
			found = append(found, at)
		}
		found = append(found, undescribed(join(path, name), &property)...)
	}
	if s.Items != nil && s.Items.Schema != nil {
		found = append(found, undescribed(path+"[]", s.Items.Schema)...)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		found = append(found, undescribed(path+"{}", s.AdditionalProperties.Schema)...)
	}
	return found
}

func TestUndescribed(t *testing.T) {
	s := parse(t, `{type: object, properties: {metadata: {type: object}, a: {description: x, type: array, items: {type: object, properties: {b: {type: string}}}}, c: {description: x, type: object, additionalProperties: {type: object, properties: {d: {type: string}}}}}}`)
	got := undescribed("", s)
	slices.Sort(got)
	if diff := cmp.Diff([]string{"a[].b", "c{}.d"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func definitions(t *testing.T, dir string) map[string]*apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	found, err := LoadDefinitions(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 4 {
		t.Fatalf("%s has %d definitions, want 4", dir, len(found))
	}
	return found
}

// referenceDir is a directory of the reference, without which a test has nothing to compare to.
func referenceDir(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(reference, name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("NOT PROVEN: PKO's %s are not at %s, so nothing is compared to them", name, dir)
	}
	return dir
}
