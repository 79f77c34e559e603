package docs

import (
	"bytes"
	"encoding/json"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tool is a program of the project's, or of the machine. Without it nothing is proven.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, "bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if path, err = exec.LookPath(name); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("there is no %s to test with", name)
		}
		t.Skipf("NOT PROVEN: there is no %s; `make unit` has it", name)
	}
	return path
}

// accept runs a tool that has to accept something.
func accept(t *testing.T, b block, stdin, program string, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, args...)
	command.Stdin = strings.NewReader(stdin)
	home := t.TempDir()
	command.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%s: %s: %v\n%s", b, filepath.Base(program), err, output)
	}
}

// depend reads what a tool reads: go test takes a result from its cache as long as no file changed that a test has read.
func depend(t *testing.T, folder string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
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

// TestEveryBlockIsKnown shows that somebody looks at each block.
func TestEveryBlockIsKnown(t *testing.T) {
	_, problems := read(t)
	for _, problem := range problems {
		t.Error(problem)
	}
}

// each runs a check on the blocks that want it.
func each(t *testing.T, wanted func(block) bool, check func(block)) {
	t.Helper()
	count := 0
	for _, blocks := range pages(t) {
		for _, b := range blocks {
			if wanted(b) {
				count++
				check(b)
			}
		}
	}
	t.Logf("%d blocks", count)
}

func TestShellIsShell(t *testing.T) {
	made := targets(t)
	uses := regexp.MustCompile(`(?m)(?:^|[|;&]\s*)\s*(?:[A-Z_]+=\S+ )*make ([a-z0-9.-]*[a-z0-9])`)
	each(t, func(b block) bool { return b.language == "sh" }, func(b block) {
		accept(t, b, b.text, tool(t, "bash"), "-n")
		for _, match := range uses.FindAllStringSubmatch(b.text, -1) {
			if !made[match[1]] {
				t.Errorf("%s: there is no `make %s`", b, match[1])
			}
		}
	})
}

// targets are what can be asked of make.
func targets(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "make", "*.mk"))
	if err != nil {
		t.Fatal(err)
	}
	found, target := map[string]bool{}, regexp.MustCompile(`(?m)^([a-z0-9.-]+):`)
	for _, file := range append(files, filepath.Join(root, "Makefile")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range target.FindAllStringSubmatch(string(text), -1) {
			found[match[1]] = true
		}
	}
	return found
}

// TestMakeTargetsExist is about those that the text names.
func TestMakeTargetsExist(t *testing.T) {
	made, uses := targets(t), regexp.MustCompile("`make ([a-z0-9.-]*[a-z0-9])[^`]*`")
	for page := range pages(t) {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range uses.FindAllStringSubmatch(string(text), -1) {
			if !made[match[1]] {
				t.Errorf("%s: there is no `make %s`", page, match[1])
			}
		}
	}
}

func TestJSONAndGo(t *testing.T) {
	each(t, func(b block) bool { return b.language == "json" && b.as == "" }, func(b block) {
		if !json.Valid([]byte(b.text)) {
			t.Errorf("%s is no JSON", b)
		}
	})
	each(t, func(b block) bool { return b.language == "go" }, func(b block) {
		if _, err := parser.ParseFile(token.NewFileSet(), b.String(), b.text, parser.SkipObjectResolution); err != nil {
			t.Error(err)
		}
	})
}

func TestValues(t *testing.T) {
	chart := filepath.Join(root, "charts/gantry")
	depend(t, chart)
	each(t, func(b block) bool { return b.as == "values" }, func(b block) {
		accept(t, b, b.text, tool(t, "helm"), "template", "gantry", chart, "--namespace", "gantry-system", "--values", "-")
	})
}

func TestPrometheus(t *testing.T) {
	each(t, func(b block) bool { return b.as == "prometheus" }, func(b block) {
		file := filepath.Join(t.TempDir(), "prometheus.yaml")
		if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
			t.Fatal(err)
		}
		check := []string{"check", "config", "--syntax-only", file}
		if strings.HasPrefix(b.text, "groups:") {
			check = []string{"check", "rules", file}
		}
		accept(t, b, "", tool(t, "promtool"), check...)
	})
}

// TestKustomizations renders them with this repository in the place of the published one.
func TestKustomizations(t *testing.T) {
	depend(t, filepath.Join(root, "config"))
	published := regexp.MustCompile(`https://github\.com/gantry-operator/gantry//?([a-z/]+)(\?ref=[^\], \n]*)?`)
	each(t, func(b block) bool { return b.as == "kustomization" }, func(b block) {
		work, err := os.MkdirTemp(filepath.Join(root, "bin"), "kustomization-") //nolint:usetesting // kustomize takes relative paths only, within the repository
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(work)
		if strings.Contains(b.text, fluxComponents) {
			writeFluxComponents(t, work)
		}
		local := published.ReplaceAll([]byte(b.text), []byte("../../$1"))
		if err := os.WriteFile(filepath.Join(work, "kustomization.yaml"), bytes.TrimSpace(local), 0o600); err != nil {
			t.Fatal(err)
		}
		accept(t, b, "", tool(t, "kubectl"), "kustomize", work)
	})
}
