package stack

import (
	"fmt"
	"strings"
	"time"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/schedule"
)

const (
	// sourcePoll is how often a source that is not there is looked for beside the watches.
	sourcePoll = 30 * time.Second
	// minResync is the shortest time between two resyncs, and the default.
	minResync = 60 * time.Second
)

// request is the reconciliation request that counts: the annotation, or where it was removed the one that is being answered,
// or was last, since removing it asks for nothing.
func request(stack *pulumiv1.Stack) string {
	if value := stack.Annotations[pulumiv1.AnnotationReconciliationRequest]; value != "" {
		return value
	}
	if current := stack.Status.CurrentUpdate; current != nil {
		return current.ReconcileRequest
	}
	if last := lastUpdate(stack); last != nil {
		return last.ReconcileRequest
	}
	return ""
}

// requestedAt is the same of Flux's annotation.
func requestedAt(stack *pulumiv1.Stack) string {
	if value := stack.Annotations[pulumiv1.AnnotationRequestedAt]; value != "" {
		return value
	}
	if current := stack.Status.CurrentUpdate; current != nil {
		return current.RequestedAt
	}
	return stack.Status.LastHandledReconcileAt
}

// requests are both, as one word.
func requests(stack *pulumiv1.Stack) string {
	if at := requestedAt(stack); at != "" {
		return request(stack) + "\n" + at
	}
	return request(stack)
}

// answersRequests tells that an update is for the requests as they are.
func answersRequests(current *pulumiv1.CurrentUpdate, stack *pulumiv1.Stack) bool {
	return current.ReconcileRequest == request(stack) && current.RequestedAt == requestedAt(stack)
}

// asked is the request that no update has answered yet; "" if there is none. An update answers both annotations at once.
func asked(stack *pulumiv1.Stack) string {
	last := lastUpdate(stack)
	switch {
	case last == nil || last.ReconcileRequest != request(stack):
		return request(stack)
	case stack.Status.LastHandledReconcileAt != requestedAt(stack):
		return requestedAt(stack)
	default:
		return ""
	}
}

// lastUpdate is the record of the last update, nil if none has ended yet.
func lastUpdate(stack *pulumiv1.Stack) *pulumiv1.LastUpdate {
	if last := stack.Status.LastUpdate; last != nil && last.State != "" {
		return last
	}
	return nil
}

// reasonToRun says why an update is needed now, in the words that become the Update's message; or, where it says "",
// how long until there may be a reason that no event tells of (zero: only an event can make one).
func reasonToRun(o Observed, now time.Time) (string, time.Duration) {
	stack, last := o.Stack, lastUpdate(o.Stack)
	switch {
	case last == nil && !deleting(stack):
		return "Initial stack update", 0
	case last == nil || (last.Generation != stack.Generation && deleting(stack)):
		return "Stack marked for deletion", 0
	case last.Generation != stack.Generation:
		return fmt.Sprintf("New stack generation: %d", stack.Generation), 0
	case asked(stack) != "":
		return fmt.Sprintf("Sync request: %q", asked(stack)), 0
	case last.State == pulumiv1.SucceededStackState:
		return reasonAfterSuccess(o, last, now)
	default:
		return reasonAfterFailure(o, last, now)
	}
}

func reasonAfterSuccess(o Observed, last *pulumiv1.LastUpdate, now time.Time) (string, time.Duration) {
	if deleting(o.Stack) {
		return "Stack marked for deletion", 0
	}
	if newSource(o, last.LastSuccessfulCommit, last.Source) {
		return fmt.Sprintf("New commit detected: %q", o.Source.Revision), 0
	}
	if message := reasonOfInputs(o, last); message != "" {
		return message, 0
	}
	if !o.Stack.Spec.ContinueResyncOnCommitMatch {
		return "", 0
	}
	frequency := schedule.Jitter(max(minResync, schedule.Seconds(o.Stack.Spec.ResyncFrequencySeconds)), string(o.Stack.UID))
	if schedule.Due(last.LastResyncTime.Time, frequency, now) {
		return fmt.Sprintf("Resync time elapsed: %s", frequency.Round(time.Second)), 0
	}
	return "", schedule.Until(last.LastResyncTime.Time, frequency, now)
}

// reasonOfInputs says which Secrets and ConfigMaps changed since the last update.
func reasonOfInputs(o Observed, last *pulumiv1.LastUpdate) string {
	changed := changedInputs(last.Inputs, o.Inputs)
	if len(changed) == 0 {
		return ""
	}
	return "Configuration changed: " + strings.Join(changed, ", ")
}

func reasonAfterFailure(o Observed, last *pulumiv1.LastUpdate, now time.Time) (string, time.Duration) {
	if !deleting(o.Stack) && newSource(o, last.LastAttemptedCommit, last.Source) {
		return fmt.Sprintf("New commit detected: %q", o.Source.Revision), 0
	}
	if message := reasonOfInputs(o, last); message != "" {
		return message, 0
	}
	if exhausted(o.Stack, last) {
		return "", 0
	}
	wait := cooldown(o.Stack, last)
	if schedule.Due(last.LastResyncTime.Time, wait, now) {
		return fmt.Sprintf("Backoff time elapsed: %s", wait.Round(time.Second)), 0
	}
	return "", schedule.Until(last.LastResyncTime.Time, wait, now)
}
