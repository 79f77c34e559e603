package stack

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/failure"
)

// updateSuspended: no pod has begun the Update under way, and a person wants nothing to begin.
func updateSuspended(o Observed, _ time.Time) *Step {
	if !o.Stack.Spec.Suspend || o.Update == nil || begun(o.Update) || !o.Update.DeletionTimestamp.IsZero() {
		return nil
	}
	return &Step{Act: Supersede, State: conditions.Reconciling(pulumiv1.ReasonStackProcessing,
		"the Stack is suspended, so that "+o.Update.Name+", which waited to start, is withdrawn")}
}

// suspended: a person wants nothing to begin. A Stack that goes is let go only where that needs no destroy.
func suspended(o Observed, _ time.Time) *Step {
	if !o.Stack.Spec.Suspend {
		return nil
	}
	return &Step{State: suspendedState(o)}
}

// suspendedState is what is said of a Stack that is suspended and has nothing under way. It is judged by what is on record,
// since nobody looks for news.
func suspendedState(o Observed) conditions.State {
	stack, last := o.Stack, lastUpdate(o.Stack)
	switch {
	case deleting(stack):
		return conditions.Suspended(pulumiv1.ReasonSuspended, fmt.Sprintf(
			"the Stack goes, and is suspended, so that nothing destroys what it made, which is %s. To destroy it, resume: kubectl patch stack %s -n %s --type=merge -p '{\"spec\":{\"suspend\":false}}'. "+
				"To keep it, release the Stack: kubectl annotate stack %[2]s -n %[3]s %[4]s=true", inventory(stack), stack.Name, stack.Namespace, pulumiv1.AnnotationAbandon))
	case last == nil:
		return conditions.Suspended(pulumiv1.ReasonSuspended, "the Stack is suspended and was never run"+invalidity(o))
	case last.Generation != stack.Generation:
		return conditions.Suspended(pulumiv1.ReasonSuspended, "the Stack is suspended, and its spec is not the one that was run last"+invalidity(o))
	case last.State != pulumiv1.SucceededStackState:
		return conditions.Suspended(pulumiv1.ReasonSuspended, fmt.Sprintf("the Stack is suspended, and %s failed: %s", last.Name, last.Message))
	default:
		return conditions.Ready(pulumiv1.ReasonProcessingCompleted, "the stack is as it was run last, and suspended"+unchanged(last))
	}
}

// invalidity says why the spec will not run once the Stack is resumed; nothing where that is not known.
func invalidity(o Observed) string {
	if terminal, ok := failure.AsTerminal(o.DesiredErr); ok {
		return ". Once it is resumed, it will not run: " + terminal.Error()
	}
	return ""
}

// suspension is the condition of a Stack that is suspended. It says nothing of the state.
func suspension(stack *pulumiv1.Stack) []metav1.Condition {
	if !stack.Spec.Suspend {
		return nil
	}
	return []metav1.Condition{{
		Type: pulumiv1.ConditionTypeSuspended, Status: metav1.ConditionTrue, Reason: pulumiv1.ReasonSuspended, ObservedGeneration: stack.Generation,
		Message: "spec.suspend is set: no operation begins, and the source is not followed",
	}}
}

// wanted stands for what a person wants of a Stack: its spec, but for suspend, and whether it is to go. It is empty where
// that is not known.
func wanted(stack *pulumiv1.Stack) string {
	if stack.Spec.Unreadable != "" {
		return ""
	}
	spec := stack.Spec
	spec.Suspend = false
	raw, err := json.Marshal(&spec)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(fmt.Appendf(raw, "\n%t", deleting(stack)))
	return hex.EncodeToString(sum[:8])
}

// adoptGeneration takes a new generation of a Stack that is or was suspended for the one that ran last, or runs, if nothing
// else is new in it: neither to suspend a Stack nor to resume it is a reason to run, or to count anew.
func adoptGeneration(stack *pulumiv1.Stack) {
	was := meta.IsStatusConditionTrue(stack.Status.Conditions, pulumiv1.ConditionTypeSuspended)
	if !was && !stack.Spec.Suspend {
		return
	}
	digest := wanted(stack)
	if last := lastUpdate(stack); last != nil && last.SpecDigest != "" && last.SpecDigest == digest {
		last.Generation = stack.Generation
	}
	if current := stack.Status.CurrentUpdate; current != nil && current.SpecDigest != "" && current.SpecDigest == digest {
		current.Generation = stack.Generation
	}
}

// adoptSpec takes the spec as it is for what the last update ran, where there is no record of that and the generation is the
// same. PKO keeps no such record.
func adoptSpec(last *pulumiv1.LastUpdate, stack *pulumiv1.Stack) {
	if last != nil && last.State != "" && last.SpecDigest == "" && last.Generation == stack.Generation {
		last.SpecDigest = wanted(stack)
	}
}
