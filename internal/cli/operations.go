package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// once is an operation that is run once, beside what the Stack's controller runs.
type once struct {
	kind  autov1alpha1.UpdateType
	short string
}

const (
	previews  = autov1alpha1.PreviewUpdate
	refreshes = autov1alpha1.RefreshUpdate
)

// keepFor is how long an Update is kept that was made by hand.
const keepFor = "24h"

// runCommand makes the command that runs an operation once.
func (a *app) runCommand(kind autov1alpha1.UpdateType) *cobra.Command {
	w := &waiting{}
	o := once{kind, "Show what an update of a stack would change, without changing anything"}
	if kind == refreshes {
		o.short = "Bring the state of a stack in line with what there is"
	}
	command := &cobra.Command{
		Use:               string(kind) + " STACK",
		Short:             o.short,
		Long:              o.short + ".\n\nIt runs once, as an Update that is kept for " + keepFor + ", with the source that the stack's Workspace has. With --wait its log is shown.",
		Args:              exactly("the name of a Stack"),
		ValidArgsFunction: a.completeStack,
		RunE:              func(command *cobra.Command, args []string) error { return a.runOnce(command.Context(), o, args[0], w) },
	}
	w.add(command)
	return command
}

func (a *app) runOnce(ctx context.Context, o once, name string, w *waiting) error {
	session, stack, err := a.stackNamed(ctx, name)
	if err != nil {
		return err
	}
	workspace := &autov1alpha1.Workspace{}
	there, err := session.optional(ctx, pulumiv1.WorkspaceName(name), workspace)
	if err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("the Stack %s has no Workspace to run in: its first update makes one, and workspaceReclaimPolicy Delete takes it away again; kubectl gantry reconcile %[1]s makes it", name)
	}
	update := onceFor(stack, o.kind)
	if err := session.Create(ctx, update, client.FieldOwner("kubectl-gantry")); err != nil {
		return explained(err)
	}
	p := a.progress()
	p.begun(fmt.Sprintf("%s %s of Stack %s is made", o.kind, update.Name, name))
	if !w.wait {
		_, err := fmt.Fprintln(a.Streams.Out, "update.auto.pulumi.com/"+update.Name)
		return err
	}
	return a.awaitUpdate(ctx, session, p, w, func(context.Context) (*autov1alpha1.Update, error) { return update, nil })
}

// awaitUpdate shows the log of an Update, once there is one, and how it ended.
func (a *app) awaitUpdate(ctx context.Context, s *session, p *progress, w *waiting, find func(context.Context) (*autov1alpha1.Update, error)) error {
	var ended *autov1alpha1.Update
	err := w.await(ctx, p, func(ctx context.Context) error {
		update, err := find(ctx)
		if err == nil {
			ended, err = a.stream(ctx, s, update, p)
		}
		return err
	})
	if err != nil {
		return err
	}
	return a.endedUpdate(p, ended)
}

// onceFor is the Update that runs an operation once.
func onceFor(stack *pulumiv1.Stack, kind autov1alpha1.UpdateType) *autov1alpha1.Update {
	return &autov1alpha1.Update{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: stack.Namespace, GenerateName: pulumiv1.WorkspaceName(stack.Name) + "-",
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: pulumiv1.GroupVersion.String(), Kind: "Stack", Name: stack.Name, UID: stack.UID,
			}},
		},
		Spec: autov1alpha1.UpdateSpec{
			WorkspaceName: pulumiv1.WorkspaceName(stack.Name), StackName: stack.Spec.Stack, Type: kind, TTLAfterCompleted: new(keepFor),
			Message: new(string(kind) + " asked for by kubectl gantry"),
		},
	}
}

// endedUpdate tells how an Update ended.
func (a *app) endedUpdate(p *progress, update *autov1alpha1.Update) error {
	s := updateState(update)
	words := fmt.Sprintf("%s %s", update.Spec.Type, update.Name)
	if failed(update) {
		p.failed(fmt.Sprintf("%s failed (%s): %s%s", words, s.Reason, s.Message, permalink(update.Status.Permalink)))
		return ErrSaid
	}
	p.done(fmt.Sprintf("%s succeeded: %s%s", words, changes(update.Status.Changes), permalink(update.Status.Permalink)))
	return nil
}
