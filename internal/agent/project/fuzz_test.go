package project_test

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-operator/gantry/internal/agent/project"
)

// Whatever an archive holds, nothing outside of its directory is made, changed or removed, and what is inside keeps to the
// limits.
func FuzzUnpack(f *testing.F) {
	link := func(name, target string) entry { return entry{name: name, kind: tar.TypeSymlink, link: target} }
	hard := func(name, target string) entry { return entry{name: name, kind: tar.TypeLink, link: target} }
	for _, entries := range [][]entry{
		{{name: "a/b", text: "x"}, link("l", "a"), {name: "l/c", text: "y"}},
		{{name: "../evil", text: "x"}}, {{name: "/evil", text: "x"}}, {{name: "a/../../evil", text: "x"}},
		{link("up", ".."), {name: "up/evil", text: "x"}}, {link("up", ".."), {name: "up/secret", text: "x"}},
		{link("s", "../secret"), {name: "s", text: "x"}}, {hard("h", "../secret"), {name: "h", text: "x"}},
		{link("s", "../secret"), hard("h", "s"), {name: "h", text: "x"}},
		{{name: "d", kind: tar.TypeDir}, link("d/up", "../.."), link("e", "d/up"), {name: "e/evil", text: "x"}},
		{link("loop", "loop"), {name: "loop/x", text: "x"}}, {{name: "pipe", kind: tar.TypeFifo}, {name: "null", kind: tar.TypeChar}},
		{{name: strings.Repeat("d/", 300) + "f", text: "x"}}, {{name: "-rf", text: "x"}, {name: "a\x01\n", text: "x"}},
		{{name: "f", text: "x"}, {name: "f/g", text: "x"}}, {{name: "big", text: strings.Repeat("x", 1025)}}, manyEntries(9),
	} {
		f.Add(archive(f, entries...).Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		outer := t.TempDir()
		dir, secret := filepath.Join(outer, "inner"), filepath.Join(outer, "secret")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(secret, []byte("s"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := project.Unpack(bytes.NewReader(data), dir, limits())
		if text, readErr := os.ReadFile(secret); string(text) != "s" || readErr != nil {
			t.Errorf("the file beside it is %q (%v)", text, readErr)
		}
		if left, readErr := os.ReadDir(outer); readErr != nil || len(left) != 2 {
			t.Errorf("beside it are %v (%v)", left, readErr)
		}
		var size int64
		walkErr := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err == nil && info.Mode().IsRegular() {
				size += info.Size()
			}
			if err == nil && info.Mode()&(fs.ModeDevice|fs.ModeNamedPipe|fs.ModeSetuid|fs.ModeSetgid) != 0 {
				t.Errorf("%q has the mode %s", path, info.Mode())
			}
			return err
		})
		if walkErr != nil {
			t.Error(walkErr)
		}
		// Each of a file's names counts here, and one of them for the limit.
		if size > limits().Bytes*int64(limits().Files) {
			t.Errorf("%d bytes (%v)", size, err)
		}
	})
}
