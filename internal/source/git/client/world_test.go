package client

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/gantry-operator/gantry/test/gitserver"
)

// now is the time of tests.
func now() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// newClient makes a client that trusts a server.
func newClient(t *testing.T, server *gitserver.Server, change ...func(*Options)) *Client {
	t.Helper()
	gitserver.Need(t, "git", "git-lfs", "ssh")
	options := Options{
		Dir: t.TempDir(), Environment: []string{"PATH=" + os.Getenv("PATH")}, Limits: DefaultLimits(), Clock: clocktesting.NewFakePassiveClock(now()),
		Authorities: filepath.Join(t.TempDir(), "authorities.pem"),
	}
	authorities := ""
	if server != nil {
		authorities = server.CA
	}
	if err := os.WriteFile(options.Authorities, []byte(authorities), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(&options)
	}
	client, err := NewClient(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nothingLeft(t, client) })
	return client
}

// nothingLeft fails if something of a command is left: credentials, or a process.
func nothingLeft(t *testing.T, c *Client) {
	t.Helper()
	left, err := os.ReadDir(filepath.Join(c.options.Dir, accessDir))
	if err != nil || len(left) != 0 {
		t.Errorf("left of commands: %v, %v", left, err)
	}
	for _, arguments := range processes(t, c.options.Dir) {
		t.Errorf("still running: %s", arguments)
	}
}

// processes are the arguments of those whose environment or arguments name a directory.
func processes(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range all {
		arguments, _ := os.ReadFile(filepath.Join(process, "cmdline"))
		environment, _ := os.ReadFile(filepath.Join(process, "environ"))
		if strings.Contains(string(arguments)+string(environment), dir) && process != "/proc/self" {
			found = append(found, strings.ReplaceAll(string(arguments), "\x00", " "))
		}
	}
	return found
}

// checkout gives the files of a commit as "path: content", "path*: content" for those that may be run, and "path -> target".
func checkout(t *testing.T, c *Client, r Remote, commit string, s Selection) (files map[string]string, content string, err error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "checkout")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	content, err = c.Checkout(t.Context(), r, commit, s, dir)
	if err != nil {
		return nil, content, err
	}
	return read(t, dir), content, nil
}

// read reads a directory.
func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name := strings.TrimPrefix(path, dir+"/")
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir():
			below, err := os.ReadDir(path)
			if len(below) == 0 {
				files[name+"/"] = ""
			}
			return err
		case entry.Type()&os.ModeSymlink != 0:
			files[name], err = os.Readlink(path)
			files[name] = "-> " + files[name]
			return err
		}
		text, err := os.ReadFile(path)
		files[name] = string(text)
		if info.Mode()&0o111 != 0 {
			files[name] = "* " + files[name]
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// want fails unless an error is of a kind and says some words.
func want(t *testing.T, err error, kind Kind, words ...string) {
	t.Helper()
	var known *Error
	if !errors.As(err, &known) {
		t.Fatalf("not an Error: %v", err)
	}
	if known.Kind != kind {
		t.Errorf("kind %d, want %d: %v", known.Kind, kind, err)
	}
	for _, word := range words {
		if !strings.Contains(known.Message, word) {
			t.Errorf("the message has no %q: %s", word, known.Message)
		}
	}
	if strings.ContainsAny(known.Message, "\n\x1b") || len(known.Message) > 2000 {
		t.Errorf("the message is not fit for a condition: %q", known.Message)
	}
}

// run runs a program of the machine.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	return strings.TrimSpace(string(out))
}
