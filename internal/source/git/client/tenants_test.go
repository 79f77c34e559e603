package client

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gantry-operator/gantry/test/gitserver"
)

// What one credential fetched is not given to another one, which the host would refuse.
func TestTenantsShareNothing(t *testing.T) {
	server := gitserver.Start(t, gitserver.Options{Auth: gitserver.Auth{Password: "secret-password"}})
	repository := server.Create("app")
	commit := repository.Commit("main", gitserver.Files{"a": gitserver.Text("a")})
	client := newClient(t, server)
	if _, _, err := checkout(t, client, Remote{URL: repository.URL, Credential: Credential{Password: "secret-password"}}, commit, Selection{}); err != nil {
		t.Fatal(err)
	}
	for _, credential := range []Credential{{}, {Password: "guessed-password"}, {Username: "other", Password: "guess"}} {
		_, _, err := checkout(t, client, Remote{URL: repository.URL, Credential: credential}, commit, Selection{})
		want(t, err, Denied)
	}
}

// Where the manager is the first process of its container, it becomes the parent of what it killed.
func TestNoZombies(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0); err != nil {
			t.Error(err)
		}
	}()
	server := gitserver.Start(t, gitserver.Options{})
	repository := server.Create("app")
	repository.Commit("main", gitserver.Files{"a": gitserver.Text("a")})
	client := newClient(t, server)
	before := zombies(t)
	for range 3 {
		server.Break(gitserver.Fault{Hang: true})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := client.Resolve(ctx, Remote{URL: repository.URL}, "main")
			ended <- err
		}()
		waitFor(t, func() bool { return len(processes(t, client.options.Dir)) >= 2 })
		cancel()
		if err := <-ended; err == nil {
			t.Error("there is no error")
		}
		server.Heal()
	}
	if after := zombies(t); after > before {
		t.Errorf("%d zombies are left", after-before)
	}
}

// zombies counts the children of this process that nobody has waited for.
func zombies(t *testing.T) int {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if rest := text[bytes.LastIndexByte(text, ')')+1:]; bytes.HasPrefix(rest, fmt.Appendf(nil, " Z %d ", os.Getpid())) {
			n++
		}
	}
	return n
}
