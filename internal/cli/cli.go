// Package cli owns the plugin of kubectl: what its commands ask of the API server, and how they say it. A command is a
// file; what it shows is made by pure functions of what it read.
package cli

import (
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"
)

// Process is what the plugin gets from the process that it is.
type Process struct {
	// Streams are its input and outputs.
	Streams genericiooptions.IOStreams
	// Clock tells the time.
	Clock clock.PassiveClock
	// Width and ErrWidth are those of the terminals that the outputs are; 0 for an output that is none.
	Width, ErrWidth int
	// Colour says that colours are welcome where there is a terminal.
	Colour bool
	// Version of the plugin.
	Version string
}

// app is what all commands have.
type app struct {
	Process
	flags *genericclioptions.ConfigFlags
}

// New makes the plugin's command.
func New(process Process) *cobra.Command {
	a := &app{Process: process, flags: genericclioptions.NewConfigFlags(true)}
	root := &cobra.Command{
		Use:   "kubectl-gantry",
		Short: "Look after Pulumi stacks that Gantry runs",
		Long: "kubectl gantry looks after the Pulumi stacks that Gantry runs in a cluster.\n\n" +
			"It exits with 0 when all is well, 1 when something failed, 2 when it was called wrongly,\n" +
			"3 when a timeout passed, and 130 when it was interrupted.",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl gantry"},
		SilenceErrors: true, SilenceUsage: true,
		Args: exactly(),
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	a.flags.AddFlags(root.PersistentFlags())
	root.SetIn(process.Streams.In)
	root.SetOut(process.Streams.Out)
	root.SetErr(process.Streams.ErrOut)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	for name, complete := range map[string]cobra.CompletionFunc{"namespace": a.completeNamespaces, "context": a.completeContexts} {
		if err := root.RegisterFlagCompletionFunc(name, complete); err != nil {
			panic(err) // a flag of this name is always there
		}
	}
	root.AddCommand(a.getCommand(), a.whyCommand(), a.logsCommand(), a.reconcileCommand(), a.outputsCommand(),
		a.treeCommand(), a.runCommand(previews), a.runCommand(refreshes), a.cancelCommand(), a.suspendCommand(), a.resumeCommand(),
		a.doctorCommand(), a.versionCommand())
	return root
}
