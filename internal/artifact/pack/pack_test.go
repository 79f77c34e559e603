package pack_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/internal/agent/project"
	"github.com/gantry-operator/gantry/internal/artifact/pack"
)

// entry is what is at a path: a mode, and a content, or the target of a link.
type entry struct {
	Mode fs.FileMode
	Text string
}

const (
	link = fs.ModeSymlink
	dir  = fs.ModeDir
)

func enough() pack.Limits { return pack.Limits{Bytes: 1 << 30, Files: 10_000} }

// lay makes the entries in a new directory, and the directories above them.
func lay(t *testing.T, entries map[string]entry) string {
	t.Helper()
	root := t.TempDir()
	for name, e := range entries {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch e.Mode.Type() {
		case dir:
			err = os.MkdirAll(path, 0o755)
		case link:
			err = os.Symlink(e.Text, path)
		default:
			err = errors.Join(os.WriteFile(path, []byte(e.Text), 0o600), os.Chmod(path, e.Mode.Perm()))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// found is what is in a directory. Directories have no mode but their own kind: what opens them is not packed.
func found(t *testing.T, root string) map[string]entry {
	t.Helper()
	all := map[string]entry{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		e := entry{Mode: info.Mode()}
		switch info.Mode().Type() {
		case dir:
			e.Mode = dir
		case link:
			e.Mode = link
			e.Text, err = os.Readlink(path)
		default:
			var text []byte
			text, err = os.ReadFile(path)
			e.Text = string(text)
		}
		all[strings.TrimPrefix(path, root+"/")] = e
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func packed(t *testing.T, root string) []byte {
	t.Helper()
	var archive bytes.Buffer
	if err := pack.Dir(t.Context(), &archive, root, enough()); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

// unpacked is what a pod makes of an archive.
func unpacked(t *testing.T, archive []byte) map[string]entry {
	t.Helper()
	root := t.TempDir()
	if err := project.Unpack(bytes.NewReader(archive), root, project.Limits{Bytes: 1 << 30, Files: 10_000}); err != nil {
		t.Fatal(err)
	}
	return found(t, root)
}

// everything is a directory with all that a source may have.
func everything() map[string]entry {
	long := strings.Repeat("long/", 60) + strings.Repeat("x", 255)
	return map[string]entry{
		"Pulumi.yaml":          {0o644, "name: demo\n"},
		"run.sh":               {0o755, "#!/bin/sh\n"},
		"empty":                {0o644, ""},
		"empty-dir":            {dir, ""},
		"a.b/c":                {0o644, "sorts behind what is in a"},
		"a/b":                  {0o644, "b"},
		"big":                  {0o644, strings.Repeat("0123456789abcdef", 10_000)},
		long:                   {0o644, "a name that tar's oldest form has no place for"},
		"Grüße/日本語/😀":          {0o644, "unicode"},
		"not-unicode-\xff\xfe": {0o644, "latin, perhaps"},
		"new\nline and  space": {0o644, "odd"},
		"-rf":                  {0o644, "named like an option"},
		"..hidden":             {0o644, "climbs nowhere"},
		`back\slash`:           {0o644, "of another system"},
		"links/up":             {link, "../Pulumi.yaml"},
		"links/self":           {link, ".."},
		"links/far":            {link, "../links/self/a/b"},
		"links/missing":        {link, "nowhere/at/all"},
		"links/loop":           {link, "loop"},
		"links/long":           {link, strings.Repeat("../links/", 100) + "up"},
	}
}

func TestRoundTrip(t *testing.T) {
	root := lay(t, everything())
	archive := packed(t, root)
	if diff := cmp.Diff(found(t, root), unpacked(t, archive)); diff != "" {
		t.Errorf("-packed +unpacked:\n%s", diff)
	}
	zipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, zipped); err != nil {
		t.Errorf("the library reads it with %v", err)
	}
}

// Pinned: a new digest for unchanged files makes every stack run again after an upgrade of the manager.
func TestDigestsStay(t *testing.T) {
	const want = "2978ab2fa8f702bcc3773edcbf7a7b81d412688a289d47789e1404db42d06998"
	if got := fmt.Sprintf("%x", sha256.Sum256(packed(t, lay(t, everything())))); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}

func TestSameFilesSameArchive(t *testing.T) {
	first := lay(t, everything())
	second := lay(t, everything())
	err := filepath.WalkDir(second, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type() == link {
			return err
		}
		now := time.Unix(12345, 678)
		if d.IsDir() {
			return errors.Join(os.Chtimes(path, now, now), os.Chmod(path, 0o700))
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return errors.Join(os.Chmod(path, info.Mode().Perm()|0o440|0o022), os.Chtimes(path, now, now))
	})
	if err != nil {
		t.Fatal(err)
	}
	// A second name of a file is a file, as it is in a directory that was copied.
	if err := errors.Join(os.Remove(filepath.Join(second, "a/b")), os.WriteFile(filepath.Join(second, "z"), []byte("b"), 0o600),
		os.Link(filepath.Join(second, "z"), filepath.Join(second, "a/b")), os.Remove(filepath.Join(second, "z")),
		os.MkdirAll(filepath.Join(second, ".git/objects"), 0o755), os.WriteFile(filepath.Join(second, "a/.git"), []byte("gitdir: /x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(packed(t, first), packed(t, second)) {
		t.Error("times, permissions or what git keeps changed the archive")
	}
}

func TestChangesChangeTheArchive(t *testing.T) {
	plain := func() map[string]entry { return map[string]entry{"a": {0o644, "1"}, "b": {link, "a"}} }
	changes := map[string]func(map[string]entry){
		"Content": func(m map[string]entry) { m["a"] = entry{0o644, "2"} },
		"Mode":    func(m map[string]entry) { m["a"] = entry{0o755, "1"} },
		"Name":    func(m map[string]entry) { delete(m, "a"); m["c"] = entry{0o644, "1"} },
		"Target":  func(m map[string]entry) { m["b"] = entry{link, "c"} },
		"Kind":    func(m map[string]entry) { m["b"] = entry{0o644, "1"} },
		"Dir":     func(m map[string]entry) { m["d"] = entry{dir, ""} },
	}
	before := packed(t, lay(t, plain()))
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			after := plain()
			change(after)
			if bytes.Equal(before, packed(t, lay(t, after))) {
				t.Error("the archive is the same")
			}
		})
	}
}

// Any tree of files, directories and links that stay inside comes out as it went in.
func TestAnyTreeComesOutAsItWentIn(t *testing.T) {
	for seed := range uint64(50) {
		tree := randomTree(rand.New(rand.NewPCG(seed, 1)))
		root := lay(t, tree)
		if diff := cmp.Diff(found(t, root), unpacked(t, packed(t, root))); diff != "" {
			t.Fatalf("seed %d, -packed +unpacked:\n%s", seed, diff)
		}
	}
}

func randomTree(r *rand.Rand) map[string]entry {
	names := []string{"a", "b", "ä", "a b", "..c", ".d", "-e", strings.Repeat("n", 200)}
	tree := map[string]entry{}
	for range r.IntN(20) {
		parts := []string{"r"}
		for range r.IntN(5) {
			parts = append(parts, names[r.IntN(len(names))]+"d")
		}
		at := strings.Join(append(parts, names[r.IntN(len(names))]), "/")
		switch r.IntN(4) {
		case 0:
			tree[at+"d"] = entry{dir, ""}
		case 1:
			tree[at+"l"] = entry{link, strings.Repeat("../", r.IntN(len(parts)+1)) + names[r.IntN(len(names))]}
		default:
			tree[at+"f"] = entry{[]fs.FileMode{0o644, 0o755}[r.IntN(2)], strings.Repeat("x", r.IntN(3000))}
		}
	}
	return tree
}

func TestLinksThatLeadOut(t *testing.T) {
	cases := map[string]map[string]entry{
		"Absolute":       {"evil": {link, "/etc/passwd"}},
		"Parent":         {"evil": {link, "../x"}},
		"Deep":           {"a/b/evil": {link, "../../../x"}},
		"Hidden":         {"evil": {link, "a/b/../../../x"}},
		"Missing":        {"evil": {link, "nowhere/../../x"}},
		"ThroughALink":   {"a/evil": {link, "up/../x"}, "a/up": {link, ".."}},
		"ByAnotherLink":  {"evil": {link, "z/x"}, "z": {link, "y/.."}, "y": {link, "deep/er/.."}, "deep/er": {link, "../.."}},
		"OnlyDots":       {"evil": {link, ".."}},
		"ManySlashes":    {"evil": {link, "a//..///.././/.."}},
		"AbsoluteByLink": {"evil": {link, "z"}, "z": {link, "/"}},
	}
	for name, tree := range cases {
		t.Run(name, func(t *testing.T) {
			err := pack.Dir(t.Context(), io.Discard, lay(t, tree), enough())
			var invalid *pack.InvalidError
			if !errors.As(err, &invalid) {
				t.Fatalf("error %v, want an InvalidError", err)
			}
			if e := tree[invalid.Path]; e.Mode != link || !strings.Contains(err.Error(), invalid.Path) {
				t.Errorf("%q names no link", err)
			}
		})
	}
	// Not by the names alone: the link before it leads deeper than its name says.
	inside := map[string]entry{"s": {link, "a/b/c"}, "a/b/c": {dir, ""}, "t": {link, "s/../../x"}}
	if err := pack.Dir(t.Context(), io.Discard, lay(t, inside), enough()); err != nil {
		t.Errorf("a link that stays inside: %v", err)
	}
}

func TestWhatCannotBePacked(t *testing.T) {
	cases := map[string]struct {
		make func(path string) error
		want string
	}{
		"Pipe":   {func(path string) error { return syscall.Mkfifo(path, 0o600) }, "named pipe"},
		"Socket": {func(path string) error { return syscall.Mknod(path, syscall.S_IFSOCK|0o600, 0) }, "socket"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if err := tc.make(filepath.Join(root, "odd")); err != nil {
				t.Fatal(err)
			}
			err := pack.Dir(t.Context(), io.Discard, root, enough())
			var invalid *pack.InvalidError
			if !errors.As(err, &invalid) || invalid.Path != "odd" || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	cases := map[string]struct {
		limits pack.Limits
		want   string
	}{
		"Files":   {pack.Limits{Bytes: 1 << 30, Files: 3}, "the source has more than 3 files"},
		"OneFile": {pack.Limits{Bytes: 10 << 10, Files: 100}, `more than 10Ki of files, the largest found being "big" with 100Ki`},
		"Headers": {pack.Limits{Bytes: 102 << 10, Files: 100}, `more than 102Ki of files, the largest found being "big" with 100Ki`},
	}
	tree := map[string]entry{"big": {0o644, strings.Repeat("x", 100<<10)}, "c": {0o644, ""}, "d": {0o644, ""}, "e": {dir, ""}}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := pack.Dir(t.Context(), io.Discard, lay(t, tree), tc.limits)
			if !errors.As(err, new(*pack.TooLargeError)) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
	if err := pack.Dir(t.Context(), io.Discard, lay(t, tree), pack.Limits{Bytes: 105 << 10, Files: 4}); err != nil {
		t.Errorf("within the limits: %v", err)
	}
}

// A file that claims to be huge is refused before it is read.
func TestSparseFile(t *testing.T) {
	root := t.TempDir()
	file, err := os.Create(filepath.Join(root, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(file.Truncate(1<<40), file.Close()); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = pack.Dir(t.Context(), &out, root, enough())
	if !errors.As(err, new(*pack.TooLargeError)) || out.Len() > 1<<10 {
		t.Errorf("error %v after %d bytes", err, out.Len())
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := pack.Dir(ctx, io.Discard, lay(t, everything()), enough()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// What is written is as much as is taken in, so the memory that an archive takes does not grow with it.
func TestStreams(t *testing.T) {
	root := t.TempDir()
	for i := range 8 {
		file, err := os.Create(filepath.Join(root, fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(file.Truncate(8<<20), file.Close()); err != nil {
			t.Fatal(err)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := pack.Dir(t.Context(), io.Discard, root, enough()); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%d bytes of memory for 64 MiB of files", used)
	}
}
