package compat

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// PKO's own example has a field that PKO's own definition does not know, which kubectl refuses for both.
const (
	staleField   = "    revision: "
	currentField = "    ref: "
)

func TestPublishedManifestsAreAccepted(t *testing.T) {
	dir := referenceDir(t, "manifests")
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests in %s (error %v)", dir, err)
	}
	accepted := map[string]int{}
	for _, file := range files {
		t.Run(strings.TrimPrefix(file, dir+"/"), func(t *testing.T) {
			c, namespace := connect(t)
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all, err := objects(strings.NewReader(strings.ReplaceAll(string(data), staleField, currentField)))
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range all {
				group := one.GroupVersionKind().Group
				if group != "pulumi.com" && group != "auto.pulumi.com" {
					t.Logf("passed over %s %s: its kind is not ours", one.GetKind(), one.GetName())
					continue
				}
				one.SetNamespace(namespace)
				given := one.DeepCopy()
				kept := create(t.Context(), t, c, one)
				for _, field := range []string{"spec", "program"} {
					within(t, one.GetKind()+" "+field, given.Object[field], kept.Object[field])
				}
				accepted[one.GetKind()]++
			}
		})
	}
	if server == nil {
		return
	}
	for _, kind := range []string{"Stack", "Program", "Workspace"} {
		if accepted[kind] == 0 {
			t.Errorf("no %s was created", kind)
		}
	}
}

// within fails the test where something that was given was not kept.
func within(t *testing.T, path string, given, kept any) {
	t.Helper()
	switch g := given.(type) {
	case map[string]any:
		k, ok := kept.(map[string]any)
		if !ok {
			t.Errorf("%s: given as an object, kept as %v", path, kept)
		}
		for name := range g {
			within(t, path+"."+name, g[name], k[name])
		}
	case []any:
		k, ok := kept.([]any)
		if !ok || len(k) != len(g) {
			t.Errorf("%s: given %d items, kept %v", path, len(g), kept)
			return
		}
		for i := range g {
			within(t, path+"[]", g[i], k[i])
		}
	default:
		if encoded(t, given) != encoded(t, kept) {
			t.Errorf("%s: given %v, kept %v", path, given, kept)
		}
	}
}

func TestStaleFieldIsRefused(t *testing.T) {
	c, namespace := connect(t)
	err := c.Create(t.Context(), object(t, namespace, `
apiVersion: auto.pulumi.com/v1alpha1
kind: Workspace
metadata: {name: stale}
spec: {git: {url: "https://example.com/a.git", revision: main}}`))
	refused(t, err, `unknown field "spec.git.revision"`)
}

// Client-side apply keeps the whole manifest in an annotation, and the server limits what annotations hold.
func TestDefinitionsTakeTheAnnotationOfClientSideApply(t *testing.T) {
	c, _ := connect(t)
	files, err := filepath.Glob(filepath.Join(repository, "config/crd/bases", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		manifest := object(t, "", string(data))
		installed := &unstructured.Unstructured{}
		installed.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(manifest), installed); err != nil {
			t.Fatal(err)
		}
		before := installed.DeepCopy()
		installed.SetAnnotations(map[string]string{"kubectl.kubernetes.io/last-applied-configuration": encoded(t, manifest.Object)})
		if err := c.Patch(t.Context(), installed, client.MergeFrom(before)); err != nil {
			t.Errorf("annotate %s: %v", manifest.GetName(), err)
		}
	}
}
