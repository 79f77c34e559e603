package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

func (a *app) reconcileCommand() *cobra.Command {
	w := &waiting{}
	command := &cobra.Command{
		Use:               "reconcile STACK",
		Aliases:           []string{"up"},
		Short:             "Ask for an update of a stack now, and with --wait follow it",
		Example:           "  kubectl gantry reconcile web --wait --timeout 10m",
		Args:              exactly("the name of a Stack"),
		ValidArgsFunction: a.completeStack,
		RunE:              func(command *cobra.Command, args []string) error { return a.reconcile(command.Context(), args[0], w) },
	}
	w.add(command)
	return command
}

func (a *app) reconcile(ctx context.Context, name string, w *waiting) error {
	session, stack, err := a.stackNamed(ctx, name)
	if err != nil {
		return err
	}
	if suspended(stack) {
		return fmt.Errorf("the Stack %s is suspended and runs nothing: kubectl gantry resume %[1]s -n %s", name, stack.Namespace)
	}
	token := strconv.FormatInt(a.Clock.Now().UnixNano(), 10)
	if err := session.annotate(ctx, stack, pulumiv1.AnnotationReconciliationRequest, token); err != nil {
		return err
	}
	p := a.progress()
	p.begun("Stack " + name + " is asked to reconcile")
	if !w.wait {
		return nil
	}
	f := &followed{token: token}
	if err := w.awaitStack(ctx, session, stack, p, func(stack *pulumiv1.Stack) (bool, error) { return f.look(stack, p.say) }); err != nil {
		return err
	}
	return a.ended(p, stack.Name, f.result)
}

// annotate puts an annotation on an object.
func (s *session) annotate(ctx context.Context, object client.Object, key, value string) error {
	_, err := s.merge(ctx, object, map[string]any{"metadata": map[string]any{"annotations": map[string]string{key: value}}})
	return err
}

// merge merges something into an object, which stays as it was read, and answers its generation after that.
func (s *session) merge(ctx context.Context, object client.Object, change any) (int64, error) {
	patch, err := json.Marshal(change)
	if err != nil {
		return 0, fmt.Errorf("make the patch: %w", err)
	}
	into, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		return 0, fmt.Errorf("%T is no object", object)
	}
	err = s.Patch(ctx, into, client.RawPatch(types.MergePatchType, patch), client.FieldOwner("kubectl-gantry"))
	return into.GetGeneration(), explained(err)
}

// followed is the run that was asked for with a token.
type followed struct {
	token string
	// name of the Update, once it is known.
	name   string
	result *pulumiv1.LastUpdate
}

// look looks at a Stack, tells how far the run is, and answers true when it has ended.
func (f *followed) look(stack *pulumiv1.Stack, say func(string)) (bool, error) {
	if current := stack.Status.CurrentUpdate; current != nil && current.ReconcileRequest == f.token {
		f.name = current.Name
		say(stackState(stack).Message)
		return false, nil
	}
	if last := stack.Status.LastUpdate; last != nil && last.ReconcileRequest == f.token && last.State != "" {
		f.result = last.DeepCopy()
		return true, nil
	}
	if err := f.lost(stack); err != nil {
		return false, err
	}
	if stack.Status.ObservedReconcileRequest != f.token {
		say("waiting for the controller to see the request" + before(stack))
		return false, nil
	}
	say(stackState(stack).Message + before(stack))
	return false, nil
}

// lost says why the run will not begin, or will not be recorded.
func (f *followed) lost(stack *pulumiv1.Stack) error {
	asked, s := stack.Annotations[pulumiv1.AnnotationReconciliationRequest], stackState(stack)
	switch {
	case f.name == "" && asked != f.token:
		return errors.New("another reconcile request took the place of this one before it began; ask again, or wait for that one")
	case f.name != "" && !stack.DeletionTimestamp.IsZero():
		return fmt.Errorf("the Stack is being deleted, and %s was ended for that", f.name)
	case suspended(stack):
		return fmt.Errorf("nothing runs, since the Stack is suspended: kubectl gantry resume %s -n %s", stack.Name, stack.Namespace)
	case stack.Status.ObservedReconcileRequest == f.token && s.Word == "Stalled":
		return stalled(stack, s)
	}
	return nil
}

// stalled says that nothing runs for a Stack before somebody acts.
func stalled(stack *pulumiv1.Stack, s state) error {
	return fmt.Errorf("nothing runs, since the Stack is stalled: %s; kubectl gantry why %s -n %s tells what to do", stated(s), stack.Name, stack.Namespace)
}

// before says what runs before the run that was asked for.
func before(stack *pulumiv1.Stack) string {
	if current := stack.Status.CurrentUpdate; current != nil {
		return " (" + current.Name + " has to end first)"
	}
	return ""
}

// ended tells how the run of a Stack ended.
func (a *app) ended(p *progress, name string, result *pulumiv1.LastUpdate) error {
	words := fmt.Sprintf("%s %s of Stack %s %s", result.Type, result.Name, name, result.State)
	if result.State == pulumiv1.SucceededStackState {
		p.done(words + at(result.LastSuccessfulCommit) + permalink(result.Permalink))
		return nil
	}
	p.failed(fmt.Sprintf("%s (%s): %s%s", words, result.Reason, result.Message, permalink(result.Permalink)))
	return ErrSaid
}

func at(revision string) string {
	if revision == "" {
		return ""
	}
	return " at " + shortened(revision)
}

func permalink(link string) string {
	if link == "" {
		return ""
	}
	return "; see " + link
}
