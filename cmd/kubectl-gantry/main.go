// Command kubectl-gantry is the plugin of kubectl: kubectl gantry. Called kubectl_complete-gantry it answers kubectl's
// questions for completions.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"github.com/gantry-operator/gantry/internal/cli"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer context.AfterFunc(ctx, stop)() // a second Ctrl-C ends it at once
	args := os.Args[1:]
	if filepath.Base(os.Args[0]) == "kubectl_complete-gantry" {
		args = append([]string{cobra.ShellCompRequestCmd}, args...)
	}
	command := cli.New(cli.Process{
		Streams: genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
		Clock:   clock.RealClock{},
		Width:   width(os.Stdout), ErrWidth: width(os.Stderr),
		Colour:  os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
		Version: version,
	})
	command.SetArgs(args)
	err := command.ExecuteContext(ctx)
	if err == nil {
		return
	}
	if !errors.Is(err, cli.ErrSaid) {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	os.Exit(cli.ExitCode(err))
}

// width is that of a terminal; 0 for what is none.
func width(file *os.File) int {
	columns, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return max(columns, 1)
}
