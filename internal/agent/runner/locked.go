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

// lockedError is a stack that somebody holds who is not known to be dead.
type lockedError struct {
	words  string
	ending processError
}

// locked says who holds the stack, and what a person may do who knows more.
func locked(run *run, ending cli.Ending, holders string) *lockedError {
	return &lockedError{
		words: fmt.Sprintf("%s; that may be alive, so that it is left alone and waited for; if it is dead for certain, free the stack with: "+
			"pulumi cancel --stack %s", holders, run.op.GetStack().GetName()),
		ending: processError{command: cli.Name(run.op.GetType()), ending: ending},
	}
}

// notFreed says that what the dead left could not be canceled. The stack is held still, which is what counts: it is tried
// again for ever.
func notFreed(run *run, ending cli.Ending, holder string, err error) *lockedError {
	return &lockedError{
		words:  fmt.Sprintf("the stack is held by %s, which is dead, and could not be freed: %v", holder, err),
		ending: processError{command: cli.Name(run.op.GetType()), ending: ending},
	}
}

// Error says it for people.
func (e *lockedError) Error() string { return e.words }

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

// heal frees a stack that an operation found held, if it is proven that the dead hold it, and if it was not done before. It
// says whether it did; otherwise it answers the error, with who holds the stack where that is known.
func (r *Runner) heal(ctx context.Context, run *run, failed error) (bool, error) {
	ending, ended := endingOf(failed)
	if !ended || context.Cause(ctx) != nil {
		return false, failed
	}
	if locks, whole := lock.Parse(ending.Stderr); whole {
		return r.healLocks(ctx, run, ending, locks)
	}
	if isUpdated(ending.Stderr) {
		return r.healUpdate(ctx, run, ending, failed)
	}
	return false, failed
}

// healLocks cancels locks of a state that is kept in files or rows, if every one of them is held by the dead.
//
// The CLI cancels all locks that there are. None can be there by now that counts and was not listed: as long as there is
// a lock, nobody gets another one.
func (r *Runner) healLocks(ctx context.Context, run *run, ending cli.Ending, locks []lock.Lock) (bool, error) {
	if run.healed != "" || !r.witness(run).AllDead(locks) {
		return false, locked(run, ending, "the stack is currently locked by "+holders(locks))
	}
	r.forgetFailure(run, locks[0].String())
	if err := r.process(ctx, run, cli.Command{Args: cli.CancelArgs(run.op.GetStack().GetName()), What: "cancel"}); err != nil {
		return false, notFreed(run, ending, locks[0].String(), err)
	}
	run.healed = "the stack was locked by " + locks[0].String() + ", which ended without releasing it; the lock was canceled"
	return true, nil
}

// forgetFailure begins anew after an operation that found the stack held by the dead.
func (r *Runner) forgetFailure(run *run, holder string) {
	r.Log.Info("the stack is held by the dead", "stack", run.op.GetStack().GetName(), "holder", holder)
	run.tell(func(p *operation.Progress) { p.Step = "canceling what " + holder + " left, which is dead" })
	run.tracker, run.ending = engine.NewTracker(), cli.Ending{}
}

// holders names the holders of locks, if not too many.
func holders(locks []lock.Lock) string {
	words := make([]string, 0, len(locks))
	for _, holder := range locks[:min(len(locks), maxHolders)] {
		words = append(words, holder.String())
	}
	if more := len(locks) - len(words); more > 0 {
		words = append(words, fmt.Sprintf("%d more", more))
	}
	return strings.Join(words, " and ")
}

// witness is what this pod can prove.
func (r *Runner) witness(run *run) lock.Witness {
	began, err := r.processes().List()
	if err != nil {
		r.Log.Error("it is not known which processes of this pod took locks", "error", err)
	}
	return lock.Witness{Prefix: run.op.GetHostPrefix(), Gone: run.op.GetGoneHostPrefix(), Host: r.Host, Began: began, Alive: cli.Alive}
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
