package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gantry-operator/gantry/internal/operation"
)

// hostPrefix is what the host names of the pods in these tests begin with.
const hostPrefix = "app-0123456789ab-"

// named gives an operation the beginning of its pods' host names.
func named(prefix string) func(*operation.Operation) {
	return func(op *operation.Operation) { op.HostPrefix = prefix }
}

// locked puts a lock of somebody on the stack dev, as the CLI does, and answers the file.
func (p *pod) locked(host string, pid int, since time.Time) string {
	p.t.Helper()
	dir := filepath.Join(p.state, ".pulumi", "locks", "organization", "demo", "dev")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		p.t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"pid": pid, "username": "pulumi", "hostname": host, "timestamp": since})
	if err != nil {
		p.t.Fatal(err)
	}
	path := filepath.Join(dir, fmt.Sprintf("%s-%d.json", host, pid))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

func TestTheLockOfADeadPodHeals(t *testing.T) {
	p := newPod(t, realCLI(t))
	source := p.store.put(t, yaml("outputs: {y: 1}\n"), "")
	wantSuccess(t, p.hub.run(up("one", source, named(hostPrefix))))
	mark := len(p.log.text())
	p.locked(hostPrefix+"aaaa", 20, time.Unix(1767225600, 0))
	p.locked(hostPrefix+"bbbb", 30, time.Unix(1767225600, 0))
	result := p.hub.run(up("two", source, named(hostPrefix)))
	wantSuccess(t, result)
	if want := "locked by pulumi@" + hostPrefix + "aaaa (pid 20) since 2026-01-01T00:00:00Z"; !strings.Contains(result.GetHealed(), want) {
		t.Errorf("it is not said what was healed: %q", result.GetHealed())
	}
	if got := strings.Join(p.started(mark), ", "); got != "up, cancel, up" {
		t.Errorf("the processes were %s", got)
	}
	// The ordinary operation pays nothing for it, and says nothing.
	mark = len(p.log.text())
	if result := p.hub.run(up("three", source, named(hostPrefix))); result.GetHealed() != "" || slices.Contains(p.started(mark), "cancel") {
		t.Errorf("an ordinary operation healed %q with %v", result.GetHealed(), p.started(mark))
	}
}

func TestADestroyAndARefreshHealToo(t *testing.T) {
	p := newPod(t, realCLI(t))
	source := p.store.put(t, yaml("outputs: {y: 1}\n"), "")
	wantSuccess(t, p.hub.run(up("one", source, named(hostPrefix))))
	for _, kind := range []operation.Type{operation.Type_REFRESH, operation.Type_DESTROY} {
		p.locked(hostPrefix+"aaaa", 20, time.Now())
		result := p.hub.run(up(kind.String(), source, named(hostPrefix), ofType(kind)))
		wantSuccess(t, result)
		if result.GetHealed() == "" {
			t.Errorf("%v healed nothing", kind)
		}
	}
}

func TestALockThatIsNotProvenDeadStays(t *testing.T) {
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	p := newPod(t, realCLI(t))
	source := p.store.put(t, yaml("outputs: {y: 1}\n"), "")
	wantSuccess(t, p.hub.run(up("one", source)))
	for name, tc := range map[string]struct{ host, prefix string }{
		"Laptop":       {"laptop", hostPrefix},
		"AnotherStack": {"app-ba9876543210-aaaa", hostPrefix},
		"OldManager":   {hostPrefix + "aaaa", ""},
		"Node":         {own, hostPrefix},
		"PersonInPod":  {own, own},
	} {
		t.Run(name, func(t *testing.T) {
			dead := p.locked(hostPrefix+"bbbb", 20, time.Now())
			foreign := p.locked(tc.host, 4194304, time.Now())
			result := p.hub.run(up(name, source, named(tc.prefix)))
			fails(t, result, operation.ReasonConflict, "currently locked by", "pulumi@"+tc.host+" (pid 4194304) since 20", "pulumi cancel --stack dev")
			for _, file := range []string{dead, foreign} {
				if err := os.Remove(file); err != nil {
					t.Errorf("a lock is gone: %v", err)
				}
			}
		})
	}
}

