package client

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-operator/gantry/test/gitserver"
)

// Trees that git would never make, and a host can serve.
func TestHostileTrees(t *testing.T) {
	t.Parallel()
	server := gitserver.Start(t, gitserver.Options{})
	repository := server.Create("app")
	inner := func(files gitserver.Files) gitserver.File {
		return gitserver.Tree(repository.Git("rev-parse", repository.CommitRaw("inner", files)+"^{tree}"))
	}
	cases := map[string]gitserver.Files{
		"DotDot":          {"..": inner(gitserver.Files{"evil": gitserver.Text("evil")})},
		"DotDotFile":      {"..": gitserver.Text("evil")},
		"Slash":           {"../evil": gitserver.Text("evil")},
		"Absolute":        {"/tmp/gantry-was-here": gitserver.Text("evil")},
		"Dot":             {".": inner(gitserver.Files{"evil": gitserver.Text("evil")})},
		"Git":             {".git": inner(gitserver.Files{"config": gitserver.Text("[core]\n\tfsmonitor = touch /tmp/gantry-was-here\n")})},
		"GIT":             {".GIT": inner(gitserver.Files{"config": gitserver.Text("evil")})},
		"ThroughASymlink": {"a": gitserver.Symlink("/tmp"), "a/gantry-was-here": gitserver.Text("evil")},
		"AbsoluteLink":    {"passwd": gitserver.Symlink("/etc/passwd")},
		"LinkOut":         {"out": gitserver.Symlink("../../x")},
		"LinkToParent":    {"out": gitserver.Symlink("..")},
		"LinkByLinks":     {"a": inner(gitserver.Files{"up": gitserver.Symlink("..")}), "z": gitserver.Symlink("a/up/../x")},
		"EmptyLink":       {"a": gitserver.Symlink("")},
		"LongLink":        {"a": gitserver.Symlink(strings.Repeat("x", 5000))},
	}
	check := func(name string, files gitserver.Files, trusting bool) {
		t.Run(name, func(t *testing.T) {
			commit := repository.CommitRaw("main", files)
			client := newClient(t, server)
			if trusting {
				client.config = strings.ReplaceAll(client.config, "fsckObjects = true", "fsckObjects = false")
			}
			dir := filepath.Join(t.TempDir(), "a", "b", "checkout")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			_, err := client.Checkout(t.Context(), Remote{URL: repository.URL}, commit, Selection{Submodules: true}, dir)
			want(t, err, Invalid)
			for _, path := range []string{"/tmp/gantry-was-here", filepath.Join(dir, "..", "evil"), filepath.Join(dir, ".git")} {
				if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s was written", path)
				}
			}
		})
	}
	for name, files := range cases {
		check(name, files, false)
		check(name+" past git's own check", files, true)
	}
}

// checkPath is the second line of defence; git's own check is the first.
func TestCheckPath(t *testing.T) {
	for path, good := range map[string]bool{
		"a": true, "a/b": true, "-rf": true, "--upload-pack=x": true, "a b": true, ".gitignore": true, ".github/x": true, "a..b": true, "...": true,
		"": false, "/a": false, "a//b": false, "../a": false, "a/../b": false, "a/..": false, ".": false, "a/.": false, ".git": false, "a/.Git/config": false,
	} {
		if err := checkPath(path); (err == nil) != good {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// Files and names that mean something to programs, and nothing here.
func TestHarmlessOddities(t *testing.T) {
	server := gitserver.Start(t, gitserver.Options{})
	repository := server.Create("app")
	files := gitserver.Files{
		"--upload-pack=touch x": gitserver.Text("1"), "-rf": gitserver.Text("2"), "a/-": gitserver.Text("3"), "new\nline": gitserver.Text("4"),
		"hooks/post-checkout": gitserver.Executable("#!/bin/sh\ntouch /tmp/gantry-was-here\n"), "index": gitserver.Text("5"), "HEAD": gitserver.Text("6"),
		".gitattributes": gitserver.Text("* filter=evil\n*.x working-tree-encoding=UTF-16\n"), "a.x": gitserver.Text("7"), "*": gitserver.Text("8"),
		":(top)x": gitserver.Text("9"), "ünïcode/ß": gitserver.Text("10"), "dangling": gitserver.Symlink("not/there"), "loop": gitserver.Symlink("loop"),
		"tab\tq\"uote": gitserver.Text("11"),
	}
	commit := repository.Commit("main", files)
	for name, hook := range map[string]string{"post-checkout": "hooks/post-checkout"} {
		path := filepath.Join(repository.Dir, "hooks", name)
		if err := os.WriteFile(path, []byte(files[hook].String()), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	client := newClient(t, server)
	got, _, err := checkout(t, client, Remote{URL: repository.URL}, commit, Selection{})
	if err != nil {
		t.Fatal(err)
	}
	for path, file := range files {
		if !strings.HasSuffix(got[path], file.String()) || len(got[path]) > len(file.String())+3 {
			t.Errorf("%q: %q, want %q", path, got[path], file.String())
		}
	}
	if _, err := os.Stat("/tmp/gantry-was-here"); !errors.Is(err, os.ErrNotExist) {
		t.Error("something of the repository was run")
	}
	for _, path := range []string{"--upload-pack=touch x", "-rf", "*", ":(top)x"} {
		got, _, err := checkout(t, client, Remote{URL: repository.URL}, commit, Selection{Paths: []string{path}})
		if err != nil || len(got) != 1 {
			t.Errorf("only %q: %v, %v", path, got, err)
		}
	}
}

// A directory that is not empty is never written over.
func TestCheckoutWritesOverNothing(t *testing.T) {
	server := gitserver.Start(t, gitserver.Options{})
	repository := server.Create("app")
	commit := repository.Commit("main", gitserver.Files{"a": gitserver.Text("new")})
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "precious")
	if err := errors.Join(os.WriteFile(outside, []byte("old"), 0o600), os.Symlink(outside, filepath.Join(dir, "a"))); err != nil {
		t.Fatal(err)
	}
	_, err := newClient(t, server).Checkout(t.Context(), Remote{URL: repository.URL}, commit, Selection{}, dir)
	want(t, err, Invalid, "cannot be written")
	if text, err := os.ReadFile(outside); err != nil || string(text) != "old" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	server := gitserver.Start(t, gitserver.Options{})
	repository := server.Create("app")
	commit := repository.Commit("main", gitserver.Files{"a": gitserver.Text(noise(1 << 20))})
	client := newClient(t, server)
	remote := Remote{URL: repository.URL}
	for name, use := range map[string]func(context.Context) error{
		"Resolve": func(ctx context.Context) error { _, err := client.Resolve(ctx, remote, "main"); return err },
		"Checkout": func(ctx context.Context) error {
			_, err := client.Checkout(ctx, remote, commit, Selection{}, t.TempDir())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			server.Break(gitserver.Fault{Hang: true})
			defer server.Heal()
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- use(ctx) }()
			waitFor(t, func() bool { return len(processes(t, client.options.Dir)) >= 2 })
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
			nothingLeft(t, client)
		})
	}
	if _, _, err := checkout(t, client, remote, commit, Selection{}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
