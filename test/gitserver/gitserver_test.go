package gitserver_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-operator/gantry/test/gitserver"
)

// clone runs git as a plain user would.
func clone(t *testing.T, env []string, args ...string) (dir, said string, err error) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "clone")
	cmd := exec.CommandContext(t.Context(), "git", append(append([]string{"clone"}, args...), dir)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1"}, env...)
	out, err := cmd.CombinedOutput()
	return dir, string(out), err
}

func trust(t *testing.T, s *gitserver.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, []byte(s.CA), 0o600); err != nil {
		t.Fatal(err)
	}
	return "GIT_SSL_CAINFO=" + path
}

func TestHTTPSWithAPassword(t *testing.T) {
	gitserver.Need(t, "git")
	server := gitserver.Start(t, gitserver.Options{Auth: gitserver.Auth{Username: "ada", Password: "lovelace"}})
	repository := server.Create("team/app")
	commit := repository.Commit("main", gitserver.Files{
		"Pulumi.yaml": gitserver.Text("name: app\n"), "run": gitserver.Executable("#!/bin/sh\n"), "link": gitserver.Symlink("run"),
	})
	repository.Tag("v1", commit, "first")
	if tag := repository.Git("rev-parse", "v1"); tag == commit {
		t.Error("the tag is no object of its own")
	}

	if _, said, err := clone(t, []string{trust(t, server)}, repository.URL); err == nil || !strings.Contains(said, "terminal prompts disabled") {
		t.Errorf("without a password: %v: %s", err, said)
	}
	server.Forget()
	url := strings.Replace(repository.URL, "https://", "https://ada:lovelace@", 1)
	dir, said, err := clone(t, []string{trust(t, server)}, url)
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "Pulumi.yaml")); err != nil || string(text) != "name: app\n" {
		t.Errorf("%q, %v", text, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "run")); err != nil || info.Mode()&0o100 == 0 {
		t.Errorf("run cannot be run: %v, %v", info.Mode(), err)
	}
	if target, err := os.Readlink(filepath.Join(dir, "link")); err != nil || target != "run" {
		t.Errorf("link: %q, %v", target, err)
	}
	if lists, fetches := server.Count("team/app", gitserver.List), server.Count("", gitserver.Fetch); lists != 1 || fetches != 1 {
		t.Errorf("%d lists and %d fetches, want one each: %+v", lists, fetches, server.Requests())
	}
	if server.Sent("team/app") == 0 {
		t.Error("nothing was sent")
	}
}

func TestFaults(t *testing.T) {
	gitserver.Need(t, "git")
	server := gitserver.Start(t, gitserver.Options{})
	repository := server.Create("app")
	repository.Commit("main", gitserver.Files{"a": gitserver.Text(strings.Repeat("x", 1000))})
	cases := map[string]struct {
		fault gitserver.Fault
		said  string
	}{
		"Status":   {gitserver.Fault{Status: 503}, "error: 503"},
		"Cut":      {gitserver.Fault{Kind: gitserver.Fetch, CutAfter: 30}, "early EOF"},
		"Redirect": {gitserver.Fault{Kind: gitserver.Greeting, Status: 302, Location: "https://127.0.0.1:1/app.git/info/refs?service=git-upload-pack"}, "127.0.0.1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			server.Break(c.fault)
			if _, said, err := clone(t, []string{trust(t, server)}, repository.URL); err == nil || !strings.Contains(said, c.said) {
				t.Errorf("%v: %s", err, said)
			}
		})
	}
	server.Heal()
	if _, said, err := clone(t, []string{trust(t, server)}, repository.URL); err != nil {
		t.Errorf("healed: %v: %s", err, said)
	}
}

func TestSSH(t *testing.T) {
	gitserver.Need(t, "git", "ssh", "/usr/sbin/sshd")
	server := gitserver.Start(t, gitserver.Options{})
	repository := server.Create("team/app")
	repository.Commit("main", gitserver.Files{"a": gitserver.Text("a")})
	daemon := server.StartSSH("127.0.0.1:0")
	dir := t.TempDir()
	for name, content := range map[string]string{"key": daemon.Key, "hosts": daemon.KnownHosts} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := "GIT_SSH_COMMAND=ssh -F /dev/null -o BatchMode=yes -i " + filepath.Join(dir, "key") + " -o UserKnownHostsFile=" + filepath.Join(dir, "hosts")
	if _, said, err := clone(t, []string{command}, daemon.URL("team/app")); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if asked := daemon.Asked(); len(asked) != 1 || asked[0] != "git-upload-pack '/team/app.git'" {
		t.Errorf("asked %q", asked)
	}
	if _, said, err := clone(t, []string{command}, daemon.URL("../app")); err == nil {
		t.Errorf("a repository outside: %s", said)
	}
}
