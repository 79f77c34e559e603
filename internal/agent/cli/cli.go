// Package cli owns the processes of the Pulumi CLI: their arguments, their environment, how they are started, watched,
// interrupted and killed, and where their output goes. No value of a secret is ever among the arguments.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// CLI starts Pulumi's processes.
type CLI struct {
	// Path of the executable, or its name in PATH.
	Path string
	// Children knows the agent's processes.
	Children *Children
	// Kill kills what runs when it is closed, whatever is left of its grace period: the pod has no more time. It may be nil.
	Kill <-chan struct{}
	// Output gets what the processes print, line by line: the pod's log.
	Output io.Writer
	// Log gets one line for each process.
	Log *slog.Logger

	output sync.Mutex
}

// Command is one process to run.
type Command struct {
	// Args come after the executable.
	Args []string
	// What and Stack are how the log names the process.
	What, Stack string
	// Dir is the working directory; Env the whole environment.
	Dir string
	Env []string
	// Stdin is what the process reads; nothing if it is empty.
	Stdin string
	// Private keeps standard output from the log.
	Private bool
	// Grace is the time between SIGINT and a kill, once the context has ended.
	Grace time.Duration
	// Nice lowers the priority.
	Nice bool
	// Started is told the process. It may be nil.
	Started func(pid int)
	// Line is told each line that is not private. It may be nil.
	Line func(string)
}

// Ending says how a process ended.
type Ending struct {
	// Code is the exit code; -1 after a signal.
	Code int
	// Signal is what ended the process, if a signal did.
	Signal string
	// Interrupted says that SIGINT was sent; Killed that SIGKILL was, too.
	Interrupted, Killed bool
	// Stdout is the whole of it for a private process, as far as anything can be done with it, otherwise its last lines.
	Stdout string
	// Stderr is its last lines.
	Stderr string
}

// Succeeded says that the process did what it was asked to.
func (e Ending) Succeeded() bool { return e.Code == 0 }

// Run runs a process to its end. When the context ends it gets SIGINT, which makes the CLI finish what is under way and
// save the state; after the grace period it is killed with all it started. An error means that it could not be started.
func (c *CLI) Run(ctx context.Context, command Command) (Ending, error) {
	c.Log.Info("running pulumi", "command", command.What, "stack", command.Stack)
	// What the end of the context does is not the library's business but watch's.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), c.Path, command.Args...)
	cmd.Dir, cmd.Env = command.Dir, command.Env
	if command.Stdin != "" {
		cmd.Stdin = strings.NewReader(command.Stdin)
	}
	// A group of its own: what is sent to the agent's group does not reach the CLI. And should the agent be killed
	// without its container, the CLI is asked to end.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
	// What the CLI leaves behind may hold its output open.
	cmd.WaitDelay = outputDelay
	stdout, stderr, unseen := c.lines(command), c.lines(command), &private{}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if command.Private {
		cmd.Stdout = unseen
	}
	// The death signal is bound to the thread that started the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := c.Children.start(cmd); err != nil {
		return Ending{}, fmt.Errorf("start pulumi: %w", err)
	}
	command.begun(cmd.Process.Pid)
	watch := c.watch(ctx, cmd.Process, command.Grace)
	err := cmd.Wait()
	c.Children.done(cmd.Process.Pid)
	ending := c.ended(cmd, watch)
	stdout.flush()
	stderr.flush()
	ending.Stdout, ending.Stderr = stdout.tail(), stderr.tail()
	if command.Private {
		ending.Stdout = unseen.kept.String()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) && ending.Code == 0 {
		return ending, fmt.Errorf("wait for pulumi: %w", err)
	}
	return ending, nil
}

// ended tells how a process ended. One that a signal ended, whoever sent it, has ended nothing of what it started, and
// providers would go on creating: that is killed, too.
func (c *CLI) ended(cmd *exec.Cmd, watch func() (interrupted, killed bool)) Ending {
	ending := Ending{}
	ending.Interrupted, ending.Killed = watch()
	ending.Code, ending.Signal = status(cmd.ProcessState)
	if ending.Killed || ending.Signal != "" {
		c.Children.KillStrays()
	}
	return ending
}

// begun is what happens to a process as soon as it is there.
func (c Command) begun(pid int) {
	if c.Started != nil {
		c.Started(pid)
	}
	if c.Nice {
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, pid, lowPriority)
	}
}

// watch asks the process to end when the context does, and kills its group after the grace period. The function it
// returns ends the watch and tells what was sent.
func (c *CLI) watch(ctx context.Context, process *os.Process, grace time.Duration) func() (interrupted, killed bool) {
	ended, watched := make(chan struct{}), make(chan struct{})
	var interrupted, killed bool
	go func() {
		defer close(watched)
		select {
		case <-ended:
			return
		case <-ctx.Done():
		case <-c.Kill:
		}
		interrupted = true
		c.Log.Info("interrupting pulumi", "grace", grace.String(), "reason", context.Cause(ctx))
		_ = process.Signal(syscall.SIGINT)
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-ended:
			return
		case <-timer.C:
		case <-c.Kill:
		}
		killed = true
		c.Log.Warn("killing pulumi, which did not end in time", "grace", grace.String())
		_ = syscall.Kill(-process.Pid, syscall.SIGKILL)
	}()
	return func() (bool, bool) {
		close(ended)
		<-watched
		return interrupted, killed
	}
}

// status is the exit code, or the name of the signal.
func status(state *os.ProcessState) (code int, signal string) {
	if state == nil {
		return -1, ""
	}
	if wait, ok := state.Sys().(syscall.WaitStatus); ok && wait.Signaled() {
		return -1, wait.Signal().String()
	}
	return state.ExitCode(), ""
}

const (
	outputDelay = 2 * time.Second
	lowPriority = 10
)