func TestALockThatComesBackIsNotCanceledAgain(t *testing.T) {
	dir := t.TempDir()
	// This CLI is locked by the dead, however often that is canceled.
	script := `#!/bin/sh
case "$1" in
up) echo 'error: the stack is currently locked by 1 lock(s).' >&2
  echo '  file:///l.json: created by pulumi@` + hostPrefix + `aaaa (pid 20) at 2026-01-01T00:00:00Z' >&2; exit 255 ;;
esac
`
	if err := os.WriteFile(filepath.Join(dir, "pulumi"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	p := newPod(t, dir)
	fails(t, p.hub.run(up("one", p.store.put(t, yaml("outputs: {}\n"), ""), named(hostPrefix))), operation.ReasonConflict, hostPrefix+"aaaa")
	if got := strings.Count(p.log.text(), "command=cancel"); got != 1 {
		t.Errorf("the lock was canceled %d times, want once", got)
	}
}

func TestACancelThatFailsIsToldAndTriedAgainLater(t *testing.T) {
	dir := t.TempDir()
	script := `#!/bin/sh
case "$1" in
up) echo 'error: the stack is currently locked by 1 lock(s).' >&2
  echo '  s3://b/l.json: created by pulumi@` + hostPrefix + `aaaa (pid 20) at 2026-01-01T00:00:00Z' >&2; exit 255 ;;
cancel) echo 'error: dial tcp 192.0.2.1:443: i/o timeout' >&2; exit 255 ;;
esac
`
	if err := os.WriteFile(filepath.Join(dir, "pulumi"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	p := newPod(t, dir)
	result := p.hub.run(up("one", p.store.put(t, yaml("outputs: {}\n"), ""), named(hostPrefix)))
	fails(t, result, operation.ReasonConflict, "held by pulumi@"+hostPrefix+"aaaa", "could not be freed", "i/o timeout")
	if result.GetHealed() != "" {
		t.Errorf("it says that it healed %q", result.GetHealed())
	}
}

// TestTheLockOfAKilledProcessHeals kills the real CLI while it has the real lock, in the pod that goes on.
func TestTheLockOfAKilledProcessHeals(t *testing.T) {
	needsProvider(t)
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	dir := realCLI(t)
	p := newPod(t, dir+":"+filepath.Join(dir, "doubles"))
	sleeping := p.store.put(t, yaml("resources:\n  slow: {type: testing:Sleep, properties: {seconds: 60, label: slow}}\n"), "")
	p.hub.offer(up("one", sleeping, named(own)))
	p.hub.wait("make the slow resource", func() bool {
		n := len(p.hub.progress)
		return n > 0 && strings.HasSuffix(p.hub.progress[n-1].GetStep(), "testing:index:Sleep slow")
	})
	text := p.read(".gantry/processes.json")
	var began []struct{ PID int }
	if err := json.Unmarshal([]byte(text), &began); err != nil || len(began) != 1 {
		t.Fatalf("the process is not on record: %v, %s", err, text)
	}
	if err := syscall.Kill(began[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if result := p.hub.result("one"); result.GetOutcome() != operation.Outcome_INTERRUPTED {
		t.Fatalf("the outcome is %v: %s", result.GetOutcome(), result.GetMessage())
	}
	// The container is started again meanwhile; its disk and its host name stay.
	p.again()
	result := p.hub.run(up("two", p.store.put(t, yaml("outputs: {y: 1}\n"), ""), named(own)))
	wantSuccess(t, result)
	if want := fmt.Sprintf("@%s (pid %d) since", own, began[0].PID); !strings.Contains(result.GetHealed(), want) {
		t.Errorf("it is not said what was healed: %q", result.GetHealed())
	}
}
