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
	suspend bool
	// all means all Stacks of the namespace, everywhere those of all namespaces.
	all, everywhere bool
}

func (a *app) suspendCommand() *cobra.Command {
	return (&switching{app: a, suspend: true}).command("suspend", "Let nothing new run for a stack until it is resumed; what runs goes on to its end")
}

func (a *app) resumeCommand() *cobra.Command {
	return (&switching{app: a}).command("resume", "Let a suspended stack run again, at once if anything changed meanwhile")
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
	var failures []error
	for i := range stacks {
		// As with Flux: false is the default, so that resuming leaves no trace in the spec.
		value := any(true)
		if !s.suspend {
			value = nil
		}
		name := stacks[i].Namespace + "/" + stacks[i].Name
		if err := session.merge(ctx, &stacks[i], map[string]any{"spec": map[string]any{"suspend": value}}); err != nil {
			failures = append(failures, fmt.Errorf("change the Stack %s: %w", name, err))
			continue
		}
		if s.suspend {
			p.done("Stack " + name + " is suspended")
		} else {
			p.done("Stack " + name + " is resumed")
		}
	}
	return errors.Join(failures...)
}

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
