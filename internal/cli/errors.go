package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// What the plugin exits with, beside 0.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitTimeout     = 3
	exitInterrupted = 130
)

// ErrSaid is an error of which everything is said already.
var ErrSaid = errors.New("failed")

// exitError is an error with what to exit with.
type exitError struct {
	error
	code int
}

func (e exitError) Unwrap() error { return e.error }

func usage(err error) error { return exitError{err, exitUsage} }

// ExitCode is what to exit with.
func ExitCode(err error) int {
	var exit exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.code
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimeout
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	default:
		return exitFailed
	}
}

// exactly wants one argument for each name.
func exactly(names ...string) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		if len(names) == 0 {
			return usage(fmt.Errorf("%s takes no arguments, and was given %s; see %[1]s --help", command.CommandPath(), strings.Join(args, " ")))
		}
		return usage(fmt.Errorf("%s takes %s, and was given %d arguments; see %[1]s --help", command.CommandPath(), strings.Join(names, " and "), len(args)))
	}
}

// explained is an error of the API server with what to do about it.
func explained(err error) error {
	var dial *net.OpError
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w: ask for the ClusterRole view, to look, or edit, to change something; Gantry's roles are part of them", err)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%w: log in again, or name another --context", err)
	case apierrors.IsNotFound(err) && strings.Contains(err.Error(), "could not find the requested resource"):
		return fmt.Errorf("this cluster does not know the kinds of Gantry: install it, or name another --context; kubectl gantry doctor tells more (%w)", err)
	case errors.As(err, &dial):
		return fmt.Errorf("%w: the API server cannot be reached; see --context and --kubeconfig", err)
	default:
		return err
	}
}
