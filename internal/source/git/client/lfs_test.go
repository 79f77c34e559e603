package client

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/test/gitserver"
)

// writeFile puts a file of a repository into a directory of its own.
func writeFile(t *testing.T, name string, file gitserver.File) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLFS(t *testing.T) {
	t.Parallel()
	const password = "secret-password"
	server := gitserver.Start(t, gitserver.Options{Auth: gitserver.Auth{Password: password, Bearer: "secret-bearer"}})
	repository := server.Create("team/app")
	content := noise(3 << 20)
	pointer := repository.LFS("another")
	commit := repository.Commit("main", gitserver.Files{
		".gitattributes": gitserver.Text("*.bin filter=lfs diff=lfs merge=lfs -text\n"), "app/.gitattributes": gitserver.Text("plain.bin -filter\n"),
		"app/big.bin": repository.LFS(content), "app/plain.bin": pointer, "app/pointer.txt": pointer, "other/x.bin": repository.LFS("x"),
	})
	attributes := "*.bin filter=lfs diff=lfs merge=lfs -text\n"
	wanted := map[string]string{"app/.gitattributes": "plain.bin -filter\n", "app/big.bin": content, "app/plain.bin": pointer.String(), "app/pointer.txt": pointer.String()}
	for name, credential := range map[string]Credential{"Basic": {Password: password}, "Bearer": {BearerToken: "secret-bearer"}} {
		t.Run(name, func(t *testing.T) {
			server.Forget()
			client, remote := newClient(t, server), Remote{URL: repository.URL, Credential: credential}
			files, _, err := checkout(t, client, remote, commit, Selection{Paths: []string{"app"}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(wanted, files); diff != "" {
				t.Errorf("files (-want +got):\n%.500s", diff)
			}
			if n := server.Count("team/app", gitserver.LFSDownload); n != 1 {
				t.Errorf("%d downloads, want 1", n)
			}
			files, _, err = checkout(t, client, remote, commit, Selection{})
			if err != nil || files["other/x.bin"] != "x" || files["app/big.bin"] != content || files[".gitattributes"] != attributes {
				t.Errorf("the whole tree: %v", err)
			}
			if n := server.Count("team/app", gitserver.LFSDownload); n != 2 {
				t.Errorf("%d downloads, want 2: one is here already", n)
			}
		})
	}
	remote := Remote{URL: repository.URL, Credential: Credential{Password: password}}
	t.Run("NoProgram", func(t *testing.T) {
		path := t.TempDir()
		for _, program := range []string{"git", "ssh"} {
			if err := os.Symlink("/usr/bin/"+program, filepath.Join(path, program)); err != nil {
				t.Fatal(err)
			}
		}
		client := newClient(t, server, func(o *Options) { o.Environment = []string{"PATH=" + path} })
		files, _, err := checkout(t, client, remote, commit, Selection{})
		if err != nil || files["other/x.bin"] == "x" {
			t.Errorf("%q, %v, want the pointer", files["other/x.bin"], err)
		}
	})
	t.Run("TooLarge", func(t *testing.T) {
		client := newClient(t, server, func(o *Options) { o.Limits.FileBytes = 1 << 20 })
		_, _, err := checkout(t, client, remote, commit, Selection{})
		want(t, err, TooLarge, "app/big.bin", "1 MiB")
	})
	t.Run("Gone", func(t *testing.T) {
		bad := repository.Commit("bad", gitserver.Files{
			".gitattributes": gitserver.Text(attributes),
			"x.bin":          gitserver.Text("version https://git-lfs.github.com/spec/v1\noid sha256:" + "0000000000000000000000000000000000000000000000000000000000000001\nsize 3\n"),
		})
		_, _, err := checkout(t, newClient(t, server), remote, bad, Selection{})
		want(t, err, NotFound, "LFS")
		t.Log(err)
	})
	t.Run("Config", func(t *testing.T) {
		for text, good := range map[string]bool{
			"[lfs]\n\turl = " + repository.URL + "/info/lfs\n":            true,
			"[lfs]\n\turl = file://" + repository.Dir + "\n":              false,
			"[lfs]\n\turl = ssh://git@127.0.0.1:1/x\n":                    false,
			"[lfs]\n\tfetchexclude = *\n[core]\n\tsshCommand = touch x\n": true,
		} {
			at := repository.Commit("config", gitserver.Files{
				".gitattributes": gitserver.Text(attributes), ".lfsconfig": gitserver.Text(text), "x.bin": repository.LFS("x"),
			})
			files, _, err := checkout(t, newClient(t, server), remote, at, Selection{})
			switch {
			case good && (err != nil || files["x.bin"] != "x"):
				t.Errorf("%s: %v, %v", text, files, err)
			case !good:
				want(t, err, Invalid, ".lfsconfig")
			}
		}
	})
}
