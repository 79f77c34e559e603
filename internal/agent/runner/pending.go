package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gantry-operator/gantry/internal/agent/cli"
	"github.com/gantry-operator/gantry/internal/agent/engine"
	"github.com/gantry-operator/gantry/internal/agent/pending"
	"github.com/gantry-operator/gantry/internal/operation"
)

// Keep has the manager keep a snapshot, and answers when it has, or will not.
type Keep func(ctx context.Context, snapshot *operation.Snapshot) (*operation.SnapshotKept, error)

// errNotKept is a snapshot that no manager answered for.
var errNotKept = errors.New("nothing was changed, since the snapshot of the state is not kept yet")

// findPending looks for operations that an earlier update left in the state, where one may have, and has the manager keep
// the state before anything of it changes.
func (r *Runner) findPending(ctx context.Context, run *run) error {
	if run.op.GetPendingPolicy() == operation.PendingPolicy_PENDING_UNLOOKED || run.op.GetType() == operation.Type_PREVIEW {
		return nil
	}
	run.pending = &operation.PendingOutcome{}
	path := filepath.Join(r.State, "exported", run.op.GetUid()+".json")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make a place for the exported state: %w", err)
	}
	defer r.forget(path)
	if err := r.process(ctx, run, cli.Command{Args: cli.ExportArgs(run.op.GetStack().GetName(), path), What: "stack export"}); err != nil {
		return err
	}
	state, err := pending.Read(path)
	if err != nil {
		return err
	}
	if len(state.Operations) == 0 {
		run.pending.Outcome = operation.PendingOutcome_NONE
		return nil
	}
	run.state = state
	snapshot, err := state.Snapshot(operation.MaxSnapshotBytes)
	if err != nil {
		return err
	}
	return r.keep(ctx, run, snapshot)
}

// keep has the manager keep a snapshot. Without one nothing is changed because of pending operations.
func (r *Runner) keep(ctx context.Context, run *run, snapshot *operation.Snapshot) error {
	snapshot.Uid, snapshot.Name = run.op.GetUid(), run.op.GetName()
	run.tell(func(p *operation.Progress) { p.Step = "waiting for the manager to keep a snapshot of the state" })
	kept, err := r.Keep(ctx, snapshot)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errNotKept, err)
	case kept.GetRefused() != "":
		run.pending.Outcome, run.pending.Message = operation.PendingOutcome_FAILED, kept.GetRefused()
	case run.op.GetPendingPolicy() == operation.PendingPolicy_PENDING_KEEP:
		run.pending.Outcome = operation.PendingOutcome_KEPT
	}
	return nil
}

// clearPending refreshes the state and drops pending creates from it, and once more if all that kept it from that was locked
// by the dead.
func (r *Runner) clearPending(ctx context.Context, run *run) error {
	if run.state == nil || run.pending.GetOutcome() != operation.PendingOutcome_UNKNOWN {
		return nil
	}
	healed, err := r.heal(ctx, run, r.clearOnce(ctx, run))
	if healed {
		_, err = r.heal(ctx, run, r.clearOnce(ctx, run))
	}
	if err == nil {
		run.tracker, run.ending = engine.NewTracker(), cli.Ending{}
	}
	return err
}

// clearOnce runs the one process that clears pending operations. Where the operation has targets, nothing is refreshed but
// what was interrupted. A refresh that fails for a reason of its own does not keep the operation from going on, as Pulumi
// itself would, and the next one tries again.
func (r *Runner) clearOnce(ctx context.Context, run *run) error {
	path, err := r.newEventLog(run.op.GetUid() + "-pending")
	if err != nil {
		return err
	}
	defer r.forget(path)
	var targets []string
	if len(run.op.GetOptions().GetTarget()) > 0 {
		targets = run.state.Targets()
	}
	log := engine.NewLog(path)
	stop := r.follow(log, run)
	run.ending, err = r.CLI.Run(ctx, r.in(run, cli.Command{
		Args: cli.ClearArgs(run.op, targets, path), What: refreshing, Started: r.mayLock,
	}))
	stop()
	if err != nil {
		return err
	}
	if err := log.Drain(run.tracker); err != nil {
		return err
	}
	switch {
	case unsaved(run.tracker.Errors()):
		return errUnsaved
	case run.ending.Succeeded():
		run.pending.Outcome = operation.PendingOutcome_CLEARED
	case isOwnFailure(ctx, run):
		run.pending.Outcome = operation.PendingOutcome_FAILED
		run.pending.Message = cut("the refresh failed: "+engineMessage(run.tracker, run.ending), maxOne)
	default:
		return &processError{command: refreshing, ending: run.ending}
	}
	return nil
}

// isOwnFailure tells that a refresh failed of what need not keep the operation from succeeding: it was not ended from
// outside, nothing was out of reach, and nobody refused the stack.
func isOwnFailure(ctx context.Context, run *run) bool {
	if context.Cause(ctx) != nil || run.ending.Signal != "" || passes(run.tracker, run.ending) {
		return false
	}
	words := run.ending.Stderr + "\n" + run.ending.Stdout + "\n" + engineMessage(run.tracker, run.ending)
	return classify(words, operation.ReasonFailed) == operation.ReasonFailed
}

// interrupted tells that the operation may have left pending operations of its own.
func (r *run) interrupted(result *operation.Result) bool {
	if r.op.GetType() == operation.Type_PREVIEW {
		return false
	}
	return result.GetOutcome() == operation.Outcome_INTERRUPTED || r.ending.Killed || unsaved(r.tracker.Errors())
}

const refreshing = "refresh --clear-pending-creates"
