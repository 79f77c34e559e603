package agent

import (
	"errors"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gantry-operator/gantry/internal/agent/journal"
	"github.com/gantry-operator/gantry/internal/operation"
)

// offered takes an operation. One that is known already is answered with what is known of it and never run again.
func (a *Agent) offered(op *operation.Operation) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.leaving {
		return // it is offered again to the agent that comes next
	}
	if a.running != nil && a.running.op.GetUid() == op.GetUid() {
		a.outbox.progress(proto.CloneOf(a.running.progress))
		return
	}
	if entry, ok := a.journal.Get(op.GetUid()); ok {
		if entry.Result != nil {
			a.outbox.result(entry.Result)
		}
		return
	}
	switch {
	case slices.ContainsFunc(a.waiting, func(w *operation.Operation) bool { return w.GetUid() == op.GetUid() }):
	case a.running != nil:
		a.waiting = append(a.waiting, op)
	default:
		a.start(op)
	}
}

// start writes the operation to the journal and runs it. The caller holds the lock.
func (a *Agent) start(op *operation.Operation) {
	now := a.now()
	entry := journal.Entry{UID: op.GetUid(), Name: op.GetName(), Command: command(op), Started: now}
	if err := a.journal.Start(entry); err != nil {
		// Without the journal nothing would keep the operation from running twice.
		a.log.Error("an operation cannot be started", "update", op.GetName(), "uid", op.GetUid(), "error", err)
		a.outbox.result(notRun(op, timestamppb.New(now), operation.Outcome_FAILED, operation.ReasonInitializationFailed,
			"the agent cannot write to the pod's disk: "+err.Error()))
		return
	}
	if a.stopping {
		a.finish(notRun(op, timestamppb.New(now), operation.Outcome_CANCELED, operation.ReasonCanceled,
			"the pod was ending when the operation came"))
		return
	}
	a.log.Info("the operation starts", "update", op.GetName(), "uid", op.GetUid(), "command", command(op))
	ctx, cancel := a.begin()
	a.running = &running{op: op, cancel: cancel, progress: &operation.Progress{
		Uid: op.GetUid(), Name: op.GetName(), Started: timestamppb.New(now),
	}}
	a.outbox.progress(proto.CloneOf(a.running.progress))
	go func() {
		defer cancel(nil)
		result := a.runner.Run(ctx, op, a.report)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.running = nil
		a.finish(result)
		a.next()
	}()
}

// report keeps the progress of the operation under way and sends it on.
func (a *Agent) report(progress *operation.Progress) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running != nil && a.running.op.GetUid() == progress.GetUid() {
		a.running.progress = progress
		a.outbox.progress(proto.CloneOf(progress))
	}
}

// finish puts a result on the disk and sends it. The caller holds the lock.
func (a *Agent) finish(result *operation.Result) {
	result = fitting(result)
	a.log.Info("the operation ended", "update", result.GetName(), "uid", result.GetUid(), "outcome", result.GetOutcome().String(),
		"reason", result.GetReason())
	if err := a.journal.Finish(result); err != nil {
		a.log.Error("the journal cannot be written; the result is lost if the container is restarted", "error", err)
	}
	a.outbox.result(result)
	a.settle()
}

// next starts the operation that waits longest. The caller holds the lock.
func (a *Agent) next() {
	for len(a.waiting) > 0 && a.running == nil {
		op := a.waiting[0]
		a.waiting = a.waiting[1:]
		a.start(op)
	}
}

// cancel ends an operation gracefully, or keeps one that waits from starting.
func (a *Agent) cancel(uid, reason string) {
	if reason == "" {
		reason = "the manager asked for it"
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running != nil && a.running.op.GetUid() == uid {
		a.running.cancel(errors.New(reason))
		return
	}
	i := slices.IndexFunc(a.waiting, func(w *operation.Operation) bool { return w.GetUid() == uid })
	if i < 0 {
		return
	}
	op, now := a.waiting[i], a.now()
	a.waiting = slices.Delete(a.waiting, i, i+1)
	entry := journal.Entry{UID: op.GetUid(), Name: op.GetName(), Command: command(op), Started: now}
	if err := a.journal.Start(entry); err != nil {
		a.log.Error("the journal cannot be written", "error", err)
	}
	a.finish(notRun(op, timestamppb.New(now), operation.Outcome_CANCELED, operation.ReasonCanceled,
		"canceled before it started: "+reason))
}

// notRun is the result of an operation that never started.
func notRun(
	op *operation.Operation, at *timestamppb.Timestamp, outcome operation.Outcome, reason, message string,
) *operation.Result {
	return &operation.Result{
		Uid: op.GetUid(), Name: op.GetName(), Started: at, Ended: at, Outcome: outcome, Reason: reason, Message: message,
	}
}

// fitting is the result as a session can carry it: its words are text, and its outputs no larger than that. What fits
// into a Secret fits many times, so the manager can still say that outputs are too large to record.
func fitting(result *operation.Result) *operation.Result {
	for _, text := range []*string{&result.Message, &result.Reason, &result.Permalink} {
		*text = strings.ToValidUTF8(*text, "")
	}
	if pending := result.GetPending(); pending != nil {
		pending.Message = strings.ToValidUTF8(pending.GetMessage(), "")
	}
	if proto.Size(result) > maxResult {
		result.Outputs = nil
		result.Message += unsent
	}
	return result
}

// together are results as one Hello can carry them, which it may have to after the manager was away for long: of those
// before the newest the outputs are left out where they are too much.
func together(results []*operation.Result) []*operation.Result {
	size := 0
	for i, result := range slices.Backward(results) {
		if size += proto.Size(result); size > maxHello {
			results[i] = proto.CloneOf(result)
			results[i].Outputs = nil
			results[i].Message += unsent
			size += proto.Size(results[i]) - proto.Size(result)
		}
	}
	return results
}

const (
	// maxResult bounds a result, maxHello several in one message. The hub takes 16 MiB at once.
	maxResult = 8 << 20
	maxHello  = 12 << 20

	unsent = "; its outputs are larger than the agent can send and are not recorded"
)
