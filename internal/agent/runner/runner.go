// Package runner owns the run of one operation in the pod, from the program's source to the result. The operation
// itself is one process of the CLI; the steps before it are done once per source or stack, and only where they must be.
package runner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gantry-operator/gantry/internal/agent/cli"
	"github.com/gantry-operator/gantry/internal/agent/engine"
	"github.com/gantry-operator/gantry/internal/agent/pending"
	"github.com/gantry-operator/gantry/internal/agent/project"
	"github.com/gantry-operator/gantry/internal/agent/settings"
	"github.com/gantry-operator/gantry/internal/operation"
)

// Runner runs operations, one at a time.
type Runner struct {
	// CLI starts the processes.
	CLI *cli.CLI
	// Workspace brings the program into place.
	Workspace *project.Workspace
	// Settings writes the stack's settings.
	Settings *settings.Writer
	// Pod says what the generated kubeconfig is made of.
	Pod Pod
	// Env is the environment of the container, without what is the agent's own.
	Env []string
	// DynamicEnv is the path of a dotenv file that is read for each operation, if it is there.
	DynamicEnv string
	// Host is the host name of the pod.
	Host string
	// HTTP asks Pulumi Cloud who updates a stack. It follows no redirects.
	HTTP *http.Client
	// State is a directory on the pod's disk, for event logs and marks of what was installed.
	State string
	// Keep has the manager keep a snapshot of the state.
	Keep Keep
	// Now is the time.
	Now func() time.Time
	// Log is the pod's.
	Log *slog.Logger

	mu       sync.Mutex
	version  string
	selected map[string]bool
}

// run is one operation under way.
type run struct {
	op      *operation.Operation
	report  func(*operation.Progress)
	env     environment
	project *project.Project
	tracker *engine.Tracker
	ending  cli.Ending
	// configured says that the operation brings configuration or environments of its own.
	configured bool
	// healed says what was locked by the dead, and that it was canceled.
	healed string
	// state has pending operations; nil where it has none, or was not looked at. pending is what becomes of them.
	state   *pending.State
	pending *operation.PendingOutcome
	// notes go into the message of a failure.
	notes []string

	mu       sync.Mutex
	progress *operation.Progress
}

// step is one part of a run. Its words are the progress while it is done, its reason that of its failure; its time counts
// for its phase.
type step struct {
	phase, words, reason string
	do                   func(context.Context, *run) error
}

// steps are what it takes, in this order.
func (r *Runner) steps(op *operation.Operation) []step {
	return []step{
		{operation.PhaseFetch, "fetching the program", operation.ReasonSourceFailed, r.prepare},
		{operation.PhaseInstall, "installing what the program needs", operation.ReasonInstallationFailed, r.install},
		{operation.PhaseConfigure, "selecting the stack", operation.ReasonInitializationFailed, r.selectStack},
		{operation.PhaseConfigure, "configuring the stack", operation.ReasonInitializationFailed, r.configure},
		{operation.PhaseOperation, "looking for pending operations", operation.ReasonInitializationFailed, r.findPending},
		{operation.PhaseOperation, "looking for changes made outside of Pulumi", operation.ReasonFailed, r.checkDrift},
		{operation.PhaseOperation, "refreshing what was interrupted", operation.ReasonFailed, r.clearPending},
		{operation.PhaseOperation, "starting " + cli.Name(op.GetType()), operation.ReasonFailed, r.operate},
	}
}

