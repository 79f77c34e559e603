package client

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gantry-operator/gantry/test/gitserver"
)

// waitFor waits until something is so.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	for !so() {
		select {
		case <-t.Context().Done():
			t.Fatal("it never happened")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	server := gitserver.Start(t, gitserver.Options{})
	repository := server.Create("app")
	many := gitserver.Files{"small/a": gitserver.Text("a"), "huge": gitserver.Text(noise(6 << 20))}
	for i := range 50 {
		many[fmt.Sprintf("many/%d", i)] = gitserver.Text(fmt.Sprint(i))
	}
	for i := range 4 {
		many[fmt.Sprintf("big/%d", i)] = gitserver.Text(fmt.Sprint(i) + noise(1<<20))
	}
	commit := repository.Commit("main", many)
	cases := map[string]struct {
		change func(*Limits)
		words  []string
	}{
		"Files":    {func(l *Limits) { l.Files = 40 }, []string{"more than 40 files", "spec.repoPaths"}},
		"File":     {func(l *Limits) { l.FileBytes = 5 << 20 }, []string{`"huge"`, "5 MiB", "spec.repoPaths"}},
		"Checkout": {func(l *Limits) { l.CheckoutBytes = 8 << 20 }, []string{"more than 8 MiB", "spec.repoPaths"}},
		"Disk":     {func(l *Limits) { l.RepositoryBytes = 3 << 20 }, []string{"3 MiB", "spec.repoPaths"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			client, remote := newClient(t, server, func(o *Options) { c.change(&o.Limits) }), Remote{URL: repository.URL}
			_, _, err := checkout(t, client, remote, commit, Selection{})
			want(t, err, TooLarge, c.words...)
			t.Log(err)
			if kept := used(client.options.Dir); kept > 64<<10 {
				t.Errorf("%d bytes of the disk are not given back", kept)
			}
			if _, _, err := checkout(t, client, remote, commit, Selection{Paths: []string{"small"}}); err != nil {
				t.Errorf("less of it: %v", err)
			}
		})
	}
	t.Run("Memory", func(t *testing.T) {
		// Small to send, and big to put together: the second is a small difference to the first.
		zeros := strings.Repeat("\x00", 48<<20)
		bomb := server.Create("bomb")
		commit := bomb.Commit("main", gitserver.Files{"a": gitserver.Text(zeros), "b": gitserver.Text(zeros[:20<<20] + "!" + zeros[20<<20:])})
		bomb.Git("repack", "-a", "-d", "-f", "-q")
		client := newClient(t, server, func(o *Options) { o.Limits.MemoryBytes = 32 << 20 })
		_, _, err := checkout(t, client, Remote{URL: bomb.URL}, commit, Selection{})
		want(t, err, TooLarge, "32 MiB of memory", "spec.repoPaths")
		t.Log(err)
		roomy := newClient(t, server)
		if _, _, err := checkout(t, roomy, Remote{URL: bomb.URL}, commit, Selection{}); err != nil {
			t.Errorf("with enough memory: %v", err)
		}
	})
	t.Run("Slowly", func(t *testing.T) {
		// The disk is watched while a host sends bit by bit.
		client := newClient(t, server, func(o *Options) { o.Limits.CheckoutTime = 500 * time.Millisecond })
		server.Break(gitserver.Fault{Kind: gitserver.Fetch, Hang: true})
		defer server.Heal()
		_, _, err := checkout(t, client, Remote{URL: repository.URL}, commit, Selection{})
		want(t, err, Unreachable, "longer than 500ms")
	})
	t.Run("ResolveTime", func(t *testing.T) {
		client := newClient(t, server, func(o *Options) { o.Limits.ResolveTime = 500 * time.Millisecond })
		server.Break(gitserver.Fault{Hang: true})
		defer server.Heal()
		_, err := client.Resolve(t.Context(), Remote{URL: repository.URL}, "main")
		want(t, err, Unreachable, "within 500ms")
	})
}

