package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDockerfile is about what a builder would find, since there is none to run the page's command with: everything that is
// copied exists and is sent to the builder, all files of the programs are among it, and the Go is that of the module.
func TestDockerfile(t *testing.T) {
	text := func(name string) string {
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	dockerfile, sent := text("Dockerfile"), strings.Fields(text(".dockerignore"))
	var copied []string
	for _, match := range regexp.MustCompile(`(?m)^COPY ([^-].*) \S+$`).FindAllStringSubmatch(dockerfile, -1) {
		copied = append(copied, strings.Fields(match[1])...)
	}
	for _, path := range copied {
		if _, err := os.Stat(filepath.Join(root, path)); err != nil || !slices.Contains(sent, "!"+path) {
			t.Errorf("%s is copied, and is not there or not sent to the builder: %v", path, err)
		}
	}
	const all = `{{if .Module}}{{if .Module.Main}}{{$p := .ImportPath}}{{range .GoFiles}}{{$p}}/{{.}} {{end}}{{range .EmbedFiles}}{{$p}}/{{.}} {{end}}{{end}}{{end}}`
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", all, "./cmd/manager", "./cmd/agent")
	list.Dir = root
	files, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for file := range strings.FieldsSeq(string(files)) {
		path := strings.TrimPrefix(file, "github.com/gantry-operator/gantry/")
		if !slices.ContainsFunc(copied, func(folder string) bool { return strings.HasPrefix(path, folder+"/") }) {
			t.Errorf("the programs need %s, which is not copied", path)
		}
	}
	module := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(text("go.mod"))
	if len(copied) < 4 || len(files) == 0 || len(module) != 2 || !strings.Contains(dockerfile, " golang:"+module[1]+".") {
		t.Errorf("the Dockerfile copies %v and does not build with Go %v", copied, module)
	}
}
