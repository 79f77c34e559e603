// Package release owns the proof that a release is made, published and what was downloaded of it verified by the commands of
// the pages, and that its programs run where they are made for. What is in a release is looked at by the tests of test/tools/sbom.
package release

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gantry-operator/gantry/test/docs"
)

// published is the version that the page speaks of.
const published = "0.1.0"

// TestRelease makes a release in each of two checkouts, and leaves both for others to look at.
func TestRelease(t *testing.T) {
	folder, version := os.Getenv("GANTRY_RELEASES"), os.Getenv("GANTRY_RELEASE_VERSION")
	if folder == "" {
		t.Skip("NOT PROVEN: no release is made; run make release-check")
	}
	commands := docs.RunBy(t, "docs/releasing.md")
	if len(commands) != 3 {
		t.Fatalf("the page has %d blocks to make a release, to push it and to verify one, want 3", len(commands))
	}
	release, push, verify := strings.ReplaceAll(commands[0], published, version), commands[1], commands[2]
	for _, name := range []string{"one", "two"} {
		checkout := filepath.Join(folder, name)
		must(t, "../..", "make/checkout.sh "+checkout)
		must(t, checkout, release)
	}
	one := released{checkout: filepath.Join(folder, "one"), version: version}
	one.publish(t, push, docs.RunBy(t, "docs/install.md"))
	one.runs(t)
	downloaded := t.TempDir()
	for _, name := range []string{"install.yaml", "SHA256SUMS"} {
		text, err := os.ReadFile(one.file(name))
		if err == nil {
			err = os.WriteFile(filepath.Join(downloaded, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	must(t, downloaded, verify)
	if err := os.WriteFile(filepath.Join(downloaded, "install.yaml"), []byte("kind: Surprise\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := bash(t, downloaded, verify); err == nil {
		t.Errorf("another file is taken for the released one:\n%s", said)
	}
}

// must runs commands that have to succeed.
func must(t *testing.T, folder, commands string, environment ...string) string {
	t.Helper()
	said, err := bash(t, folder, commands, environment...)
	if err != nil {
		t.Fatalf("%v:\n%s\nand printed\n%s", err, commands, said)
	}
	return said
}

// bash runs commands as they are run by a person, who was not called by make.
func bash(t *testing.T, folder, commands string, environment ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", commands)
	command.Dir = folder
	command.Env = append(slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "MAKE") || strings.HasPrefix(variable, "MFLAGS=") || strings.HasPrefix(variable, "VERSION=")
	}), environment...)
	said, err := command.CombinedOutput()
	return string(said), err
}
