package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"

	"github.com/gantry-operator/gantry/internal/agent/cli"
	"github.com/gantry-operator/gantry/internal/agent/settings"
	"github.com/gantry-operator/gantry/internal/operation"
)

// prepare reads the dynamic environment and brings the source into place.
func (r *Runner) prepare(ctx context.Context, run *run) (err error) {
	if run.env, err = readEnvironment(r.Env, r.DynamicEnv); err != nil {
		return err
	}
	if cli.Name(run.op.GetType()) == "" {
		return fmt.Errorf("the type of the operation is not known: %v", run.op.GetType())
	}
	run.project, err = r.Workspace.Prepare(ctx, run.op.GetSource())
	return err
}

// selectStack makes sure that the stack is there, once per stack and pod.
func (r *Runner) selectStack(ctx context.Context, run *run) error {
	r.mendTorn(run)
	key := r.stackKey(run)
	if r.selected[key] {
		return nil
	}
	var err error
	if run.op.GetType() == operation.Type_DESTROY {
		err = r.selectForDestroy(ctx, run)
	} else {
		err = r.selects(ctx, run, run.op.GetStack().GetCreate())
	}
	if err != nil {
		return err
	}
	if r.selected == nil {
		r.selected = map[string]bool{}
	}
	r.selected[key] = true
	return nil
}

func (r *Runner) selects(ctx context.Context, run *run, create bool) error {
	return r.process(ctx, run, cli.Command{Args: cli.SelectArgs(run.op.GetStack(), create), What: "stack select"})
}

// stackKey names a stack and where its state is kept.
func (r *Runner) stackKey(run *run) string {
	return r.backend(run) + "\n" + run.project.Settings.Name.String() + "\n" + run.op.GetStack().GetName()
}

// backend is the URL of where the state is kept; empty stands for the one that the pod is logged in to.
func (r *Runner) backend(run *run) string {
	backend, _ := run.env.lookup("PULUMI_BACKEND_URL")
	if declared := run.project.Settings.Backend; backend == "" && declared != nil {
		backend = declared.URL
	}
	return backend
}

// configure writes the stack's settings.
func (r *Runner) configure(ctx context.Context, run *run) error {
	stack := run.op.GetStack()
	items, err := settings.Resolve(stack.GetConfig(), run.project.Settings.Name.String(),
		settings.Lookup{Env: run.env.lookup, File: os.ReadFile})
	if err != nil {
		return err
	}
	kubeconfig, err := r.kubeconfig(run)
	if err != nil {
		return err
	}
	outcome, err := r.Settings.Apply(ctx, settings.Request{
		Stack: stack.GetName(), ProjectFile: run.project.File, Project: run.project.Settings,
		Items: items, Environments: stack.GetEnvironment(),
		Passphrase: run.env.passphrase,
		Default:    kubeconfig, DefaultYields: kubeconfig != nil && !kubeconfig.Secret,
		Encrypt: func(ctx context.Context, path string, key config.Key, value string) error {
			return r.process(ctx, run, cli.Command{
				Args: cli.EncryptArgs(stack.GetName(), path, key.String()), What: "config set",
				// The CLI takes one newline from the end.
				Stdin: value + "\n",
			})
		},
	})
	if err != nil {
		return err
	}
	if kubeconfig != nil && !outcome.DefaultSet {
		r.Log.Info("kubernetes:kubeconfig is left to the stack's own configuration", "stack", stack.GetName())
	}
	run.configured = len(items) > 0 || len(stack.GetEnvironment()) > 0
	return withoutEnvironments(r.backend(run), outcome.Environments)
}

// process runs one of the processes before the operation, which must succeed.
func (r *Runner) process(ctx context.Context, run *run, command cli.Command) error {
	ending, err := r.CLI.Run(ctx, r.in(run, command))
	if err != nil {
		return err
	}
	if !ending.Succeeded() {
		return &processError{command: command.What, ending: ending}
	}
	return nil
}

// in gives a command the operation's place and environment.
func (r *Runner) in(run *run, command cli.Command) cli.Command {
	command.Stack = run.op.GetStack().GetName()
	command.Dir = run.project.Dir
	command.Env = run.env.list(command.Dir)
	command.Grace = run.op.GetCancelGrace().AsDuration()
	return command
}

// processError is a process that did not do what it was asked to.
type processError struct {
	command string
	ending  cli.Ending
}

// Error is the process's last words.
func (e *processError) Error() string {
	words := lastWords(e.ending)
	if e.command == installing {
		words = installWords(e.ending)
	}
	return "pulumi " + e.command + ": " + strings.TrimSpace(words)
}

// endingOf finds how the process ended that err is about.
func endingOf(err error) (cli.Ending, bool) {
	var failed *processError
	if errors.As(err, &failed) {
		return failed.ending, true
	}
	return cli.Ending{}, false
}

const installing = "install"
