// Package kubetest owns how tests read manifests, and clients that may not do everything.
package kubetest

import (
	"bytes"
	"os"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// Read reads the documents of a file of YAML into one object each, in their order. A field that an object does not have
// fails the test, and so does another number of documents.
func Read(t *testing.T, path string, into ...client.Object) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	documents := bytes.Split(data, []byte("\n---\n"))
	if len(documents) != len(into) {
		t.Fatalf("%d documents, want %d", len(documents), len(into))
	}
	for i, document := range documents {
		if err := yaml.UnmarshalStrict(document, into[i]); err != nil {
			t.Fatalf("document %d: %v", i, err)
		}
	}
}
