package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gantry-operator/gantry/internal/agent/cli"
	"github.com/gantry-operator/gantry/internal/agent/engine"
)

// checkDrift fails an operation that is to find nothing to refresh, before it changes anything, where there is something.
func (r *Runner) checkDrift(ctx context.Context, run *run) error {
	if options := run.op.GetOptions(); !options.GetExpectNoRefreshChanges() || !options.GetRefresh() {
		return nil
	}
	path, err := r.newEventLog(run.op.GetUid() + "-drift")
	if err != nil {
		return err
	}
	defer r.forget(path)
	ending, err := r.CLI.Run(ctx, r.in(run, cli.Command{Args: cli.DriftArgs(run.op, path), What: "refresh --preview-only"}))
	if err != nil {
		return err
	}
	tracker := engine.NewTracker()
	if err := engine.NewLog(path).Drain(tracker); err != nil {
		return err
	}
	all := tracker.Changed()
	// What was interrupted is not as it is on record through no doing of anybody outside.
	changed := slices.DeleteFunc(slices.Clone(all), func(change engine.Change) bool { return run.state.Has(change.URN) })
	if len(changed) > 0 {
		return errors.New(driftMessage(changed))
	}
	if interruptedOnly := len(all) > 0 && len(tracker.Errors()) == 0; !ending.Succeeded() && !interruptedOnly {
		// The refresh itself failed: what the engine says of that is the cause.
		run.tracker, run.ending = tracker, ending
		return &processError{command: "refresh --preview-only", ending: ending}
	}
	return nil
}

// driftMessage names the resources that are not as they are on record.
func driftMessage(changed []engine.Change) string {
	lines := []string{fmt.Sprintf("expectNoRefreshChanges: %d resources were changed outside of Pulumi, so that nothing was done:", len(changed))}
	for _, change := range changed {
		line := change.URN + ": refresh would " + change.Op + " it"
		if len(change.Properties) > 0 {
			line += " (" + strings.Join(change.Properties, ", ") + ")"
		}
		lines = append(lines, line)
	}
	return several(lines, 0)
}