// Run runs the operation to its end. It ends early and gracefully when the context does, whose cause is then in the
// result, and when its timeout is over. Progress is reported when something changed.
func (r *Runner) Run(ctx context.Context, op *operation.Operation, report func(*operation.Progress)) *operation.Result {
	started := timestamppb.New(r.Now())
	ctx, stop := limited(ctx, op)
	defer stop()
	run := &run{
		op: op, report: report, tracker: engine.NewTracker(),
		progress: &operation.Progress{Uid: op.GetUid(), Name: op.GetName(), Started: started},
	}
	result := &operation.Result{Uid: op.GetUid(), Name: op.GetName(), Started: started}
	for _, step := range r.steps(op) {
		run.tell(func(p *operation.Progress) { p.Step = step.words })
		err := context.Cause(ctx)
		if err == nil {
			begun := r.Now()
			err = step.do(ctx, run)
			result.Phases = addPhase(result.GetPhases(), step.phase, r.Now().Sub(begun))
		}
		if errors.Is(err, errNoStack) {
			result.Outcome, result.Reason = operation.Outcome_SUCCEEDED, operation.ReasonSucceeded
			result.Message = fmt.Sprintf("there is nothing to destroy: the backend has no stack %q", op.GetStack().GetName())
			break
		}
		if err != nil {
			r.Log.Info("the operation did not succeed", "update", op.GetName(), "uid", op.GetUid(), "step", step.words)
			fail(ctx, result, run, failure{reason: step.reason, err: err})
			break
		}
	}
	if result.GetOutcome() == operation.Outcome_OUTCOME_UNSPECIFIED {
		r.succeed(ctx, result, run)
	}
	r.finish(result, run)
	return result
}

// addPhase adds to the time of a phase.
func addPhase(phases []*operation.Phase, name string, took time.Duration) []*operation.Phase {
	if last := len(phases) - 1; last >= 0 && phases[last].GetName() == name {
		phases[last].Duration = durationpb.New(phases[last].GetDuration().AsDuration() + took)
		return phases
	}
	return append(phases, &operation.Phase{Name: name, Duration: durationpb.New(took)})
}

// finish fills in what every result has.
func (r *Runner) finish(result *operation.Result, run *run) {
	if run.project != nil && run.project.Settings != nil {
		result.Project = run.project.Info()
	}
	run.mu.Lock()
	result.Permalink = run.progress.GetPermalink()
	run.mu.Unlock()
	result.Changes = run.tracker.Changes()
	result.Pending = run.pending
	result.Interrupted = run.interrupted(result)
	result.PulumiVersion = r.Version()
	result.Healed = run.healed
	result.Ended = timestamppb.New(r.Now())
}

// succeed makes the result of a success, with the outputs after an up.
func (r *Runner) succeed(ctx context.Context, result *operation.Result, run *run) {
	result.Outcome, result.Reason = operation.Outcome_SUCCEEDED, operation.ReasonSucceeded
	result.Message = successMessage(run.op.GetType(), run.tracker.Changes())
	if run.op.GetType() != operation.Type_UP {
		return
	}
	outputs, err := r.outputs(ctx, run)
	if err != nil {
		r.Log.Error("the outputs cannot be read", "update", run.op.GetName(), "uid", run.op.GetUid(), "error", err)
		result.Message += "; its outputs could not be read: " + err.Error()
	}
	result.Outputs = outputs
}

// tell changes the progress and reports it if that made a difference.
func (r *run) tell(change func(*operation.Progress)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := snapshot(r.progress)
	change(r.progress)
	if snapshot(r.progress) != before {
		r.report(&operation.Progress{
			Uid: r.progress.GetUid(), Name: r.progress.GetName(), Started: r.progress.GetStarted(),
			Done: r.progress.GetDone(), Step: r.progress.GetStep(), Permalink: r.progress.GetPermalink(),
		})
	}
}

// seen is what may change of a progress.
type seen struct {
	done            int32
	step, permalink string
}

func snapshot(p *operation.Progress) seen { return seen{p.GetDone(), p.GetStep(), p.GetPermalink()} }

// mark is the path of a file that says that something was done once in this pod.
func (r *Runner) mark(kind, what string) string {
	sum := sha256.Sum256([]byte(what))
	return filepath.Join(r.State, kind, hex.EncodeToString(sum[:16]))
}
