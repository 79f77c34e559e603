package docs

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDockerfile is about what a builder would find, since there is none here: everything that is
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

// TestPluginsInAnImage runs the commands of the pages' Dockerfiles with the CLI made here, which downloads from a server on the
// loopback.
func TestPluginsInAnImage(t *testing.T) {
	cli := tool(t, "pulumi")
	plugin := regexp.MustCompile(`^/pulumi-resource-([a-z]+)-(v[0-9.]+)-[a-z0-9]+-[a-z0-9]+\.tar\.gz$`)
	var downloaded []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		match := plugin.FindStringSubmatch(r.URL.Path)
		if match == nil {
			http.NotFound(w, r)
			return
		}
		downloaded = append(downloaded, match[1]+" "+match[2])
		archive(t, w, "pulumi-resource-"+match[1], "#!/bin/sh\n")
	}))
	defer server.Close()
	each(t, func(b block) bool { return b.language == "dockerfile" }, func(b block) {
		first, rest, _ := strings.Cut(b.text, "\n")
		if !strings.HasPrefix(first, "FROM pulumi/pulumi:") {
			t.Errorf("%s begins with %q", b, first)
		}
		home := t.TempDir()
		for line := range strings.Lines(rest) {
			run, ok := strings.CutPrefix(line, "RUN ")
			if !ok {
				t.Errorf("%s: nobody knows how to try %q", b, line)
				continue
			}
			command := exec.CommandContext(t.Context(), "sh", "-euc", run)
			command.Env = []string{
				"PATH=" + filepath.Dir(cli) + ":" + os.Getenv("PATH"), "PULUMI_HOME=" + home, "PULUMI_SKIP_UPDATE_CHECK=true",
				"PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES=.*=" + server.URL,
			}
			if said, err := command.CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v\n%s", b, run, err, said)
			}
		}
		for _, name := range downloaded {
			if made, err := filepath.Glob(filepath.Join(home, "plugins", "resource-"+strings.ReplaceAll(name, " ", "-"), "pulumi-*")); err != nil || len(made) != 1 {
				t.Errorf("%s: plugin %s is not in the image: %v, %v", b, name, made, err)
			}
		}
	})
	if diff := cmp.Diff([]string{"aws v7.8.0", "kubernetes v4.23.0"}, downloaded); diff != "" {
		t.Errorf("the plugins that were downloaded (-want +got):\n%s", diff)
	}
}

// archive writes a compressed archive of one program.
func archive(t *testing.T, to io.Writer, name, text string) {
	t.Helper()
	packed := gzip.NewWriter(to)
	files := tar.NewWriter(packed)
	err := files.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))})
	if err == nil {
		_, err = io.WriteString(files, text)
	}
	if err := errors.Join(err, files.Close(), packed.Close()); err != nil {
		t.Error(err)
	}
}
