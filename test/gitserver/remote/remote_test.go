package remote_test

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-operator/gantry/test/gitserver"
	"github.com/gantry-operator/gantry/test/gitserver/remote"
)

// start runs a server as the program does, and dials it.
func start(t *testing.T) *remote.Host {
	t.Helper()
	gitserver.Need(t, "git", "/usr/sbin/sshd")
	program := gitserver.NewProgram(t.Context())
	t.Cleanup(func() {
		if err := program.Close(); err != nil {
			t.Error(err)
		}
	})
	server := gitserver.Start(program, gitserver.Options{})
	ssh := server.StartSSH("127.0.0.1:0")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = remote.Serve(func() (io.ReadWriteCloser, error) { return listener.Accept() }, server, ssh, "127.0.0.1")
	}()
	h, err := remote.Dial(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		listener.Close()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	})
	return h
}

func TestHost(t *testing.T) {
	h := start(t)
	if requests, err := h.Requests(); err != nil || len(requests) > 0 {
		t.Errorf("%v, %v are on record before anybody called", requests, err)
	}
	if asked, err := h.Asked(); err != nil || len(asked) > 0 {
		t.Errorf("%q, %v were asked before anybody called", asked, err)
	}
	if _, err := h.Commit("team/none", "main", nil); err == nil || !strings.Contains(err.Error(), "no repository team/none") {
		t.Errorf("error %v", err)
	}
	if err := h.Create("team/app"); err != nil {
		t.Fatal(err)
	}
	pointer, err := h.LFS("team/app", "big")
	if err != nil {
		t.Fatal(err)
	}
	commit, err := h.Commit("team/app", "main", gitserver.Files{"a": gitserver.Text("A"), "link": gitserver.Symlink("a"), "big": pointer})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := h.Git("team/app", "ls-tree", "--format=%(objectmode) %(path)", commit); err != nil || out != "100644 a\n100644 big\n120000 link" {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := h.Git("team/app", "no-such-command"); err == nil {
		t.Error("a command that fails is no error")
	}
	if err := h.Protect("team/app", gitserver.Auth{Password: "secret"}); err != nil {
		t.Fatal(err)
	}
	list := func(url string) error {
		authority := filepath.Join(t.TempDir(), "ca")
		if err := os.WriteFile(authority, []byte(h.CA), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "git", "ls-remote", url)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GIT_TERMINAL_PROMPT=0", "GIT_SSL_CAINFO=" + authority}
		return cmd.Run()
	}
	if list(h.URLOf("team/app")) == nil {
		t.Error("the repository is not protected")
	}
	if err := list(strings.Replace(h.URLOf("team/app"), "https://", "https://git:secret@", 1)); err != nil {
		t.Error(err)
	}
	if n, err := h.Count("team/app", gitserver.List); err != nil || n != 1 {
		t.Errorf("%d lists are on record, %v", n, err)
	}
	if h.SSH.Key == "" || !strings.HasPrefix(h.SSH.KnownHosts, "[127.0.0.1]:") {
		t.Errorf("the sshd is %q", h.SSH.KnownHosts)
	}
}
