package runner

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/gantry-operator/gantry/internal/agent/cli"
)

// errNoStack ends a destroy early, and well: the backend has no such stack.
var errNoStack = errors.New("the backend has no such stack")

// selectForDestroy selects the stack of a destroy, which is never made: what is not there is destroyed, and errNoStack
// says so.
func (r *Runner) selectForDestroy(ctx context.Context, run *run) error {
	err := r.selects(ctx, run, false)
	if !isMissing(err) {
		return err
	}
	stack := run.op.GetStack()
	if hasOwnState(r.backend(run)) || !stack.GetCreate() {
		return errNoStack
	}
	// Pulumi Cloud says the same of a stack that the token may not see. What is there cannot be made, and what could be
	// made was not there.
	if err := r.selects(ctx, run, true); err != nil {
		return fmt.Errorf("the backend shows no stack %q, and it may be that the token may not see it: %w", stack.GetName(), err)
	}
	if err := r.process(ctx, run, cli.Command{Args: cli.RemoveArgs(stack.GetName()), What: "stack rm"}); err != nil {
		return err
	}
	return errNoStack
}

// isMissing tells that the CLI looked for a stack in the backend and did not find it.
func isMissing(err error) bool {
	ending, ended := endingOf(err)
	return ended && regexp.MustCompile(`no stack named '.*' found`).MatchString(ending.Stderr)
}

// hasOwnState tells that a backend is a place for files or rows, which shows all that is there or fails.
func hasOwnState(backend string) bool {
	return strings.Contains(backend, "://") && !strings.HasPrefix(backend, "https://") && !strings.HasPrefix(backend, "http://")
}
