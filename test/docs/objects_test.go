package docs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/gantry-operator/gantry/test/apiserver"
)

// minimal are the least that an object of a kind can be, for blocks that are a part of one.
func minimal() map[string]string {
	return map[string]string{
		"Stack":      "{apiVersion: pulumi.com/v1, kind: Stack, metadata: {name: part}, spec: {stack: dev}}",
		"Program":    "{apiVersion: pulumi.com/v1, kind: Program, metadata: {name: part}, program: {}}",
		"Workspace":  "{apiVersion: auto.pulumi.com/v1alpha1, kind: Workspace, metadata: {name: part}, spec: {}}",
		"Update":     "{apiVersion: auto.pulumi.com/v1alpha1, kind: Update, metadata: {name: part}, spec: {}}",
		"Deployment": "{apiVersion: apps/v1, kind: Deployment, metadata: {name: part}, spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: manager, image: manager}]}}}}",
	}
}

// objects reads the objects of a block.
func (b block) objects() ([]*unstructured.Unstructured, error) {
	if b.as == "part" {
		object, err := b.whole()
		return []*unstructured.Unstructured{object}, err
	}
	var all []*unstructured.Unstructured
	reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(b.text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		object := &unstructured.Unstructured{}
		if err == nil {
			err = yaml.UnmarshalStrict(document, &object.Object)
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s: %w", b, err)
		case len(bytes.TrimSpace(document)) > 0 && (object.GetKind() == "" || object.GetAPIVersion() == ""):
			return nil, fmt.Errorf("%s: YAML without a kind and an apiVersion: a comment has to say what it is", b)
		case len(object.Object) > 0:
			all = append(all, object)
		}
	}
}

// whole is the object that a block is a part of.
func (b block) whole() (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	text, known := minimal()[b.kind]
	if !known {
		return nil, fmt.Errorf("%s: nobody knows the least that a %s can be", b, b.kind)
	}
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		return nil, err
	}
	part := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(b.text), &part); err != nil {
		return nil, fmt.Errorf("%s: %w", b, err)
	}
	for key, value := range part {
		path := append(strings.Split(b.path, "."), key)
		if err := unstructured.SetNestedField(object.Object, value, path...); err != nil {
			return nil, fmt.Errorf("%s: %w", b, err)
		}
	}
	return object, nil
}

// TestObjects has an API server look at the objects of all blocks: an unknown field, a value twice and what breaks a rule of a
// definition are refused.
func TestObjects(t *testing.T) {
	definitions := []string{"config/crd/bases", "bin/flux-crds", "bin/argocd-manifests/application-crd.yaml", fluxDefinitions(t)}
	_, config := apiserver.Start(t, root, definitions...)
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	wrongObjectsAreFound(t, c)
	each(t, func(b block) bool {
		return b.language == "yaml" && (b.as == "" || b.as == "part")
	}, func(b block) {
		objects, err := b.objects()
		if err != nil {
			t.Error(err)
		}
		for _, object := range objects {
			if err := dryRun(t.Context(), c, object); err != nil {
				t.Errorf("%s: %s %s: %v", b, object.GetKind(), object.GetName(), err)
			}
		}
	})
}

// dryRun asks the API server what it thinks of an object.
func dryRun(ctx context.Context, c client.Client, object *unstructured.Unstructured) error {
	kind := object.GroupVersionKind()
	mapping, err := c.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		return fmt.Errorf("the kind is not known here: give the test its definition: %w", err)
	}
	if err != nil {
		return err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		if object.GetNamespace() == "" {
			object.SetNamespace("default")
		}
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: object.GetNamespace()}}
		if err := c.Create(ctx, namespace); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	err = c.Create(ctx, object, client.DryRunAll, client.FieldValidation("Strict"))
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// wrongObjectsAreFound shows that what is wrong with a block is found.
func wrongObjectsAreFound(t *testing.T, c client.Client) {
	t.Helper()
	spec := directive{as: "part", kind: "Stack", path: "spec"}
	cases := map[string]struct {
		block block
		wrong string
	}{
		"Right":        {block: block{directive: spec, text: "refresh: true"}},
		"UnknownField": {block: block{directive: spec, text: "refesh: true"}, wrong: `unknown field "spec.refesh"`},
		"Rule":         {block: block{directive: spec, text: "workspaceReclaimPolicy: Never"}, wrong: "Unsupported value"},
		"Twice":        {block: block{directive: spec, text: "refresh: true\nrefresh: true"}, wrong: "already set"},
		"NoKind":       {block: block{text: "refresh: true"}, wrong: "without a kind"},
		"UnknownKind":  {block: block{text: "{apiVersion: example.com/v1, kind: Thing, metadata: {name: a}}"}, wrong: "is not known here"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			objects, err := tc.block.objects()
			for _, object := range objects {
				if err == nil {
					err = dryRun(t.Context(), c, object)
				}
			}
			if (err == nil) != (tc.wrong == "") || err != nil && !strings.Contains(err.Error(), tc.wrong) {
				t.Errorf("it says %v, want %q", err, tc.wrong)
			}
		})
	}
}

// TestManifestsThatPagesNameExist is about paths of the repository in the text.
func TestManifestsThatPagesNameExist(t *testing.T) {
	for page := range pages(t) {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		for word := range strings.FieldsFuncSeq(string(text), func(r rune) bool { return strings.ContainsRune(" `\n()[]|,;:\"'", r) }) {
			path, isPath := strings.CutPrefix(word, "config/")
			if _, err := os.Stat(filepath.Join(root, "config", strings.TrimRight(path, "."))); isPath && err != nil && !strings.Contains(path, "*") {
				t.Errorf("%s names %s, which is not there", page, word)
			}
		}
	}
}
