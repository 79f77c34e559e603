package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gantry-operator/gantry/internal/agent/cli"
	"github.com/gantry-operator/gantry/internal/agent/engine"
	"github.com/gantry-operator/gantry/internal/operation"
)

// operateOnce runs the operation's one process and follows its events.
func (r *Runner) operateOnce(ctx context.Context, run *run) error {
	path, err := r.newEventLog(run.op.GetUid())
	if err != nil {
		return err
	}
	defer r.forget(path)
	log := engine.NewLog(path)
	stop := r.follow(log, run)
	guarded, line, release := run.guarded(ctx)
	defer release()
	ending, err := r.CLI.Run(guarded, r.in(run, cli.Command{
		Args: cli.OperationArgs(run.op, path), What: cli.Name(run.op.GetType()), Line: line, Started: r.mayLock,
	}))
	stop()
	if drainErr := log.Drain(run.tracker); drainErr != nil {
		r.Log.Error("the engine's events cannot be read to their end", "error", drainErr)
	}
	run.ending = ending
	removed := run.op.GetType() == operation.Type_DESTROY && run.op.GetOptions().GetRemove()
	if err != nil || !ending.Succeeded() || removed {
		// Whatever happened, the next operation looks whether the stack is there.
		delete(r.selected, r.stackKey(run))
	}
	switch {
	case err != nil:
		return err
	case errors.Is(context.Cause(guarded), errCloudConfig):
		return errCloudConfig
	case !ending.Succeeded():
		return &processError{command: cli.Name(run.op.GetType()), ending: ending}
	case unsaved(run.tracker.Errors()):
		return errUnsaved
	default:
		return nil
	}
}

// errUnsaved is an operation whose process says that it succeeded, while the state does not have all of it.
var errUnsaved = errors.New("the state could not be saved")

// follow reads the events while they are written. The function it returns ends that.
func (r *Runner) follow(log *engine.Log, run *run) func() {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(followEvery)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
			}
			some, err := log.Read(run.tracker)
			if err != nil {
				r.Log.Error("the engine's events cannot be followed", "error", err)
				return
			}
			if some {
				run.tell(func(p *operation.Progress) { p.Done, p.Step = run.tracker.Done(), run.tracker.Step() })
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

// permalink finds the link to the operation in what the CLI prints.
func (r *run) permalink(line string) {
	for _, label := range []string{"View Live: ", "View in Browser: ", "Permalink: "} {
		if _, link, ok := strings.Cut(line, label); ok && strings.HasPrefix(link, "http") {
			r.tell(func(p *operation.Progress) { p.Permalink = strings.TrimSpace(link) })
			return
		}
	}
}

// outputs are those of the stack, in clear. Only where a secret has to be read, or where the events have no outputs, does
// that take a process.
func (r *Runner) outputs(ctx context.Context, run *run) (map[string]*operation.Output, error) {
	outputs, known, err := run.tracker.Outputs()
	if err != nil || (known && !engine.HasSecrets(outputs)) {
		return outputs, err
	}
	// The operation has succeeded: a cancel comes too late.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), outputsWithin)
	defer cancel()
	ending, err := r.CLI.Run(ctx, r.in(run, cli.Command{
		Args: cli.OutputArgs(run.op.GetStack().GetName()), What: "stack output", Private: true,
	}))
	if err == nil && !ending.Succeeded() {
		err = errors.New("pulumi stack output: " + lastWords(cli.Ending{Code: ending.Code, Signal: ending.Signal, Stderr: ending.Stderr}))
	}
	if err != nil {
		return withoutSecrets(outputs), err
	}
	revealed, err := engine.Reveal(outputs, ending.Stdout)
	if err != nil {
		return withoutSecrets(outputs), err
	}
	return revealed, nil
}

// withoutSecrets leaves out what has no value.
func withoutSecrets(outputs map[string]*operation.Output) map[string]*operation.Output {
	plain := map[string]*operation.Output{}
	for name, output := range outputs {
		if !output.GetSecret() {
			plain[name] = output
		}
	}
	return plain
}

// Trace says how far an operation came that died with the agent before this one.
func (r *Runner) Trace(uid string) string {
	path := r.eventLog(uid)
	if !exists(path) {
		return ""
	}
	defer r.forget(path)
	log, tracker := engine.NewLog(path), engine.NewTracker()
	if err := log.Drain(tracker); err != nil {
		return ""
	}
	if log.Cut() {
		return "at least " + doneWords(tracker)
	}
	return doneWords(tracker)
}

// eventLog is where the engine's events of an operation go.
func (r *Runner) eventLog(uid string) string { return filepath.Join(r.State, "events", uid+".json") }

// newEventLog makes a place for an event log.
func (r *Runner) newEventLog(uid string) (string, error) {
	path := r.eventLog(uid)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("make a place for the engine's events: %w", err)
	}
	return path, nil
}

// forget removes an event log.
func (r *Runner) forget(path string) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.Log.Error("an event log cannot be removed", "error", err)
	}
}

const (
	followEvery   = 100 * time.Millisecond
	outputsWithin = 2 * time.Minute
)
