package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gantry-operator/gantry/internal/operation"
)

// slow starts an operation that waits for release, and waits until its first step is under way.
func slow(t *testing.T, change ...func(*operation.Operation)) *pod {
	t.Helper()
	p := newPod(t, cliDouble(t))
	p.hub.offer(up("slow", p.store.put(t, yaml("outputs: {}\n"), ""), change...))
	p.underWay()
	return p
}

// underWay waits until the agent says that the resource is being made.
func (p *pod) underWay() {
	p.t.Helper()
	p.hub.wait("report what it does", func() bool {
		n := len(p.hub.progress)
		return n > 0 && p.hub.progress[n-1].GetStep() == "creating testing:index:Sleep slow"
	})
}

func TestAKilledManagerFindsTheSameProcess(t *testing.T) {
	p := slow(t)
	p.hub.stop()
	p.hub.mu.Lock()
	p.hub.progress = nil
	p.hub.mu.Unlock()
	p.hub.start(p.hub.address)
	p.hub.wait("come back", func() bool { return len(p.hub.hellos) == 2 })
	p.underWay()
	p.release()
	result := p.hub.result("slow")
	wantSuccess(t, result)
	if p.ups() != 1 {
		t.Errorf("up ran %d times, want once", p.ups())
	}
	if result.GetPulumiVersion() != "3.0.0-double" {
		t.Errorf("the CLI's version is %q", result.GetPulumiVersion())
	}
	p.afterAnother("slow", 1)
}

func TestAResultWaitsForTheManager(t *testing.T) {
	p := slow(t)
	p.hub.stop()
	p.release()
	waitFor(t, "the operation to end", func() bool { return strings.Contains(p.log.text(), "the operation ended") })
	// The manager that comes back dies again before it has the result on record.
	p.hub.mu.Lock()
	p.hub.keep = true
	p.hub.mu.Unlock()
	p.hub.start(p.hub.address)
	wantSuccess(t, p.hub.result("slow"))
	p.hub.stop()
	p.hub.mu.Lock()
	p.hub.keep = false
	p.hub.mu.Unlock()
	p.hub.start(p.hub.address)
	p.hub.wait("send the result again", func() bool { return len(p.hub.results) == 2 })
	p.hub.mu.Lock()
	finished := len(p.hub.hellos[2].GetFinished())
	p.hub.mu.Unlock()
	if finished != 1 {
		t.Errorf("the last hello has %d results, want 1", finished)
	}
	p.afterAnother("slow", 2)
}

func TestAKilledAgentReportsOnceThatTheOperationWasInterrupted(t *testing.T) {
	p := slow(t)
	p.kill()
	p.start()
	result := p.hub.result("slow")
	if result.GetOutcome() != operation.Outcome_INTERRUPTED || result.GetReason() != operation.ReasonAborted {
		t.Fatalf("outcome %v, reason %s: %s", result.GetOutcome(), result.GetReason(), result.GetMessage())
	}
	for _, part := range []string{"restarted while pulumi up ran", "under way was creating testing:index:Sleep slow"} {
		if !strings.Contains(result.GetMessage(), part) {
			t.Errorf("the message lacks %q: %s", part, result.GetMessage())
		}
	}
	// The manager offers it again, not knowing better: it does not run.
	p.hub.offer(up("slow", nil))
	p.afterAnother("slow", 2)
	if p.ups() != 2 {
		t.Errorf("up ran %d times, want once for each operation", p.ups())
	}
}

// afterAnother runs one more operation, which goes through everything that is under way, and then counts results.
func (p *pod) afterAnother(uid string, results int) {
	p.t.Helper()
	p.release()
	wantSuccess(p.t, p.hub.run(up("another", p.store.put(p.t, yaml("outputs: {}\n"), ""))))
	if n := p.hub.count(uid); n != results {
		p.t.Errorf("the result came %d times, want %d", n, results)
	}
}

func TestAnOperationOfferedTwiceRunsOnce(t *testing.T) {
	p := slow(t)
	p.hub.offer(up("slow", nil))
	// Another one waits its turn.
	p.hub.offer(up("later", p.store.put(t, yaml("outputs: {}\n"), "")))
	p.release()
	wantSuccess(t, p.hub.result("slow"))
	wantSuccess(t, p.hub.result("later"))
	p.hub.offer(up("slow", nil))
	p.hub.wait("answer with the result", func() bool { return len(p.hub.results) == 3 })
	if p.ups() != 2 {
		t.Errorf("up ran %d times, want once for each operation", p.ups())
	}
}

func TestCancelInTheMiddle(t *testing.T) {
	p := slow(t)
	p.hub.offer(up("waiting", nil))
	p.hub.cancel("waiting", "")
	p.hub.cancel("slow", "the Update was deleted")
	result := p.hub.result("slow")
	if result.GetOutcome() != operation.Outcome_CANCELED || result.GetReason() != operation.ReasonCanceled {
		t.Errorf("outcome %v, reason %s", result.GetOutcome(), result.GetReason())
	}
	for _, part := range []string{"the Update was deleted", "creating testing:index:Sleep slow"} {
		if !strings.Contains(result.GetMessage(), part) {
			t.Errorf("the message lacks %q: %s", part, result.GetMessage())
		}
	}
	if result := p.hub.result("waiting"); result.GetOutcome() != operation.Outcome_CANCELED {
		t.Errorf("an operation that waited has the outcome %v", result.GetOutcome())
	}
	if p.ups() != 1 {
		t.Errorf("up ran %d times, want once", p.ups())
	}
}

