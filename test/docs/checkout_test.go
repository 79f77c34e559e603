package docs

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// clone lets the folder of the session be a checkout of the repository, in which `make` finds what is built.
func (s *session) clone(t *testing.T) {
	t.Helper()
	said, err := exec.CommandContext(t.Context(), filepath.Join(root, "make", "checkout.sh"), s.folder).CombinedOutput()
	if err != nil {
		t.Fatalf("make a checkout: %v\n%s", err, said)
	}
	// What Go keeps is elsewhere than in the session's home.
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOTOOLCHAIN"} {
		value, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		s.environment = append(s.environment, name+"="+strings.TrimSpace(string(value)))
	}
}

// TestCheckout shows that `make` works in the checkout of a session.
func TestCheckout(t *testing.T) {
	s := session{folder: t.TempDir()}
	s.clone(t)
	command := exec.CommandContext(t.Context(), "make", "help")
	command.Dir = s.folder
	if said, err := command.CombinedOutput(); err != nil || !strings.Contains(string(said), "List the targets") {
		t.Errorf("make help in a checkout: %v\n%s", err, said)
	}
}
