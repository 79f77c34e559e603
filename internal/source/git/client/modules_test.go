package client

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/test/gitserver"
)

// gitmodules writes .gitmodules of paths and URLs.
func gitmodules(pairs ...string) gitserver.File {
	text := ""
	for i := 0; i < len(pairs); i += 2 {
		text += fmt.Sprintf("[submodule \"m%d\"]\n\tpath = %s\n\turl = %s\n", i, pairs[i], pairs[i+1])
	}
	return gitserver.Text(text)
}

func TestSubmodules(t *testing.T) {
	t.Parallel()
	const password = "secret-password"
	auth := gitserver.Auth{Password: password}
	server, elsewhere := gitserver.Start(t, gitserver.Options{Auth: auth}), gitserver.Start(t, gitserver.Options{})
	credential := Credential{Password: password, CABundle: elsewhere.CA}
	leaf := server.Create("libs/leaf")
	leafCommit := leaf.Commit("main", gitserver.Files{"leaf": gitserver.Text("leaf")})
	lib := server.Create("libs/lib")
	libCommit := lib.Commit("main", gitserver.Files{
		"lib": gitserver.Text("lib"), ".gitmodules": gitmodules("deep/leaf", "../leaf.git"), "deep/leaf": gitserver.Submodule(leafCommit),
	})
	open := elsewhere.Create("open")
	openCommit := open.Commit("main", gitserver.Files{"open": gitserver.Text("open")})
	app := server.Create("team/app")
	modules := gitmodules("lib", "../../libs/lib.git", "ext", open.URL, "self", "./.")
	commit := app.Commit("main", gitserver.Files{
		"Pulumi.yaml": gitserver.Text("name: app\n"), "apps/one/a": gitserver.Text("a"),
		".gitmodules": modules, "lib": gitserver.Submodule(libCommit), "ext": gitserver.Submodule(openCommit), "stray": gitserver.Submodule(openCommit),
	})
	remote := Remote{URL: app.URL, Credential: credential}
	own := map[string]string{"Pulumi.yaml": "name: app\n", "apps/one/a": "a", ".gitmodules": read(t, writeFile(t, ".gitmodules", modules))[".gitmodules"]}
	everything := map[string]string{
		"lib/lib": "lib", "lib/deep/leaf/leaf": "leaf", "ext/open": "open",
		"lib/.gitmodules": read(t, writeFile(t, ".gitmodules", gitmodules("deep/leaf", "../leaf.git")))[".gitmodules"],
	}
	for path, content := range own {
		everything[path] = content
	}

	t.Run("All", func(t *testing.T) {
		server.Forget()
		elsewhere.Forget()
		client := newClient(t, server)
		files, _, err := checkout(t, client, remote, commit, Selection{Submodules: true})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(everything, files); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		for _, request := range elsewhere.Requests() {
			if request.Authorization != "" {
				t.Errorf("the other host was shown %q", request.Authorization)
			}
		}
		if n := server.Count("libs/leaf", gitserver.Fetch); n != 1 {
			t.Errorf("the inner submodule was fetched %d times", n)
		}
		client.Prune(func(r Remote) bool { return r.URL == app.URL })
		if len(client.repositories) != 4 {
			t.Errorf("%d repositories are kept, want the one that is followed and its submodules", len(client.repositories))
		}
		client.Prune(func(Remote) bool { return false })
		if len(client.repositories) != 0 || used(client.options.Dir+"/"+repositoriesDir) != 0 {
			t.Error("repositories are kept for nobody")
		}
	})
	t.Run("None", func(t *testing.T) {
		files, _, err := checkout(t, newClient(t, server), remote, commit, Selection{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(own, files); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	})
	t.Run("Selected", func(t *testing.T) {
		client := newClient(t, server)
		files, before, err := checkout(t, client, remote, commit, Selection{Paths: []string{"apps", "lib"}, Submodules: true})
		if err != nil {
			t.Fatal(err)
		}
		if files["lib/deep/leaf/leaf"] != "leaf" || files["apps/one/a"] != "a" || files["ext/open"] != "" || files["Pulumi.yaml"] != "" {
			t.Errorf("files %v", files)
		}
		moved := app.Commit("main", gitserver.Files{"lib": gitserver.Submodule(leafCommit)})
		if _, after, err := checkout(t, client, remote, moved, Selection{Paths: []string{"apps", "lib"}}); err != nil || after == before {
			t.Errorf("content stays %s when the submodule moves: %v", after, err)
		}
		// What is wanted lies in a submodule.
		files, _, err = checkout(t, client, remote, commit, Selection{Paths: []string{"lib/deep"}, Submodules: true})
		if err != nil || files["lib/lib"] != "lib" {
			t.Errorf("%v, %v", files, err)
		}
	})
}

func TestHostileSubmodules(t *testing.T) {
	t.Parallel()
	server := gitserver.Start(t, gitserver.Options{})
	app := server.Create("app")
	other := server.Create("other")
	commit := other.Commit("main", gitserver.Files{"a": gitserver.Text("a")})
	cases := map[string]struct {
		url  string
		kind Kind
		word string
	}{
		"Program":       {"ext::sh -c touch% /tmp/gantry-was-here", Invalid, "URL"},
		"File":          {"file://" + other.Dir, Invalid, "file"},
		"Path":          {other.Dir, Invalid, "URL"},
		"Option":        {"-u./evil", Invalid, ""},
		"Host":          {"ssh://-oProxyCommand=touch%20x/y", Invalid, "URL"},
		"HostOfSCP":     {"-oProxyCommand=x:y", Invalid, ""},
		"Password":      {"https://user:canary@127.0.0.1/x", Invalid, "password"},
		"Up":            {"../../../../x", Invalid, "out of its host"},
		"NotThere":      {"../none.git", NotFound, "none.git"},
		"SSHWithoutKey": {"ssh://git@127.0.0.1:1/x", Denied, "SSH"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bad := app.Commit(name, gitserver.Files{".gitmodules": gitmodules("sub", c.url), "sub": gitserver.Submodule(commit), "ok": gitserver.Text("ok")})
			client, remote := newClient(t, server), Remote{URL: app.URL}
			_, _, err := checkout(t, client, remote, bad, Selection{Submodules: true})
			want(t, err, c.kind, c.word)
			if name != "Option" && name != "HostOfSCP" { // these the check of the fetched objects refuses
				want(t, err, c.kind, "sub", "spec.recurseSubmodules: false")
			}
			t.Log(err)
		})
	}
	t.Run("Circle", func(t *testing.T) {
		// A repository cannot have its own commit in it, but one of its others; this one is deeper than anybody needs.
		deep := server.Create("deep")
		at := deep.Commit("main", gitserver.Files{"a": gitserver.Text("a")})
		for range maxDepth + 1 {
			at = deep.Commit("main", gitserver.Files{".gitmodules": gitmodules("sub", "./../deep.git"), "sub": gitserver.Submodule(at)})
		}
		_, _, err := checkout(t, newClient(t, server), Remote{URL: deep.URL}, at, Selection{Submodules: true})
		want(t, err, Invalid, "deep in each other", "spec.recurseSubmodules")
	})
}
