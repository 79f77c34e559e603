package compat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/source/program"
	"github.com/gantry-operator/gantry/internal/source/program/programtest"
)

// written is a program of the test data as a person would write it into a Pulumi.yaml: with neither comments nor anchors,
// which kubectl takes for what they name and the language refuses.
func written(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/programs", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	anchor := regexp.MustCompile(`&anchor (.*)`).FindSubmatch(text)
	if anchor != nil {
		text = bytes.Replace(text, []byte("&anchor "), nil, 1)
		text = bytes.ReplaceAll(text, []byte("*anchor"), anchor[1])
	}
	return fmt.Appendf(text, "name: p\nruntime: yaml\n")
}

// kept is the project that the manager makes of a program of the test data, which the API server has had in between.
func kept(t *testing.T, name string) []byte {
	t.Helper()
	c, namespace := connect(t)
	text, err := os.ReadFile(filepath.Join("testdata/programs", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	manifest := "apiVersion: pulumi.com/v1\nkind: Program\nmetadata: {name: p}\nprogram:\n  " + strings.ReplaceAll(string(text), "\n", "\n  ")
	create(t.Context(), t, c, object(t, namespace, manifest))
	object := &pulumiv1.Program{}
	get(t, c, types.NamespacedName{Namespace: namespace, Name: "p"}, object)
	project, err := program.Project(object)
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// Of the language's keys and values none is lost on the way.
func TestEveryKeyOfTheLanguageIsKept(t *testing.T) {
	for _, name := range []string{"every-key", "running"} {
		t.Run(name, func(t *testing.T) {
			want, err := programtest.Understood(written(t, name))
			if err != nil {
				t.Fatal(err)
			}
			project := kept(t, name)
			got, err := programtest.Understood(project)
			if err != nil {
				t.Fatalf("%v in:\n%s", err, project)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-written +kept:\n%s", diff)
			}
		})
	}
}

// A program that is run through an object does what it does when it is run from a file.
func TestAProgramRunsAsItIsWritten(t *testing.T) {
	bin, err := filepath.Abs(filepath.Join(repository, "bin"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pulumi", "pulumi-language-yaml", "doubles/pulumi-resource-testing"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("there is no Pulumi to test with: %v", err)
			}
			t.Skipf("NOT TESTED: there is no Pulumi to test with (%v); run make tools", err)
		}
	}
	direct, through := deploy(t, bin, written(t, "running")), deploy(t, bin, kept(t, "running"))
	if diff := cmp.Diff(direct, through); diff != "" {
		t.Errorf("state, -from a file +from an object:\n%s", diff)
	}
	for _, want := range []string{`"a-on-1e3-0o14"`, `"replaceOnChanges"`, `"retainOnDelete": true`, `"hideDiff"`, `"replacementTrigger"`} {
		if !strings.Contains(through, want) {
			t.Errorf("%s is not in the state", want)
		}
	}
}

// deploy previews and applies a project by the real CLI, and gives the state without what differs each time.
func deploy(t *testing.T, bin string, project []byte) string {
	t.Helper()
	dir, state := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), project, 0o600); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	run := func(args ...string) []byte {
		t.Helper()
		command := exec.CommandContext(t.Context(), filepath.Join(bin, "pulumi"), append(args, "--non-interactive")...)
		command.Dir = dir
		command.Env = []string{
			"PATH=" + bin + ":" + filepath.Join(bin, "doubles") + ":" + os.Getenv("PATH"), "HOME=" + home, "PULUMI_HOME=" + home,
			"PULUMI_BACKEND_URL=file://" + state, "PULUMI_CONFIG_PASSPHRASE=test", "PULUMI_SKIP_UPDATE_CHECK=true",
		}
		var out, failure bytes.Buffer
		command.Stdout, command.Stderr = &out, &failure
		if err := command.Run(); err != nil {
			t.Fatalf("pulumi %s: %v\n%s\n%s", args[0], err, out.Bytes(), failure.Bytes())
		}
		return out.Bytes()
	}
	run("stack", "init", "dev")
	run("preview")
	run("up", "--yes", "--skip-preview")
	exported := struct {
		Deployment struct {
			Resources []map[string]any `json:"resources"`
		} `json:"deployment"`
	}{}
	if err := json.Unmarshal(run("stack", "export", "--show-secrets"), &exported); err != nil {
		t.Fatal(err)
	}
	for _, resource := range exported.Deployment.Resources {
		for _, passing := range []string{"created", "modified", "sourcePosition", "stackTrace"} {
			delete(resource, passing)
		}
	}
	// Resources that do not wait for each other come in any order.
	slices.SortFunc(exported.Deployment.Resources, func(a, b map[string]any) int {
		return strings.Compare(fmt.Sprint(a["urn"]), fmt.Sprint(b["urn"]))
	})
	text, err := json.MarshalIndent(exported.Deployment.Resources, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).ReplaceAllString(string(text), "<uuid>")
}
