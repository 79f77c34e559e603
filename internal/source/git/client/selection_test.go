package client

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/test/gitserver"
)

// noise is text that does not compress.
func noise(bytes int) string {
	random := rand.NewChaCha8([32]byte{1})
	data := make([]byte, bytes)
	if _, err := random.Read(data); err != nil {
		panic(err)
	}
	return string(data)
}

func TestSelection(t *testing.T) {
	t.Parallel()
	server := gitserver.Start(t, gitserver.Options{})
	repository := server.Create("mono")
	first := repository.Commit("main", gitserver.Files{
		"apps/one/Pulumi.yaml": gitserver.Text("name: one\n"), "apps/one/src/a": gitserver.Text("a"), "apps/two/Pulumi.yaml": gitserver.Text("name: two\n"),
		"apps/one-more/x": gitserver.Text("x"), "lib/b": gitserver.Text("b"), "README.md": gitserver.Text("r"), "apps/ü [x]*/c": gitserver.Text("c"),
		"huge": gitserver.Text(noise(8 << 20)),
	})
	second := repository.Commit("main", gitserver.Files{"apps/two/Pulumi.yaml": gitserver.Text("name: zwei\n")})
	third := repository.Commit("main", gitserver.Files{"lib/b": gitserver.Executable("b")})
	one := map[string]string{"apps/one/Pulumi.yaml": "name: one\n", "apps/one/src/a": "a"}
	with := func(files map[string]string, more ...string) map[string]string {
		all := map[string]string{}
		for path, content := range files {
			all[path] = content
		}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	cases := map[string]struct {
		paths []string
		files map[string]string
		// sees tells whether the second and the third commit are other content.
		sees [2]bool
	}{
		"Directory":   {[]string{"apps/one"}, one, [2]bool{}},
		"Untidy":      {[]string{"./apps//one/", "apps/one/src", "/apps/one"}, one, [2]bool{}},
		"TwoAndAFile": {[]string{"lib", "apps/one", "README.md"}, with(one, "lib/b", "b", "README.md", "r"), [2]bool{false, true}},
		"Parent":      {[]string{"apps"}, with(one, "apps/two/Pulumi.yaml", "name: two\n", "apps/one-more/x", "x", "apps/ü [x]*/c", "c"), [2]bool{true, false}},
		"Strange":     {[]string{"apps/ü [x]*"}, map[string]string{"apps/ü [x]*/c": "c"}, [2]bool{}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			client, remote := newClient(t, server), Remote{URL: repository.URL}
			server.Forget()
			files, content, err := checkout(t, client, remote, first, Selection{Paths: c.paths})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.files, files); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if kept, sent := used(client.options.Dir), server.Sent("mono"); kept > 256<<10 || sent > 64<<10 {
				t.Errorf("of a repository of 8 MiB %d bytes were sent and %d are kept", sent, kept)
			}
			for i, commit := range []string{second, third} {
				_, other, err := checkout(t, client, remote, commit, Selection{Paths: c.paths})
				if err != nil {
					t.Fatal(err)
				}
				if saw := other != content; saw != c.sees[i] {
					t.Errorf("content of commit %d differs: %t, want %t", i+2, saw, c.sees[i])
				}
				content = other
			}
		})
	}
	t.Run("NotThere", func(t *testing.T) {
		for _, paths := range [][]string{{"apps/three"}, {"apps/one", "lib/b/c"}, {"Apps/one"}} {
			_, _, err := checkout(t, newClient(t, server), Remote{URL: repository.URL}, first, Selection{Paths: paths})
			want(t, err, NotFound, paths[len(paths)-1], first)
		}
	})
	t.Run("Outside", func(t *testing.T) {
		for _, path := range []string{"../x", "apps/../../x", "a\nb"} {
			_, _, err := checkout(t, newClient(t, server), Remote{URL: repository.URL}, first, Selection{Paths: []string{path}})
			want(t, err, Invalid, "path")
		}
	})
}

