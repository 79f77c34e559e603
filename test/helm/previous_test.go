package helm

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const (
	// previousVersion is a version before any that is released.
	previousVersion = "0.0.9"
	// newField is a field of Stacks that the previous version did not know.
	newField = "retryMaxBackoffDurationSeconds"
)

// previous packages a version of the chart from before this tree's: its pods differ, since they say their version, and the
// definition of Stack lacks a field.
func (s *story) previous() string {
	s.T.Helper()
	folder := filepath.Join(s.T.TempDir(), "gantry")
	s.Must(os.CopyFS(folder, os.DirFS(chart)))
	s.change(filepath.Join(folder, "Chart.yaml"), func(object map[string]any) {
		object["version"], object["appVersion"] = previousVersion, previousVersion
	})
	s.change(filepath.Join(folder, "files/crds/pulumi.com_stacks.yaml"), func(object map[string]any) {
		versions, _, err := unstructured.NestedSlice(object, "spec", "versions")
		s.Must(err)
		for _, version := range versions {
			fields, isMap := version.(map[string]any)
			if !isMap {
				s.T.Fatalf("a version of the definition of Stack is %T", version)
			}
			unstructured.RemoveNestedField(fields, "schema", "openAPIV3Schema", "properties", "spec", "properties", newField)
		}
		s.Must(unstructured.SetNestedSlice(object, versions, "spec", "versions"))
	})
	packages := s.T.TempDir()
	s.run("helm", "package", folder, "--destination", packages)
	return filepath.Join(packages, "gantry-"+previousVersion+".tgz")
}

// change changes a file of YAML.
func (s *story) change(path string, how func(map[string]any)) {
	s.T.Helper()
	text, err := os.ReadFile(path)
	s.Must(err)
	object := map[string]any{}
	s.Must(yaml.Unmarshal(text, &object))
	how(object)
	text, err = yaml.Marshal(object)
	s.Must(err)
	s.Must(os.WriteFile(path, text, 0o600))
}

// knows tells whether the definition of Stack, as it is on the cluster, has the new field: what would be stored of it.
func (s *story) knows(field string) bool {
	s.T.Helper()
	definition := s.definition("stacks.pulumi.com")
	text, err := json.Marshal(definition.Object["spec"])
	s.Must(err)
	return strings.Contains(string(text), `"`+field+`"`)
}
