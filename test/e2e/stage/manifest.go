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
		reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
		for {
			document, err := reader.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			object := &unstructured.Unstructured{}
			if err == nil {
				err = yaml.Unmarshal(document, &object.Object)
			}
			if err != nil {
				return nil, fmt.Errorf("reading the manifests in %s: %w", file, err)
			}
			if len(object.Object) > 0 {
				all = append(all, object)
			}
		}
	}
	return all, nil
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
