// Package compat owns the proof that Gantry's custom resource definitions accept every object that the Pulumi
// Kubernetes Operator's (PKO's) accept: a structural comparison of the schemas, and a real API server that takes PKO's
// published manifests.
package compat

import (
	"fmt"
	"os"
	"path/filepath"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// Difference is one place where our definition is stricter than theirs, or other than theirs where it must be equal.
type Difference struct {
	// Path is where: the version, then the field as in "spec.env[].name" or "spec.configRef{}.key".
	Path string
	// Problem is what, in words.
	Problem string
}

func (d Difference) String() string { return d.Path + ": " + d.Problem }

// LoadDefinitions reads all definitions of a directory, by name.
func LoadDefinitions(dir string) (map[string]*apiextensionsv1.CustomResourceDefinition, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	definitions := map[string]*apiextensionsv1.CustomResourceDefinition{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a definition: %w", err)
		}
		definition := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(data, definition); err != nil {
			return nil, fmt.Errorf("decode %s: %w", file, err)
		}
		definitions[definition.Name] = definition
	}
	return definitions, nil
}