func TestAStubbornProcessIsKilledWithItsFamily(t *testing.T) {
	p := slow(t, func(op *operation.Operation) { op.CancelGrace = durationpb.New(200 * time.Millisecond) })
	if err := os.WriteFile(p.home("stubborn"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.hub.cancel("slow", "")
	result := p.hub.result("slow")
	if result.GetOutcome() != operation.Outcome_CANCELED || !strings.Contains(result.GetMessage(), "was killed") {
		t.Errorf("outcome %v: %s", result.GetOutcome(), result.GetMessage())
	}
	helper, err := p.helper()
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the helper process to be gone", func() bool { return syscall.Kill(helper, 0) == syscall.ESRCH })
}

func TestTheEndOfThePodCancelsAndReports(t *testing.T) {
	p := slow(t)
	p.terminate()
	result := p.hub.result("slow")
	if result.GetOutcome() != operation.Outcome_CANCELED || !strings.Contains(result.GetMessage(), "the pod was ending") {
		t.Errorf("outcome %v: %s", result.GetOutcome(), result.GetMessage())
	}
}

func TestAProcessKilledFromOutside(t *testing.T) {
	p := slow(t)
	text, err := os.ReadFile(p.home("ups"))
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscanf(string(text), "up %d", &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	result := p.hub.result("slow")
	if result.GetOutcome() != operation.Outcome_INTERRUPTED || result.GetReason() != operation.ReasonAborted {
		t.Errorf("outcome %v, reason %s", result.GetOutcome(), result.GetReason())
	}
	if !strings.Contains(result.GetMessage(), "memory") {
		t.Errorf("the message does not say what to do: %s", result.GetMessage())
	}
}

func TestAVersionThatIsKnownLateIsToldToo(t *testing.T) {
	p := newPod(t, cliDouble(t))
	p.hub.wait("tell the CLI's version", func() bool { return p.hub.version == "3.0.0-double" })
}

func TestTheTokenIsReadForEachSession(t *testing.T) {
	p := newPod(t, cliDouble(t))
	p.hub.wait("connect", func() bool { return len(p.hub.hellos) == 1 })
	p.hub.stop()
	p.hub.mu.Lock()
	p.hub.token = "rotated"
	p.hub.mu.Unlock()
	p.hub.start(p.hub.address)
	p.hub.wait("be refused with the old token", func() bool { return len(p.hub.tokens) > 1 })
	p.write("token", "rotated")
	p.hub.wait("come with the new token", func() bool { return len(p.hub.hellos) == 2 })
}

func TestAHubThatIsNotTheManagersIsNotTrusted(t *testing.T) {
	p := newPod(t, cliDouble(t))
	p.hub.wait("connect", func() bool { return len(p.hub.hellos) == 1 })
	p.hub.stop()
	p.hub.mu.Lock()
	p.hub.cert, _ = certificate(t)
	p.hub.tokens = nil
	p.hub.mu.Unlock()
	mark := len(p.log.text())
	p.hub.start(p.hub.address)
	waitFor(t, "the agent to refuse the certificate", func() bool {
		return strings.Contains(p.log.text()[mark:], "certificate signed by unknown authority")
	})
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	if len(p.hub.tokens) != 0 {
		t.Errorf("the token was sent to a server that is not the manager")
	}
}

// waitFor waits for something that no message tells.
func waitFor(tb testing.TB, what string, seen func() bool) {
	tb.Helper()
	deadline := time.Now().Add(patience)
	for !seen() {
		if time.Now().After(deadline) {
			tb.Fatalf("waited too long for %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// An agent that the manager refuses ends, with the reason where the kubelet reads it, and is as good as new when it is taken in.
func TestAnAgentThatIsRefusedSaysWhy(t *testing.T) {
	p := newPod(t, cliDouble(t))
	p.hub.wait("come", func() bool { return len(p.hub.hellos) == 1 })
	words := filepath.Join(p.share, "termination-log")
	p.write("token", "somebody else's")
	p.again("--termination-log=" + words)
	ended := make(chan error, 1)
	process := p.process
	go func() { ended <- process.Wait() }()
	select {
	case err := <-ended:
		if code := process.ProcessState.ExitCode(); code != operation.ExitUnreachable {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the agent did not end")
	}
	if got, want := p.read("termination-log"), "the manager refuses the pod's token: the token is not the pod's"; got != want {
		t.Errorf("its last words are %q, want %q", got, want)
	}
	p.write("token", "pod-token")
	p.start()
	p.hub.wait("come back", func() bool { return len(p.hub.hellos) == 2 })
	p.hub.offer(up("after", p.store.put(t, yaml("outputs: {}\n"), "")))
	p.underWay()
	p.release()
	wantSuccess(t, p.hub.result("after"))
}
