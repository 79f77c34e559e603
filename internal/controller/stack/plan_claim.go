package stack

import (
	"fmt"
	"time"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
)

// stackInUse: another Stack has the stack of the backend. Two would undo each other's work, and each would destroy the
// other's with its own.
func stackInUse(o Observed, _ time.Time) *Step {
	if o.Rival == nil {
		return nil
	}
	text := fmt.Sprintf("the %s belongs to the Stack %s, so that this one does nothing with it; give this one another stack, project or backend, or delete one of the two",
		o.Rival.Words, o.Rival.Stack)
	if deleting(o.Stack) {
		text += fmt.Sprintf("; this one may have applied something itself, so that it is destroyed when %s is gone: to let it go before, "+
			"set spec.destroyOnFinalize to false, or the annotation %s to %q", o.Rival.Stack, pulumiv1.AnnotationAbandon, abandonValue)
	}
	return &Step{After: sourcePoll, State: conditions.Stalled(pulumiv1.ReasonStackInUse, text)}
}
