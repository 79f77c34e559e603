package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

func (a *app) cancelCommand() *cobra.Command {
	w := &waiting{}
	command := &cobra.Command{
		Use:   "cancel STACK",
		Short: "End the operation of a stack gracefully, with its state saved",
		Long: "End the operation of a stack gracefully: what is under way is finished and the state saved.\n\n" +
			"After that the Stack is stalled and runs nothing until its spec or source changes or a reconcile is asked for.",
		Args:              exactly("the name of a Stack"),
		ValidArgsFunction: a.completeStack,
		RunE:              func(command *cobra.Command, args []string) error { return a.cancel(command.Context(), args[0], w) },
	}
	w.add(command)
	return command
}

func (a *app) cancel(ctx context.Context, name string, w *waiting) error {
	session, stack, err := a.stackNamed(ctx, name)
	if err != nil {
		return err
	}
	_, update, err := session.underWay(ctx, stack)
	if err != nil {
		return err
	}
	p := a.progress()
	if update == nil {
		return fmt.Errorf("the Stack %s has no operation under way; an Update that was made by hand is ended with kubectl delete update", name)
	}
	if err := session.annotate(ctx, stack, pulumiv1.AnnotationCancelRequest, strconv.FormatInt(a.Clock.Now().UnixNano(), 10)); err != nil {
		return err
	}
	p.begun(fmt.Sprintf("%s %s of Stack %s is asked to end", update.Spec.Type, update.Name, name))
	if !w.wait {
		return nil
	}
	err = w.awaitStack(ctx, session, stack, p, func(stack *pulumiv1.Stack) (bool, error) {
		p.say(stackState(stack).Message)
		current := stack.Status.CurrentUpdate
		return current == nil || current.Name != update.Name, nil
	})
	if err != nil {
		return err
	}
	p.done(fmt.Sprintf("%s %s has ended", update.Spec.Type, update.Name))
	return nil
}