// Different selections of one commit cost one fetch of the commit, and one of the files that are still missing.
func TestOneFetch(t *testing.T) {
	t.Parallel()
	server := gitserver.Start(t, gitserver.Options{})
	repository := server.Create("mono")
	files := gitserver.Files{}
	for _, app := range []string{"one", "two"} {
		for _, name := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
			files["apps/"+app+"/"+name] = gitserver.Text(app + name)
		}
	}
	commit := repository.Commit("main", files)
	client, remote := newClient(t, server), Remote{URL: repository.URL}
	fetches := func(n int) {
		t.Helper()
		if got := server.Count("mono", gitserver.Fetch); got != n {
			t.Errorf("%d fetches, want %d", got, n)
		}
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if _, _, err := checkout(t, client, remote, commit, Selection{Paths: []string{"apps/one"}}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	fetches(2) // the directories, and then the files
	if _, _, err := checkout(t, client, remote, commit, Selection{Paths: []string{"apps/two"}}); err != nil {
		t.Error(err)
	}
	fetches(3)
	if got, _, err := checkout(t, client, remote, commit, Selection{}); err != nil || len(got) != len(files) {
		t.Errorf("%d files, %v", len(got), err)
	}
	fetches(3) // everything is there already

	// The next commit is fetched on top of what is there, by one who wants all of it and lacks some of the old.
	other := newClient(t, server)
	if _, _, err := checkout(t, other, remote, commit, Selection{Paths: []string{"apps/one"}}); err != nil {
		t.Error(err)
	}
	next := repository.Commit("main", gitserver.Files{"new": gitserver.Text("new")})
	if got, _, err := checkout(t, other, remote, next, Selection{}); err != nil || len(got) != len(files)+1 {
		t.Errorf("%d files, %v", len(got), err)
	}
	if server.Count("mono", gitserver.List) != 0 {
		t.Error("refs were asked for to fetch a commit")
	}
}

// Servers that give only what their refs are at, or no partial clones.
func TestOldServers(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]gitserver.Options{
		"Version0": {OldProtocol: true}, "NoFilter": {NoFilter: true}, "Version0NoFilter": {OldProtocol: true, NoFilter: true},
	} {
		t.Run(name, func(t *testing.T) {
			server := gitserver.Start(t, options)
			repository := server.Create("app")
			first := repository.Commit("main", gitserver.Files{"a/x": gitserver.Text("1"), "b/x": gitserver.Text("1")})
			repository.Commit("main", gitserver.Files{"a/x": gitserver.Text("2")})
			tip := repository.Commit("main", gitserver.Files{"a/x": gitserver.Text("3")})
			gone := repository.Commit("gone", gitserver.Files{"a/x": gitserver.Text("4")})
			repository.Git("update-ref", "-d", "refs/heads/gone")
			texts := map[string]string{first: "1", tip: "3"}
			for i, selection := range []Selection{{}, {Paths: []string{"a"}}, {}, {Paths: []string{"a"}}} {
				client, remote := newClient(t, server), Remote{URL: repository.URL}
				order := []string{first, tip}
				if i < 2 {
					slices.Reverse(order) // what was fetched alone has no ancestors yet
				}
				for _, commit := range order {
					files, _, err := checkout(t, client, remote, commit, selection)
					if err != nil || files["a/x"] != texts[commit] {
						t.Errorf("%v: %v, %v, want %s", selection, files, err, texts[commit])
					}
				}
				if resolved, err := client.Resolve(t.Context(), remote, "main"); err != nil || resolved != tip {
					t.Errorf("resolved to %s, %v", resolved, err)
				}
				if options.OldProtocol {
					_, _, err := checkout(t, client, remote, gone, selection)
					want(t, err, NotFound, gone)
				}
			}
		})
	}
	t.Run("NoSuchCommit", func(t *testing.T) {
		server := gitserver.Start(t, gitserver.Options{})
		repository := server.Create("app")
		repository.Commit("main", gitserver.Files{"a": gitserver.Text("1")})
		none := strings.Repeat("1", 40)
		_, _, err := checkout(t, newClient(t, server), Remote{URL: repository.URL}, none, Selection{})
		want(t, err, NotFound, none, repository.URL)
		_, _, err = checkout(t, newClient(t, server), Remote{URL: repository.URL}, "main", Selection{})
		want(t, err, Invalid, "whole id")
	})
	t.Run("CommitNoBranchHas", func(t *testing.T) {
		server := gitserver.Start(t, gitserver.Options{})
		repository := server.Create("app")
		repository.Commit("main", gitserver.Files{"a": gitserver.Text("1")})
		lost := repository.Commit("lost", gitserver.Files{"a": gitserver.Text("2")})
		repository.Git("update-ref", "-d", "refs/heads/lost")
		if files, _, err := checkout(t, newClient(t, server), Remote{URL: repository.URL}, lost, Selection{}); err != nil || files["a"] != "2" {
			t.Errorf("%v, %v", files, err)
		}
	})
	t.Run("SHA256", func(t *testing.T) {
		server := gitserver.Start(t, gitserver.Options{})
		dir := filepath.Join(server.Root(), "new.git")
		run(t, "git", "init", "-q", "--bare", "--object-format=sha256", dir)
		empty := run(t, "git", "-C", dir, "hash-object", "-t", "tree", "-w", os.DevNull)
		commit := run(t, "git", "-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit-tree", "-m", "x", empty)
		run(t, "git", "-C", dir, "update-ref", "refs/heads/main", commit)
		client, remote := newClient(t, server), Remote{URL: server.URL + "/new.git"}
		if resolved, err := client.Resolve(t.Context(), remote, "main"); err != nil || resolved != commit || len(commit) != 64 {
			t.Errorf("resolved to %s, %v, want %s", resolved, err, commit)
		}
		if files, _, err := checkout(t, client, remote, commit, Selection{}); err != nil || len(files) != 0 {
			t.Errorf("%v, %v", files, err)
		}
	})
}
