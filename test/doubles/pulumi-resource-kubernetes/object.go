package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/gantry-operator/gantry/test/doubles/provider"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// kind is what the provider knows of a resource type.
type kind struct {
	name       string
	resource   schema.GroupVersionResource
	namespaced bool
}

// kindOf finds a URN's kind.
func kindOf(urn string) (kind, error) {
	core := schema.GroupVersion{Version: "v1"}
	switch {
	case strings.Contains(urn, "kubernetes:core/v1:Namespace::"):
		return kind{name: "Namespace", resource: core.WithResource("namespaces")}, nil
	case strings.Contains(urn, "kubernetes:core/v1:ConfigMap::"):
		return kind{name: "ConfigMap", resource: core.WithResource("configmaps"), namespaced: true}, nil
	case strings.Contains(urn, "kubernetes:apps/v1:Deployment::"):
		apps := schema.GroupVersion{Group: "apps", Version: "v1"}
		return kind{name: "Deployment", resource: apps.WithResource("deployments"), namespaced: true}, nil
	default:
		return kind{}, fmt.Errorf("this stand-in does not know the type of %s", urn)
	}
}

// at is where objects of the kind are, in a namespace if the kind has one.
func (k kind) at(client dynamic.Interface, namespace string) dynamic.ResourceInterface {
	if k.namespaced {
		return client.Resource(k.resource).Namespace(namespace)
	}
	return client.Resource(k.resource)
}

// complete fills in what a program may leave out. A name that is left out is the resource's, with a
// suffix; it stays what it was before.
func (k kind) complete(inputs, olds map[string]any, resource, namespace string) (map[string]any, error) {
	object := &unstructured.Unstructured{Object: inputs}
	object.SetAPIVersion(k.resource.GroupVersion().String())
	object.SetKind(k.name)
	metadata, given := inputs["metadata"].(map[string]any)
	if !given {
		metadata = map[string]any{}
		inputs["metadata"] = metadata
	}
	if k.namespaced && metadata["namespace"] == nil {
		metadata["namespace"] = namespace
	}
	if metadata["name"] != nil {
		return inputs, nil
	}
	if _, before := splitID(k.identity(olds)); strings.HasPrefix(before, resource+"-") {
		metadata["name"] = before
		return inputs, nil
	}
	suffix := make([]byte, 4)
	if _, err := rand.Read(suffix); err != nil {
		return nil, fmt.Errorf("naming %s: %w", resource, err)
	}
	metadata["name"] = resource + "-" + hex.EncodeToString(suffix)
	return inputs, nil
}

// identity is what makes an object another one.
func (k kind) identity(inputs map[string]any) string {
	metadata, given := inputs["metadata"].(map[string]any)
	if !given {
		return ""
	}
	return idOf(provider.Text(metadata, "namespace"), provider.Text(metadata, "name"))
}

// idOf is the resource's ID.
func idOf(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

// splitID is the reverse of idOf.
func splitID(id string) (namespace, name string) {
	if before, after, found := strings.Cut(id, "/"); found {
		return before, after
	}
	return "", id
}

// known tells whether a value has nothing in it that only a later step will know.
func known(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		for _, inner := range v {
			if !known(inner) {
				return false
			}
		}
	case []any:
		for _, inner := range v {
			if !known(inner) {
				return false
			}
		}
	case string:
		return v != provider.Unknown
	}
	return true
}
