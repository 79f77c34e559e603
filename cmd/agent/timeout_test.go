package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gantry-operator/gantry/internal/operation"
)

// within gives an operation a timeout.
func within(limit time.Duration) func(*operation.Operation) {
	return func(op *operation.Operation) { op.Timeout = durationpb.New(limit) }
}

// wantTimeout checks that an operation was ended since it took too long.
func wantTimeout(tb testing.TB, result *operation.Result, words ...string) {
	tb.Helper()
	if result.GetOutcome() != operation.Outcome_FAILED || result.GetReason() != operation.ReasonTimeout {
		tb.Fatalf("outcome %v, reason %s: %s", result.GetOutcome(), result.GetReason(), result.GetMessage())
	}
	for _, part := range append([]string{"timed out", "raise spec.timeout"}, words...) {
		if !strings.Contains(result.GetMessage(), part) {
			tb.Errorf("the message lacks %q: %s", part, result.GetMessage())
		}
	}
}

// The state is saved and the lock released: what was made is not made again, and the next operation finds no lock.
func TestARealUpThatTakesTooLongEndsGracefully(t *testing.T) {
	p := withProvider(t)
	done := filepath.Join(p.share, "done")
	source := p.store.put(t, yaml(`resources:
  first: {type: testing:Sleep, properties: {seconds: 0, label: first, log: "`+done+`"}}
  slow: {type: testing:Sleep, properties: {seconds: 6, label: slow, log: "`+done+`"}, options: {dependsOn: ["${first}"]}}
  never: {type: testing:Sleep, properties: {seconds: 0, label: never, log: "`+done+`"}, options: {dependsOn: ["${slow}"]}}
`), "")
	result := p.hub.run(up("one", source, within(4*time.Second)))
	wantTimeout(t, result, "timeout of 4s")
	if strings.Contains(result.GetMessage(), "was killed") {
		t.Errorf("pulumi was killed: %s", result.GetMessage())
	}
	wantSuccess(t, p.hub.run(up("two", source)))
	text, err := os.ReadFile(done)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, label := range []string{"first", "never"} {
		got[label] = strings.Count(string(text), label)
	}
	if diff := cmp.Diff(map[string]int{"first": 1, "never": 1}, got); diff != "" {
		t.Errorf("how often resources were made (-want +got):\n%s\n%s", diff, text)
	}
}

// The agent keeps the time: no manager has to be there when it is over.
func TestATimeoutEndsWhileTheManagerIsAway(t *testing.T) {
	p := slow(t, within(5*time.Second))
	p.hub.stop()
	waitFor(t, "the operation to end", func() bool { return strings.Contains(p.log.text(), "the operation ended") })
	p.hub.start(p.hub.address)
	wantTimeout(t, p.hub.result("slow"), "timeout of 5s", "creating testing:index:Sleep slow")
	p.afterAnother("slow", 1)
}

// A timeout that is not over says nothing of an operation.
func TestATimeoutIsNotOver(t *testing.T) {
	p := slow(t, within(time.Hour))
	p.release()
	wantSuccess(t, p.hub.result("slow"))
}

// A process that does not end in its grace period is killed, and the operation has timed out all the same.
func TestATimeoutOfAStubbornProcess(t *testing.T) {
	p := newPod(t, cliDouble(t))
	if err := os.WriteFile(p.home("stubborn"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	result := p.hub.run(up("slow", p.store.put(t, yaml("outputs: {}\n"), ""), within(3*time.Second),
		func(op *operation.Operation) { op.CancelGrace = durationpb.New(200 * time.Millisecond) }))
	wantTimeout(t, result, "was killed")
}

// Where the pod has less time to end than the operation's grace period, pulumi is killed while there is time left to say so.
func TestAPodThatEndsSoonKillsAndReports(t *testing.T) {
	p := newPod(t, cliDouble(t), "GANTRY_KILL_AFTER=300ms")
	if err := os.WriteFile(p.home("stubborn"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.hub.offer(up("slow", p.store.put(t, yaml("outputs: {}\n"), ""), func(op *operation.Operation) {
		op.CancelGrace = durationpb.New(time.Hour)
	}))
	p.underWay()
	p.terminate()
	result := p.hub.result("slow")
	if result.GetOutcome() != operation.Outcome_CANCELED || !strings.Contains(result.GetMessage(), "was killed") {
		t.Errorf("outcome %v: %s", result.GetOutcome(), result.GetMessage())
	}
}
