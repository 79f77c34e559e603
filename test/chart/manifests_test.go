package chart

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/gantry-operator/gantry/test/apiserver"
)

// One file of manifests installs what kustomize does, and what it installs an API server takes: with server-side apply, and
// with `kubectl apply` too, which keeps a copy of each object in an annotation of limited size.
func TestInstallManifests(t *testing.T) {
	const product = "ghcr.io/gantry-operator/gantry:1.2.3"
	kubectl := tool(t, "kubectl")
	file := manifests(t, product)
	written, plain := read(t, file), kustomize(t)
	container(t, plain)["image"] = product
	var environment []any
	for _, variable := range container(t, plain)["env"].([]any) {
		if name := variable.(map[string]any)["name"]; name != "WORKSPACE_IMAGE" && name != "WORKSPACE_IMAGE_AGENT_PATH" {
			environment = append(environment, variable)
		}
	}
	container(t, plain)["env"] = environment
	if diff := cmp.Diff(plain, written); diff != "" {
		t.Errorf("the file (-kustomize +file):\n%s", diff)
	}

	server, _ := apiserver.Start(t, root)
	admin, err := server.AddUser(envtest.User{Name: "admin", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := admin.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, config, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, how := range [][]string{{"apply"}, {"apply", "--server-side"}, {"diff"}} {
		args := append(append([]string{"--kubeconfig", kubeconfig}, how...), "--filename", file)
		if said, err := exec.CommandContext(t.Context(), kubectl, args...).CombinedOutput(); err != nil {
			t.Fatalf("kubectl %s: %v\n%s", strings.Join(how, " "), err, said)
		}
	}
}

// A workspace image of one's own stands in the file, and a product image without a tag is refused.
func TestInstallManifestsOfImages(t *testing.T) {
	file := manifests(t, "registry.example:5000/gantry:1.2.3", "WORKSPACE_IMAGE=registry.example:5000/pulumi:3")
	var image any
	for _, variable := range container(t, read(t, file))["env"].([]any) {
		if variable.(map[string]any)["name"] == "WORKSPACE_IMAGE" {
			image = variable.(map[string]any)["value"]
		}
	}
	if image != "registry.example:5000/pulumi:3" {
		t.Errorf("the workspace image is %v", image)
	}
	for _, wrong := range []string{"registry.example:5000/gantry", "registry.example/gantry@sha256:12"} {
		if said, err := install(t, filepath.Join(t.TempDir(), "install.yaml"), wrong); err == nil || !strings.Contains(said, wrong) {
			t.Errorf("image %s: %v, without its name in what is said:\n%s", wrong, err, said)
		}
	}
}

// manifests writes the file for an image.
func manifests(t *testing.T, image string, environment ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "dist", "install.yaml")
	if said, err := install(t, file, image, environment...); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
		t.Errorf("beside the file there is something left: %v, %v", left, err)
	}
	return file
}

// install does what `make install.yaml` does.
func install(t *testing.T, file, image string, environment ...string) (said string, err error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(root, "make/install.sh"))
	command.Env = append(os.Environ(), append(environment, "KUBECTL="+tool(t, "kubectl"), "IMAGE="+image, "OUT="+file)...)
	output, err := command.CombinedOutput()
	return string(output), err
}

func read(t *testing.T, file string) objects {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(text))
}

// container is the manager's.
func container(t *testing.T, all objects) map[string]any {
	t.Helper()
	containers, found, err := unstructured.NestedFieldNoCopy(all[manager].Object, "spec", "template", "spec", "containers")
	if err != nil || !found {
		t.Fatalf("the Deployment has no containers: %v", err)
	}
	first, isMap := containers.([]any)[0].(map[string]any)
	if !isMap {
		t.Fatalf("the container is %T", containers)
	}
	return first
}
