package stage

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// Manifests reads all objects of files with manifests, in their order.
func Manifests(files ...string) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading manifests: %w", err)
		}
		documents, err := split(text)
		if err != nil {
			return nil, fmt.Errorf("reading the manifests in %s: %w", file, err)
		}
		for _, document := range documents {
			object := &unstructured.Unstructured{}
			if err := yaml.Unmarshal(document, &object.Object); err != nil {
				return nil, fmt.Errorf("reading the manifests in %s: %w", file, err)
			}
			if len(object.Object) > 0 {
				all = append(all, object)
			}
		}
	}
	return all, nil
}

// split cuts a text into its documents.
func split(text []byte) ([][]byte, error) {
	var documents [][]byte
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, err
		}
		documents = append(documents, document)
	}
}

// Make reads one manifest of a text into each of the objects, and makes these in the namespace.
func (n *Namespace) Make(ctx context.Context, manifests string, objects ...client.Object) error {
	documents, err := split([]byte(manifests))
	if err != nil {
		return fmt.Errorf("reading manifests: %w", err)
	}
	if len(documents) != len(objects) {
		return fmt.Errorf("there are %d manifests for %d objects", len(documents), len(objects))
	}
	for i, object := range objects {
		if err := yaml.UnmarshalStrict(documents[i], object); err != nil {
			return fmt.Errorf("reading the manifest of a %T: %w", object, err)
		}
		object.SetNamespace(n.Name)
		if err := n.Client.Create(ctx, object); err != nil {
			return fmt.Errorf("making %T %s: %w", object, object.GetName(), err)
		}
	}
	return nil
}

// Apply applies an object as kubectl would, in a namespace if it names none and its kind has one.
func (s *Stage) Apply(ctx context.Context, object *unstructured.Unstructured, namespace string) error {
	mapping, err := s.Client.RESTMapper().RESTMapping(schema.GroupKind{Group: object.GroupVersionKind().Group, Kind: object.GetKind()}, object.GroupVersionKind().Version)
	if err != nil {
		return fmt.Errorf("the kind of %s: %w", object.GetName(), err)
	}
	if object.GetNamespace() == "" && mapping.Scope.Name() == "namespace" {
		object.SetNamespace(namespace)
	}
	err = s.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object.DeepCopy()), client.FieldOwner("kubectl"))
	if err != nil {
		return fmt.Errorf("applying %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}
