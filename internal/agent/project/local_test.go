package project_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gantry-operator/gantry/internal/agent/project"
	"github.com/gantry-operator/gantry/internal/operation"
)

// mounted is a directory as kubelet mounts a ConfigMap: its files are links into a directory that is swapped.
func mounted(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	swap(t, dir, "one", "name: first\nruntime: yaml\n")
	if err := os.Symlink("..data/Pulumi.yaml", filepath.Join(dir, "Pulumi.yaml")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// swap puts another project file into a mounted directory.
func swap(t *testing.T, dir, version, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, ".."+version), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".."+version, "Pulumi.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(".."+version, filepath.Join(dir, "..new")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
}

func TestLocalDirectoryThatCannotBeWritten(t *testing.T) {
	share, source := t.TempDir(), mounted(t)
	w := &project.Workspace{
		Fetcher: &project.Fetcher{Dir: filepath.Join(share, "source"), Patience: time.Second, Log: slog.New(slog.DiscardHandler)},
		Link:    filepath.Join(share, "workspace"), Made: filepath.Join(share, "made"),
		Writable: func(dir string) bool { return dir != source },
	}
	prepare := func(want string) *project.Project {
		t.Helper()
		got, err := w.Prepare(t.Context(), &operation.Source{From: &operation.Source_Local{Local: source}})
		if err != nil {
			t.Fatal(err)
		}
		if name := got.Settings.Name.String(); name != want {
			t.Errorf("the project is %s, want %s", name, want)
		}
		return got
	}
	first := prepare("first")
	settings := filepath.Join(first.Dir, "Pulumi.dev.yaml")
	if err := os.WriteFile(settings, []byte("config: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(source, "Pulumi.dev.yaml")); !os.IsNotExist(err) {
		t.Errorf("the settings are in the source itself (%v)", err)
	}
	// As long as nothing changes, the copy is the same, with what was written there.
	if again := prepare("first"); again.Source != first.Source {
		t.Errorf("the source is %s, then %s", first.Source, again.Source)
	}
	if _, err := os.Stat(settings); err != nil {
		t.Error(err)
	}
	for _, version := range []string{"second", "third"} {
		swap(t, source, version, "name: "+version+"\nruntime: yaml\n")
		prepare(version)
	}
	if kept, err := os.ReadDir(filepath.Join(share, "source")); err != nil || len(kept) != 2 {
		t.Errorf("%d copies are on the disk (%v), want the newest and the one before", len(kept), err)
	}
}

func TestLocalDirectoryThatCanBeWritten(t *testing.T) {
	share, source := t.TempDir(), mounted(t)
	w := &project.Workspace{
		Fetcher: &project.Fetcher{Dir: filepath.Join(share, "source")}, Link: filepath.Join(share, "workspace"),
		Writable: func(string) bool { return true },
	}
	if _, err := w.Prepare(t.Context(), &operation.Source{From: &operation.Source_Local{Local: source}}); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(w.Link); err != nil || target != source {
		t.Errorf("the workspace is %s (%v), want the directory itself", target, err)
	}
}
