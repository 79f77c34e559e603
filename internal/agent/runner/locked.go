package runner

import (
	"context"
	"fmt"
	"strings"

	"github.com/gantry-operator/gantry/internal/agent/cli"
	"github.com/gantry-operator/gantry/internal/agent/engine"
	"github.com/gantry-operator/gantry/internal/agent/lock"
	"github.com/gantry-operator/gantry/internal/operation"
)

// lockedError is a stack that holders have locked who are not known to be dead.
type lockedError struct {
	stack   string
	holders []lock.Lock
	ending  processError
}

// Error says who they are, and what a person may do who knows more.
func (e *lockedError) Error() string {
	words := make([]string, 0, len(e.holders))
	for _, holder := range e.holders[:min(len(e.holders), maxHolders)] {
		words = append(words, holder.String())
	}
	if more := len(e.holders) - len(words); more > 0 {
		words = append(words, fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("the stack is currently locked by %s; that may be alive, so that the lock is left alone and waited for; "+
		"if it is dead for certain, free the stack with: pulumi cancel --stack %s", strings.Join(words, " and "), e.stack)
}

// Unwrap gives the process that met the locks.
func (e *lockedError) Unwrap() error { return &e.ending }

// operate runs the operation, and once more if all that kept it from running was locked by the dead.
func (r *Runner) operate(ctx context.Context, run *run) error {
	err := r.operateOnce(ctx, run)
	healed, err := r.heal(ctx, run, err)
	if !healed {
		return err
	}
	_, err = r.heal(ctx, run, r.operateOnce(ctx, run))
	return err
}

// heal cancels the locks that an operation failed of, if every one of them is proven to be held by the dead, and if it was
// not done before. It says whether it did; otherwise it answers the error, with the holders' names in it.
//
// The CLI cancels all locks that there are. None can be there by now that counts and was not listed: as long as there is
// a lock, nobody gets another one.
func (r *Runner) heal(ctx context.Context, run *run, failed error) (bool, error) {
	ending, ended := endingOf(failed)
	if !ended || context.Cause(ctx) != nil {
		return false, failed
	}
	locks, whole := lock.Parse(ending.Stderr)
	if !whole {
		return false, failed
	}
	stack := run.op.GetStack().GetName()
	if run.healed != "" || !r.witness(run).AllDead(locks) {
		return false, &lockedError{stack: stack, holders: locks, ending: processError{command: cli.Name(run.op.GetType()), ending: ending}}
	}
	run.tell(func(p *operation.Progress) { p.Step = "canceling the lock of " + locks[0].String() + ", which is dead" })
	run.tracker, run.ending = engine.NewTracker(), cli.Ending{}
	r.Log.Info("the stack is locked by the dead", "stack", stack, "holder", locks[0].String(), "locks", len(locks))
	if err := r.process(ctx, run, cli.Command{Args: cli.CancelArgs(stack), What: "cancel"}); err != nil {
		return false, fmt.Errorf("free the stack of %s, which is dead: %w", locks[0], err)
	}
	run.healed = "the stack was locked by " + locks[0].String() + ", which ended without releasing it; the lock was canceled"
	return true, nil
}

// witness is what this pod can prove.
func (r *Runner) witness(run *run) lock.Witness {
	began, err := r.processes().List()
	if err != nil {
		r.Log.Error("it is not known which processes of this pod took locks", "error", err)
	}
	return lock.Witness{Prefix: run.op.GetHostPrefix(), Host: r.Host, Began: began, Alive: cli.Alive}
}

// mayLock puts a process on record that may take a lock.
func (r *Runner) mayLock(pid int) {
	if err := r.processes().Add(lock.Process{PID: pid, At: r.Now()}); err != nil {
		r.Log.Error("a process cannot be put on record; should it die, its lock is not canceled", "error", err)
	}
}

func (r *Runner) processes() lock.Processes {
	return lock.Processes{Path: r.State + "/processes.json"}
}

// maxHolders is how many holders of locks are named.
const maxHolders = 5
