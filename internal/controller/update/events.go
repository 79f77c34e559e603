package update

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/operation"
)

// Reasons of an Update's events.
const (
	// EventUpdateSucceeded: the operation succeeded.
	EventUpdateSucceeded = "UpdateSucceeded"
	// EventUpdateFailed: it did not.
	EventUpdateFailed = "UpdateFailed"
	// EventUpdateExpired: its time to live is over and it was deleted.
	EventUpdateExpired = "UpdateExpired"
	// EventOutputsNotKept: the operation succeeded but its outputs do not fit into a Secret.
	EventOutputsNotKept = "OutputsNotKept"
	// EventLockHealed: a dead operation had left the stack locked, and the lock was canceled.
	EventLockHealed = "LockHealed"
	// EventPendingOperations: an interrupted update left operations pending in the state.
	EventPendingOperations = "PendingOperations"
	// EventTTLInvalid: spec.ttlAfterCompleted is no duration, so the Update is kept.
	EventTTLInvalid = "TTLInvalid"
)

// occurrence is an event that is yet to be emitted.
type occurrence struct{ kind, reason, action, note string }

func succeeded(update *autov1alpha1.Update) occurrence {
	return occurrence{corev1.EventTypeNormal, EventUpdateSucceeded, "Record", fmt.Sprintf("%s of %s succeeded", update.Spec.Type, update.Spec.StackName)}
}

func failed(reason, message string) occurrence {
	return occurrence{corev1.EventTypeWarning, EventUpdateFailed, "Record", conditions.BoundNote(reason + ": " + message)}
}

func expiredNow(message string) occurrence {
	return occurrence{corev1.EventTypeNormal, EventUpdateExpired, "Delete", conditions.BoundNote(message)}
}

func outputsNotKept(warning string) occurrence {
	return occurrence{corev1.EventTypeWarning, EventOutputsNotKept, "Record", conditions.BoundNote(warning)}
}

func lockHealed(healed string) occurrence {
	return occurrence{corev1.EventTypeNormal, EventLockHealed, "Record", conditions.BoundNote(healed)}
}

// pendingMet is nothing where a stack that another one works on has operations under way.
func pendingMet(met *autov1alpha1.PendingOperations, reason string) []occurrence {
	if met == nil || met.Count == 0 || reason == operation.ReasonConflict {
		return nil
	}
	return []occurrence{{corev1.EventTypeWarning, EventPendingOperations, "Record", conditions.BoundNote(met.Message)}}
}

func ttlInvalid(update *autov1alpha1.Update) occurrence {
	return occurrence{corev1.EventTypeWarning, EventTTLInvalid, "Record", conditions.BoundNote(fmt.Sprintf(
		"spec.ttlAfterCompleted is %q, which is no duration such as 24h or 90m; the Update is kept until somebody deletes it", *update.Spec.TTLAfterCompleted))}
}

func fieldsIgnored(fields string) occurrence {
	return occurrence{corev1.EventTypeWarning, autov1alpha1.ConditionTypeFieldsIgnored, "Plan", conditions.BoundNote(fields)}
}

// completion are the events of a result that was put on record.
func completion(update *autov1alpha1.Update, result *operation.Result, kept keptOutputs) []occurrence {
	var all []occurrence
	if reason := failureOf(result); reason != "" {
		all = append(all, failed(reason, result.GetMessage()))
	} else {
		all = append(all, succeeded(update))
	}
	if healed := result.GetHealed(); healed != "" {
		all = append(all, lockHealed(healed))
	}
	if kept.warning != "" {
		all = append(all, outputsNotKept(kept.warning))
	}
	all = append(all, pendingMet(update.Status.PendingOperations, failureOf(result))...)
	return append(all, lifetime(update)...)
}

// ending are the events of an Update that was completed without a result.
func ending(update *autov1alpha1.Update, s Step) []occurrence {
	all := append([]occurrence{failed(s.Reason, s.Message)}, pendingMet(update.Status.PendingOperations, s.Reason)...)
	return append(all, lifetime(update)...)
}

// lifetime warns, once in an Update's life, of a time to live that cannot be read.
func lifetime(update *autov1alpha1.Update) []occurrence {
	if _, _, err := timeToLive(update.Spec.TTLAfterCompleted); err != nil {
		return []occurrence{ttlInvalid(update)}
	}
	return nil
}
