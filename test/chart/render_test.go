// Package chart owns the proof that Gantry's Helm chart does what it says: the same as config/ by default, what PKO's values
// mean, and a word with the value's name for what is wrong. It renders with the real Helm and the real kustomize.
package chart

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const (
	root      = "../.."
	namespace = "gantry-system"
)

// objects are by kind and name.
type objects map[string]*unstructured.Unstructured

// tool is a program of the project's. Without it nothing is proven.
func tool(t *testing.T, name string) string {
	t.Helper()
	depend(t)
	path, err := filepath.Abs(filepath.Join(root, "bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("there is no %s to test with: %v", name, err)
		}
		t.Skipf("NOT PROVEN: there is no %s, so nothing is rendered; run make bin/%s", path, name)
	}
	return path
}

// depend reads what a tool renders: go test takes a result from its cache as long as no file changed that a test has read.
func depend(t *testing.T) {
	t.Helper()
	for _, dir := range []string{"charts/gantry", "config", "make"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			_, err = os.ReadFile(path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// helm runs Helm on the chart.
func helm(t *testing.T, args ...string) (output, complaint string, err error) {
	t.Helper()
	home := t.TempDir()
	command := exec.CommandContext(t.Context(), tool(t, "helm"), args...)
	command.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err = command.Run()
	return stdout.String(), stderr.String(), err
}

// template renders the chart of a release named gantry.
func template(t *testing.T, args ...string) objects {
	t.Helper()
	output, complaint, err := helm(t, append([]string{"template", "gantry", filepath.Join(root, "charts/gantry"), "--namespace", namespace}, args...)...)
	if err != nil {
		t.Fatalf("helm template: %v\n%s", err, complaint)
	}
	return parse(t, output)
}

// kustomize renders what `kubectl apply -k config/default` installs.
func kustomize(t *testing.T) objects {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), tool(t, "kubectl"), "kustomize", filepath.Join(root, "config/default")).Output()
	if err != nil {
		t.Fatalf("kubectl kustomize: %v", err)
	}
	return parse(t, string(output))
}

func parse(t *testing.T, text string) objects {
	t.Helper()
	all := objects{}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewBufferString(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(object.Object) == 0 {
			continue
		}
		key := object.GetKind() + " " + object.GetName()
		if all[key] != nil {
			t.Errorf("there are two of %s", key)
		}
		all[key] = object
	}
}

// as reads an object as its Go type.
func as[T any](t *testing.T, all objects, key string) *T {
	t.Helper()
	object := all[key]
	if object == nil {
		t.Fatalf("there is no %s", key)
	}
	typed := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed); err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return typed
}