// A repository that grows commit by commit is begun anew and stays within its limit.
func TestRepositoryStaysSmall(t *testing.T) {
	t.Parallel()
	server := gitserver.Start(t, gitserver.Options{})
	repository := server.Create("app")
	client, remote := newClient(t, server, func(o *Options) { o.Limits.RepositoryBytes = 4 << 20 }), Remote{URL: repository.URL}
	for i := range 8 {
		commit := repository.Commit("main", gitserver.Files{"a": gitserver.Text(fmt.Sprint(i) + noise(1<<20))})
		if _, _, err := checkout(t, client, remote, commit, Selection{}); err != nil {
			t.Fatal(err)
		}
	}
	if kept := used(client.options.Dir); kept > 4<<20 {
		t.Errorf("%d bytes are kept", kept)
	}
}

// What a process left that was killed in the middle of a fetch does not stop the next one.
func TestAfterACrash(t *testing.T) {
	t.Parallel()
	server := gitserver.Start(t, gitserver.Options{})
	repository := server.Create("app")
	first := repository.Commit("main", gitserver.Files{"a": gitserver.Text(noise(1 << 20))})
	second := repository.Commit("main", gitserver.Files{"b": gitserver.Text(noise(2 << 20))})
	client, remote := newClient(t, server), Remote{URL: repository.URL}
	if _, _, err := checkout(t, client, remote, first, Selection{}); err != nil {
		t.Fatal(err)
	}
	server.Break(gitserver.Fault{Kind: gitserver.Fetch, CutAfter: 300 << 10})
	if _, _, err := checkout(t, client, remote, second, Selection{}); err == nil {
		t.Fatal("there is no error")
	}
	server.Heal()
	for _, r := range client.repositories {
		for _, name := range []string{"shallow.lock", "config.lock", "packed-refs.lock", "objects/pack/tmp_pack_abc"} {
			if err := os.WriteFile(filepath.Join(r.dir, name), []byte("half"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The first attempt meets the locks, says so, and clears them away.
	if _, _, err := checkout(t, client, remote, second, Selection{}); err != nil {
		if _, _, err := checkout(t, client, remote, second, Selection{}); err != nil {
			t.Errorf("the second attempt: %v", err)
		}
	}
	again, err := NewClient(client.options)
	if err != nil {
		t.Fatal(err)
	}
	if left := used(filepath.Join(again.options.Dir, repositoriesDir)); left != 0 {
		t.Errorf("a new client keeps %d bytes of what it cannot know", left)
	}
	if _, _, err := checkout(t, again, remote, second, Selection{}); err != nil {
		t.Error(err)
	}
}

func TestSize(t *testing.T) {
	for bytes, text := range map[int64]string{1: "1 bytes", 2048: "2 KiB", 3 << 20: "3 MiB", 2 << 30: "2 GiB", 3 << 29: "1536 MiB"} {
		if got := size(bytes); got != text {
			t.Errorf("%d: %s, want %s", bytes, got, text)
		}
	}
	if said := strings.Repeat("x", 40); clip(said) != said {
		t.Error("a short text is cut")
	}
}

// A commit that fits, but not beside the one before it.
func TestOldCommitsMakeRoom(t *testing.T) {
	t.Parallel()
	server := gitserver.Start(t, gitserver.Options{})
	repository := server.Create("app")
	first := repository.Commit("main", gitserver.Files{"a": gitserver.Text(noise(2 << 20))})
	second := repository.Commit("main", gitserver.Files{"a": gitserver.Text("2" + noise(3<<20))})
	client, remote := newClient(t, server, func(o *Options) { o.Limits.RepositoryBytes = 4 << 20 }), Remote{URL: repository.URL}
	for _, commit := range []string{first, second} {
		for _, selection := range []Selection{{}, {Paths: []string{"a"}}} {
			if _, _, err := checkout(t, client, remote, commit, selection); err != nil {
				t.Error(err)
			}
		}
	}
}
