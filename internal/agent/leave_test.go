package agent

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/gantry-operator/gantry/internal/agent/journal"
	"github.com/gantry-operator/gantry/internal/operation"
)

// gated runs an operation until it is let go.
type gated struct{ begun, release chan struct{} }

// Run waits.
func (g gated) Run(_ context.Context, op *operation.Operation, _ func(*operation.Progress)) *operation.Result {
	g.begun <- struct{}{}
	<-g.release
	return &operation.Result{Uid: op.GetUid(), Name: op.GetName(), Outcome: operation.Outcome_SUCCEEDED}
}

// Version is some.
func (gated) Version() string { return "3.0.0" }

// Trace is none.
func (gated) Trace(string) string { return "" }

// An agent leaves only when nothing would be lost, and takes nothing once it has decided to.
func TestAnAgentLeavesWithNothingToLose(t *testing.T) {
	entries, err := journal.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	work := gated{make(chan struct{}, 8), make(chan struct{})}
	a, err := New(t.Context(), Options{Journal: entries, Runner: work, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	offer := func(uid string) {
		a.Receive(&operation.HubMessage{Body: &operation.HubMessage_Operation{Operation: &operation.Operation{Uid: uid, Name: uid}}})
	}
	offer("one")
	<-work.begun
	if a.Leave() {
		t.Fatal("it leaves while an operation runs")
	}
	close(work.release)
	for len(entries.Unrecorded()) == 0 {
		<-a.settled
	}
	for !a.idle() {
		<-a.settled
	}
	if a.Leave() {
		t.Fatal("it leaves with a result that is not on record")
	}
	a.Receive(&operation.HubMessage{Body: &operation.HubMessage_Recorded{Recorded: &operation.Recorded{Uid: "one"}}})
	if !a.Leave() {
		t.Fatal("it does not leave with nothing to lose")
	}
	offer("two")
	if _, known := entries.Get("two"); known {
		t.Error("it took an operation after it had decided to leave")
	}
}
