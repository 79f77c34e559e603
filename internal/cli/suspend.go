package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// switching suspends or resumes Stacks.
type switching struct {
	*app
	waiting
	suspend bool
	// done says of a Stack what was done.
	done string
	// all means all Stacks of the namespace, everywhere those of all namespaces.
	all, everywhere bool
}

func (a *app) suspendCommand() *cobra.Command {
	return (&switching{app: a, suspend: true, done: "suspended"}).command("suspend", "Let nothing new run for a stack until it is resumed; what runs goes on to its end")
}

func (a *app) resumeCommand() *cobra.Command {
	s := &switching{app: a, done: "resumed"}
	command := s.command("resume", "Let a suspended stack run again, at once if anything changed meanwhile; with --wait follow that")
	command.Example += "\n  kubectl gantry resume web --wait --timeout 10m"
	s.add(command)
	return command
}

func (s *switching) command(verb, short string) *cobra.Command {
	command := &cobra.Command{
		Use: verb + " STACK...", Short: short,
		Example: fmt.Sprintf("  kubectl gantry %s web\n  kubectl gantry %[1]s --all -n shop", verb),
		ValidArgsFunction: func(command *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return s.namesOf(command.Context(), kinds()[0])
		},
		RunE: func(command *cobra.Command, args []string) error { return s.run(command.Context(), args) },
	}
	command.Flags().BoolVar(&s.all, "all", false, "all Stacks of the namespace")
	command.Flags().BoolVarP(&s.everywhere, "all-namespaces", "A", false, "all Stacks of all namespaces")
	return command
}

func (s *switching) run(ctx context.Context, names []string) error {
	all := s.all || s.everywhere
	if all == (len(names) > 0) {
		return usage(errors.New("name Stacks, or say --all for those of the namespace or -A for those of all namespaces"))
	}
	session, err := s.connect()
	if err != nil {
		return err
	}
	stacks, err := s.stacks(ctx, session, names)
	if err != nil {
		return err
	}
	p := s.progress()
	if len(stacks) == 0 {
		p.begun("there are no Stacks")
	}
	var failure error
	var asked []*resumed
	for i := range stacks {
		generation, err := session.merge(ctx, &stacks[i], map[string]any{"spec": map[string]any{"suspend": s.value()}})
		if err != nil {
			p.failed("Stack " + fullName(&stacks[i]) + " cannot be changed: " + err.Error())
			failure = ErrSaid
			continue
		}
		p.done("Stack " + fullName(&stacks[i]) + " is " + s.done)
		asked = append(asked, &resumed{before: &stacks[i], generation: generation})
	}
	if s.wait {
		if err := s.follow(ctx, session, p, asked); err != nil {
			return err
		}
	}
	return failure
}

// value is that of spec.suspend. As with Flux, false is the default, so that resuming leaves no trace in the spec.
func (s *switching) value() any {
	if s.suspend {
		return true
	}
	return nil
}

func fullName(object client.Object) string { return object.GetNamespace() + "/" + object.GetName() }

// stacks are those that are meant.
func (s *switching) stacks(ctx context.Context, session *session, names []string) ([]pulumiv1.Stack, error) {
	if len(names) == 0 {
		list, options := &pulumiv1.StackList{}, &client.ListOptions{Namespace: session.namespace}
		if s.everywhere {
			options.Namespace = ""
		}
		err := session.List(ctx, list, options)
		return list.Items, explained(err)
	}
	var stacks []pulumiv1.Stack
	for _, name := range names {
		stack, err := session.stack(ctx, name)
		if err != nil {
			return nil, err
		}
		stacks = append(stacks, *stack)
	}
	return stacks, nil
}
