package cli

import (
	"strconv"

	"github.com/gantry-operator/gantry/internal/operation"
)

// Name is the CLI's sub-command for an operation's type; empty for a type that is not known.
func Name(t operation.Type) string {
	switch t {
	case operation.Type_UP:
		return "up"
	case operation.Type_PREVIEW:
		return "preview"
	case operation.Type_REFRESH:
		return "refresh"
	case operation.Type_DESTROY:
		return "destroy"
	default:
		return ""
	}
}

// OperationArgs are the arguments of the one process that runs an operation. The engine writes its events to eventLog.
// What a sub-command does not know is left out: a destroy replaces nothing, a preview removes nothing.
func OperationArgs(op *operation.Operation, eventLog string) []string {
	o, t := op.GetOptions(), op.GetType()
	is := func(types ...operation.Type) bool {
		for _, one := range types {
			if one == t {
				return true
			}
		}
		return false
	}
	args := arguments{Name(t)}
	args.when(!is(operation.Type_PREVIEW), "--yes", "--skip-preview")
	args = append(args, "--stack="+op.GetStack().GetName(), "--non-interactive", "--color=never",
		"--suppress-progress", "--suppress-outputs", "--event-log="+eventLog)
	args.when(o.GetParallel() > 0, "--parallel="+strconv.Itoa(int(o.GetParallel())))
	args.when(o.GetMessage() != "", "--message="+o.GetMessage())
	args.when(o.GetExpectNoChanges() && !is(operation.Type_DESTROY), "--expect-no-changes")
	if is(operation.Type_UP, operation.Type_PREVIEW) {
		args.each("--replace=", o.GetReplace())
	}
	args.each("--target=", o.GetTarget())
	args.when(o.GetTargetDependents() && !is(operation.Type_REFRESH), "--target-dependents")
	args.when(o.GetRefresh() && !is(operation.Type_REFRESH), "--refresh")
	args.when(o.GetContinueOnError() && is(operation.Type_UP, operation.Type_DESTROY), "--continue-on-error")
	args.when(o.GetRemove() && is(operation.Type_DESTROY), "--remove")
	args.when(o.GetRunProgram() && is(operation.Type_REFRESH, operation.Type_DESTROY), "--run-program")
	return append(args, verbosity(o.GetLogLevel())...)
}

// DriftArgs are the arguments that look, without changing anything, whether a refresh would change something of what the
// operation is about.
func DriftArgs(op *operation.Operation, eventLog string) []string {
	o := op.GetOptions()
	args := arguments{"refresh", "--preview-only", "--expect-no-changes",
		"--stack=" + op.GetStack().GetName(), "--non-interactive", "--color=never",
		"--suppress-progress", "--suppress-outputs", "--event-log=" + eventLog}
	args.when(o.GetParallel() > 0, "--parallel="+strconv.Itoa(int(o.GetParallel())))
	args.each("--target=", o.GetTarget())
	args.when(o.GetTargetDependents(), "--target-dependents")
	args.when(o.GetRunProgram(), "--run-program")
	return append(args, verbosity(o.GetLogLevel())...)
}

// SelectArgs are the arguments that select a stack, and make it if it is to be made where it is not there.
func SelectArgs(stack *operation.Stack, create bool) []string {
	args := arguments{"stack", "select", "--stack=" + stack.GetName(), "--non-interactive", "--color=never"}
	args.when(create, "--create")
	args.when(create && stack.GetSecretsProvider() != "", "--secrets-provider="+stack.GetSecretsProvider())
	return args
}

// RemoveArgs are the arguments that remove a stack without resources from the backend.
func RemoveArgs(stack string) []string {
	return []string{"stack", "rm", "--yes", "--preserve-config", "--stack=" + stack, "--non-interactive", "--color=never"}
}

// CancelArgs are the arguments that take the lock of a stack from whoever has it.
func CancelArgs(stack string) []string {
	return []string{"cancel", "--yes", "--stack=" + stack, "--non-interactive", "--color=never"}
}

// EncryptArgs are the arguments that encrypt standard input into the settings file at path, under the key.
func EncryptArgs(stack, path, key string) []string {
	return []string{
		"config", "set", "--secret", "--stack=" + stack, "--config-file=" + path,
		"--non-interactive", "--color=never", "--", key,
	}
}

// OutputArgs are the arguments that print a stack's outputs in clear, for the agent only.
func OutputArgs(stack string) []string {
	return []string{"stack", "output", "--json", "--show-secrets", "--stack=" + stack, "--non-interactive", "--color=never"}
}

// ExportArgs are the arguments that write a stack's state into a file, with its secrets encrypted.
func ExportArgs(stack, path string) []string {
	return []string{"stack", "export", "--file=" + path, "--stack=" + stack, "--non-interactive", "--color=never"}
}

// ClearArgs are the arguments that refresh the state, or of it only the targets, and drop pending creates.
func ClearArgs(op *operation.Operation, targets []string, eventLog string) []string {
	o := op.GetOptions()
	args := arguments{"refresh", "--yes", "--skip-preview", "--clear-pending-creates",
		"--stack=" + op.GetStack().GetName(), "--non-interactive", "--color=never",
		"--suppress-progress", "--suppress-outputs", "--event-log=" + eventLog}
	args.when(o.GetParallel() > 0, "--parallel="+strconv.Itoa(int(o.GetParallel())))
	args.each("--target=", targets)
	args.when(o.GetRunProgram(), "--run-program")
	return append(args, verbosity(o.GetLogLevel())...)
}

// InstallArgs are the arguments that install what a program needs.
func InstallArgs() []string { return []string{"install", "--non-interactive", "--color=never"} }

// VersionArgs are the arguments that print the CLI's version.
func VersionArgs() []string { return []string{"version"} }

// verbosity makes the CLI and its plugins log to standard error.
func verbosity(level int32) []string {
	if level <= 0 {
		return nil
	}
	return []string{"--verbose=" + strconv.Itoa(int(level)), "--logtostderr", "--logflow"}
}

type arguments []string

func (a *arguments) when(yes bool, args ...string) {
	if yes {
		*a = append(*a, args...)
	}
}

func (a *arguments) each(flag string, values []string) {
	for _, value := range values {
		*a = append(*a, flag+value)
	}
}
