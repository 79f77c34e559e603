package stack

import (
	"fmt"
	"time"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
)

// workspaceLost: somebody deleted the Workspace in which an Update waits to start. Nothing but this makes it again, and
// the Update would wait for ever. Where it cannot be made, it is said why.
func workspaceLost(o Observed, now time.Time) *Step {
	if o.Update == nil || begun(o.Update) || !o.Update.DeletionTimestamp.IsZero() || o.Workspace != nil {
		return nil
	}
	for _, prevents := range []check{specUnreadable, specInvalid, sourceUnavailable} {
		if step := prevents(o, now); step != nil {
			return step
		}
	}
	if o.Desired == nil || o.Desired.Namespace != o.Update.Namespace {
		return nil
	}
	return &Step{Act: Prepare, State: conditions.Reconciling(pulumiv1.ReasonStackProcessing,
		fmt.Sprintf("the Workspace %s, in which %s waits to start, is gone and is being made again", o.Desired.Name, o.Update.Name))}
}
