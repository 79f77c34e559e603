package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/docs"
)

// finding is what is said of one object, or of a condition beside its state.
type finding struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// State in words; Reason and Message are those of the condition that tells it, since when it does.
	State   string       `json:"state"`
	Reason  string       `json:"reason,omitempty"`
	Message string       `json:"message,omitempty"`
	Since   *metav1.Time `json:"since,omitempty"`
	// Decision is the check of the planner that decided, with what it found and what happens next.
	Decision string `json:"decision,omitempty"`
	Found    string `json:"found,omitempty"`
	Next     string `json:"next,omitempty"`
	// Meaning and Advice are the runbook's.
	Meaning string `json:"meaning,omitempty"`
	Advice  string `json:"advice,omitempty"`
	tone    tone
}

func (a *app) whyCommand() *cobra.Command {
	output := ""
	command := &cobra.Command{
		Use:               "why STACK",
		Short:             "Tell why a stack is as it is, what it waits for and what to do",
		Args:              exactly("the name of a Stack"),
		ValidArgsFunction: a.completeStack,
		RunE:              func(command *cobra.Command, args []string) error { return a.why(command.Context(), args[0], output) },
	}
	addOutput(command, &output, "json or yaml")
	return command
}

func (a *app) why(ctx context.Context, name, output string) error {
	session, stack, err := a.stackNamed(ctx, name)
	if err != nil {
		return err
	}
	workspace, update, err := session.underWay(ctx, stack)
	if err != nil {
		return err
	}
	findings := findings(readRunbook(docs.Runbook), stack, workspace, update)
	if output != "" {
		return a.structured(output, findings)
	}
	a.tell(findings)
	return nil
}

// underWay reads the Workspace of a Stack and the Update under way, nil for what is not there.
func (s *session) underWay(ctx context.Context, stack *pulumiv1.Stack) (*autov1alpha1.Workspace, *autov1alpha1.Update, error) {
	workspace, update := &autov1alpha1.Workspace{}, &autov1alpha1.Update{}
	there, err := s.optional(ctx, pulumiv1.WorkspaceName(stack.Name), workspace)
	if err != nil {
		return nil, nil, err
	}
	if !there {
		workspace = nil
	}
	current := stack.Status.CurrentUpdate
	if current == nil {
		return workspace, nil, nil
	}
	err = s.Get(ctx, client.ObjectKey{Namespace: firstOf(current.Namespace, stack.Namespace), Name: current.Name}, update)
	if client.IgnoreNotFound(err) != nil {
		return nil, nil, explained(err)
	}
	if err != nil {
		update = nil
	}
	return workspace, update, nil
}

// findings tells of a Stack, and of its Workspace and Update as far as these have something to say to it.
func findings(book runbook, stack *pulumiv1.Stack, workspace *autov1alpha1.Workspace, update *autov1alpha1.Update) []finding {
	s := stackState(stack)
	of := finding{Kind: "Stack", Namespace: stack.Namespace, Name: stack.Name, Decision: stack.Status.Decision}
	if decided, ok := book.find("Decisions", of.Decision); ok {
		of.Found, of.Next = decided.Meaning, decided.Advice
	}
	all := []finding{of.with(book, s)}
	all = append(all, asides(book, stack)...)
	if workspace != nil && s.tone != good {
		if ws := workspaceState(workspace); ws.tone != good {
			all = append(all, finding{Kind: "Workspace", Namespace: workspace.Namespace, Name: workspace.Name}.with(book, ws))
		}
	}
	if update != nil {
		all = append(all, finding{Kind: "Update", Namespace: update.Namespace, Name: update.Name}.with(book, updateState(update)))
	}
	return all
}

// asides are the conditions of a Stack that say nothing of its state.
func asides(book runbook, stack *pulumiv1.Stack) []finding {
	states := []string{autov1alpha1.ConditionTypeReady, autov1alpha1.ConditionTypeReconciling, autov1alpha1.ConditionTypeStalled}
	var all []finding
	for _, c := range stack.Status.Conditions {
		if slices.Contains(states, c.Type) || c.Status != metav1.ConditionTrue {
			continue
		}
		s := state{Word: c.Type, Type: c.Type, Reason: c.Reason, Message: c.Message, Since: c.LastTransitionTime.Time, tone: busy}
		all = append(all, finding{Kind: "Stack", Namespace: stack.Namespace, Name: stack.Name}.with(book, s))
	}
	last := stack.Status.LastUpdate
	if last != nil && last.State == pulumiv1.FailedStackState {
		s := state{Word: "Failed", Type: "Failed", Reason: last.Reason, Message: last.Message, Since: last.LastResyncTime.Time, tone: bad}
		all = append(all, finding{Kind: "Update", Namespace: stack.Namespace, Name: last.Name}.with(book, s))
	}
	return all
}

// with is a finding with a state, and with what the runbook says of it.
func (f finding) with(book runbook, s state) finding {
	f.State, f.Reason, f.Message, f.tone = s.Word, s.Reason, s.Message, s.tone
	if !s.Since.IsZero() {
		f.Since = &metav1.Time{Time: s.Since}
	}
	if e, ok := book.find(f.Kind, s.Type, s.Reason); ok {
		f.Meaning = e.Meaning
		if f.Advice = e.Advice; e.Advice == "–" {
			f.Advice = ""
		}
	}
	return f
}

// tell writes findings for a person.
func (a *app) tell(findings []finding) {
	for i, f := range findings {
		if i > 0 {
			fmt.Fprintln(a.Streams.Out)
		}
		fmt.Fprint(a.Streams.Out, f.text(a.Clock.Now(), a.Colour && a.Width > 0))
	}
}

// text is a finding for a person.
func (f finding) text(now time.Time, colour bool) string {
	word := f.State
	if f.Reason != "" && f.tone != good {
		word += ": " + f.Reason
	}
	if colour {
		word = painted(word, f.tone)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s/%s is %s", f.Kind, f.Namespace, f.Name, word)
	if f.Since != nil {
		fmt.Fprintf(&b, ", for %s", age(f.Since.Time, now))
	}
	b.WriteByte('\n')
	found := f.Found
	if f.Decision != "" {
		found = strings.TrimSuffix(f.Decision+": "+f.Found, ": ")
	}
	for _, line := range [][2]string{
		{"says", f.Message}, {"decided", found}, {"next", f.Next}, {"means", f.Meaning}, {"do", f.Advice},
	} {
		if line[1] != "" {
			fmt.Fprintf(&b, "  %-8s %s\n", line[0], shown(line[1]))
		}
	}
	return b.String()
}

// suspended tells that a Stack is suspended.
func suspended(stack *pulumiv1.Stack) bool { return stack.Spec.Suspend }
