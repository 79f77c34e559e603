// Package agent owns what the agent of a workspace pod does with the manager's messages: it runs each operation at most
// once, one after the other, and keeps what came of it until the manager has it on record. The session to the manager
// may come and go meanwhile.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gantry-operator/gantry/internal/agent/cli"
	"github.com/gantry-operator/gantry/internal/agent/journal"
	"github.com/gantry-operator/gantry/internal/operation"
)

// Runner runs one operation to its end, or until the context ends it gracefully.
type Runner interface {
	Run(ctx context.Context, op *operation.Operation, report func(*operation.Progress)) *operation.Result
	// Version is the CLI's, once it is known.
	Version() string
	// Trace says how far an operation came that died with the agent before this one; empty where nothing tells.
	Trace(uid string) string
}

// Agent is the pod's end of the operations.
type Agent struct {
	version string
	journal *journal.Journal
	runner  Runner
	now     func() time.Time
	log     *slog.Logger
	outbox  *outbox
	// begin makes the context of an operation, which outlives every session.
	begin func() (context.Context, context.CancelCauseFunc)

	mu       sync.Mutex
	running  *running
	keeping  *keeping
	waiting  []*operation.Operation
	stopping bool
	leaving  bool
	settled  chan struct{}
}

// running is the operation under way.
type running struct {
	op       *operation.Operation
	cancel   context.CancelCauseFunc
	progress *operation.Progress
}

// Options are what an Agent is made of.
type Options struct {
	// Version of the agent.
	Version string
	// Journal is what earlier agents of this pod left.
	Journal *journal.Journal
	// Runner runs the operations.
	Runner Runner
	// Now is the time.
	Now func() time.Time
	// Log is the pod's.
	Log *slog.Logger
}

// New makes an agent, whose operations live no longer than the context. Operations that the journal says were under way have died with the agent before this one, and get
// their result.
func New(ctx context.Context, o Options) (*Agent, error) {
	a := &Agent{
		version: o.Version, journal: o.Journal, runner: o.Runner, now: o.Now, log: o.Log,
		outbox: newOutbox(), settled: make(chan struct{}, 1),
		begin: func() (context.Context, context.CancelCauseFunc) { return context.WithCancelCause(ctx) },
	}
	for _, entry := range o.Journal.Unfinished() {
		a.log.Warn("an operation was under way when the agent ended", "update", entry.Name, "uid", entry.UID)
		if err := o.Journal.Finish(interrupted(entry, o.Runner.Trace(entry.UID), a.now())); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// interrupted is the result of an operation that died with its agent.
func interrupted(entry journal.Entry, trace string, now time.Time) *operation.Result {
	if trace != "" {
		trace = "; " + trace
	}
	return &operation.Result{
		Uid: entry.UID, Name: entry.Name, Started: timestamppb.New(entry.Started), Ended: timestamppb.New(now),
		Outcome: operation.Outcome_INTERRUPTED, Reason: operation.ReasonAborted,
		Interrupted: entry.Command != cli.Name(operation.Type_PREVIEW),
		Message: fmt.Sprintf("the container pulumi was restarted while pulumi %s ran, so the stack may be left locked or "+
			"with pending operations; look at the pod's last state for the cause, such as OOMKilled%s", entry.Command, trace),
	}
}

// Hello says all that the agent knows. What is waiting to be sent is part of it, so it need not be sent as well.
func (a *Agent) Hello() *operation.Hello {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.outbox.clear()
	hello := &operation.Hello{
		Protocol: operation.Protocol, AgentVersion: a.version, PulumiVersion: a.runner.Version(),
		Finished: together(a.journal.Unrecorded()),
	}
	if a.keeping != nil {
		a.outbox.keep(a.keeping.snapshot)
	}
	if a.running != nil {
		hello.Running = []*operation.Progress{proto.CloneOf(a.running.progress)}
	}
	return hello
}

// SayVersion tells the manager the CLI's version, which was not known at the Hello.
func (a *Agent) SayVersion() {
	a.outbox.again(&operation.Hello{
		Protocol: operation.Protocol, AgentVersion: a.version, PulumiVersion: a.runner.Version(),
	})
}

// Receive takes a message of the manager. It never blocks for long.
func (a *Agent) Receive(message *operation.HubMessage) {
	switch body := message.GetBody().(type) {
	case *operation.HubMessage_Operation:
		a.offered(body.Operation)
	case *operation.HubMessage_Cancel:
		a.cancel(body.Cancel.GetUid(), body.Cancel.GetReason())
	case *operation.HubMessage_Recorded:
		a.recorded(body.Recorded.GetUid())
	case *operation.HubMessage_SnapshotKept:
		a.kept(body.SnapshotKept)
	}
}

// Outgoing gives what is to be sent now, and a channel that says when to ask again.
func (a *Agent) Outgoing() ([]*operation.AgentMessage, <-chan struct{}) { return a.outbox.take() }

// recorded lets go of a result.
func (a *Agent) recorded(uid string) {
	if err := a.journal.Recorded(uid); err != nil {
		a.log.Error("the journal cannot be written", "uid", uid, "error", err)
	}
	a.settle()
}

// Stop ends the operation under way gracefully and takes no other. It returns when every result is recorded, or when the
// manager had patience's time to record them.
func (a *Agent) Stop(reason string, patience time.Duration) {
	a.mu.Lock()
	a.stopping = true
	if a.running != nil {
		a.running.cancel(errors.New(reason))
	}
	a.mu.Unlock()
	for !a.idle() {
		<-a.settled
	}
	enough := time.NewTimer(patience)
	defer enough.Stop()
	for len(a.journal.Unrecorded()) > 0 {
		select {
		case <-a.settled:
		case <-enough.C:
			a.log.Warn("the manager has not recorded every result; it will find the pod gone")
			return
		}
	}
}

// Leave tells whether nothing would be lost if the agent ended now: no operation runs or waits, every one that has begun is in the
// journal with its result, and none of these is unrecorded. If so, it takes no operation any more.
func (a *Agent) Leave() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running != nil || len(a.waiting) > 0 || a.keeping != nil || len(a.journal.Unfinished())+len(a.journal.Unrecorded()) > 0 {
		return false
	}
	a.leaving = true
	return true
}

// idle says that no operation is under way.
func (a *Agent) idle() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.running == nil
}

// settle wakes Stop.
func (a *Agent) settle() {
	select {
	case a.settled <- struct{}{}:
	default:
	}
}

// command names what an operation runs.
func command(op *operation.Operation) string { return cli.Name(op.GetType()) }
