package docs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// fluxComponents is the file in which Flux has its controllers and their definitions.
const fluxComponents = "gotk-components.yaml"

// kustomize renders a directory.
func kustomize(t *testing.T, folder string) []byte {
	t.Helper()
	command := exec.CommandContext(t.Context(), tool(t, "kubectl"), "kustomize", folder)
	var problem bytes.Buffer
	command.Stderr = &problem
	rendered, err := command.Output()
	if err != nil {
		t.Fatalf("kubectl kustomize %s: %v\n%s", folder, err, problem.String())
	}
	return rendered
}

// writeFluxComponents writes that file, with the notification controller alone.
func writeFluxComponents(t *testing.T, folder string) {
	t.Helper()
	tool(t, "notification-manifests")
	if err := os.WriteFile(filepath.Join(folder, fluxComponents), kustomize(t, "testdata/flux"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// fluxDefinitions are those of Flux's notification controller as the page has them changed, in a directory below the root.
func fluxDefinitions(t *testing.T) string {
	t.Helper()
	page := pages(t)[fluxPage]
	i := slices.IndexFunc(page, func(b block) bool { return b.as == "kustomization" })
	if i < 0 {
		t.Fatalf("%s does not change the definitions of Flux", fluxPage)
	}
	work := t.TempDir()
	writeFluxComponents(t, work)
	if err := os.WriteFile(filepath.Join(work, "kustomization.yaml"), []byte(page[i].text), 0o600); err != nil {
		t.Fatal(err)
	}
	rendered := filepath.Join(t.TempDir(), "rendered.yaml")
	if err := os.WriteFile(rendered, kustomize(t, work), 0o600); err != nil {
		t.Fatal(err)
	}
	objects, err := stage.Manifests(rendered)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, object := range objects {
		if object.GetKind() != "CustomResourceDefinition" {
			continue
		}
		text, err := yaml.Marshal(object.Object)
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, object.GetName()+".yaml"), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return belowRoot(t, folder)
}

// belowRoot is a path as it is from the root of the repository.
func belowRoot(t *testing.T, path string) string {
	t.Helper()
	from, err := filepath.Abs(root)
	if err == nil {
		path, err = filepath.Rel(from, path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}
