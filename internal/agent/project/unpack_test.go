package project_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-operator/gantry/internal/agent/project"
)

// entry is one entry of an archive.
type entry struct {
	name string
	kind byte
	link string
	text string
	mode int64
	// claims is a size that the content does not have.
	claims int64
}

func archive(tb testing.TB, entries ...entry) *bytes.Buffer {
	tb.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	w := tar.NewWriter(zipped)
	for _, e := range entries {
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		header := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Size: max(int64(len(e.text)), e.claims), Mode: e.mode}
		if err := w.WriteHeader(header); err != nil {
			tb.Fatal(err)
		}
		if e.claims > 0 {
			if err := zipped.Close(); err != nil {
				tb.Fatal(err)
			}
			return &out
		}
		if _, err := w.Write([]byte(e.text)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		tb.Fatal(err)
	}
	return &out
}

func limits() project.Limits { return project.Limits{Bytes: 1 << 10, Files: 8} }

func TestUnpackKeepsEverythingInside(t *testing.T) {
	cases := map[string]struct {
		reason  string
		entries []entry
	}{
		"ParentPath":   {"a name may not climb", []entry{{name: "../evil", text: "x"}}},
		"HiddenParent": {"nor later on", []entry{{name: "a/../../evil", text: "x"}}},
		"Absolute":     {"nor start at the root", []entry{{name: "/evil", text: "x"}}},
		"ThroughLink": {"a link may not lead a file out", []entry{
			{name: "out", kind: tar.TypeSymlink, link: ".."}, {name: "out/evil", text: "x"},
		}},
		"OverLink": {"nor be written through", []entry{
			{name: "evil", kind: tar.TypeSymlink, link: "../evil"}, {name: "evil", text: "x"},
		}},
		"LinkChain": {"nor with the help of others", []entry{
			{name: "a", kind: tar.TypeDir}, {name: "a/up", kind: tar.TypeSymlink, link: ".."},
			{name: "b", kind: tar.TypeSymlink, link: "a/up/.."}, {name: "b/evil", text: "x"},
		}},
		"HardLink": {"a hard link is no way out", []entry{{name: "evil", kind: tar.TypeLink, link: "../secret"}}},
		"TooLarge": {"a bomb is cut short", []entry{{name: "big", text: strings.Repeat("x", 1025)}}},
		"TooMany":  {"so are many files", manyEntries(9)},
		"Sparse":   {"a size that is only claimed counts", []entry{{name: "big", text: "x", kind: tar.TypeReg, claims: 1 << 40}}},
		"Deep":     {"and directories without end", []entry{{name: strings.Repeat("d/", 5000) + "f", text: "x"}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			outer := t.TempDir()
			dir := filepath.Join(outer, "inner")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(outer, "secret"), []byte("s"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := project.Unpack(archive(t, tc.entries...), dir, limits()); err == nil {
				t.Errorf("%s, but there was no error", tc.reason)
			}
			if left, err := os.ReadDir(outer); err != nil || len(left) != 2 {
				t.Errorf("%s, but beside it are %v (%v)", tc.reason, left, err)
			}
		})
	}
}

func manyEntries(n int) (entries []entry) {
	for i := range n {
		entries = append(entries, entry{name: string(rune('a' + i)), text: "x"})
	}
	return entries
}

func TestUnpackKeepsWhatAProgramNeeds(t *testing.T) {
	dir := t.TempDir()
	err := project.Unpack(archive(t,
		entry{name: "./", kind: tar.TypeDir},
		entry{name: "app/run.sh", text: "#!/bin/sh\n", mode: 0o755},
		entry{name: "app/data", text: "d", mode: 0o666},
		entry{name: "link", kind: tar.TypeSymlink, link: "app/data"},
		entry{name: "device", kind: tar.TypeChar},
	), dir, limits())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{"app/run.sh": 0o755, "app/data": 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", name, info.Mode().Perm(), want)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "link")); err != nil || string(text) != "d" {
		t.Errorf("the link leads to %q (%v)", text, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "device")); !os.IsNotExist(err) {
		t.Errorf("a device was made (%v)", err)
	}
}

func TestUnpackOfWhatIsNoArchive(t *testing.T) {
	if err := project.Unpack(strings.NewReader("<html>"), t.TempDir(), limits()); err == nil {
		t.Error("no error")
	}
}
