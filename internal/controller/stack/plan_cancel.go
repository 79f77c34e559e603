package stack

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/validate"
)

// cancelRequest is a cancel request that was not seen before; "" if there is none.
func cancelRequest(stack *pulumiv1.Stack) string {
	if value := stack.Annotations[pulumiv1.AnnotationCancelRequest]; value != stack.Status.ObservedCancelRequest {
		return value
	}
	return ""
}

// cancelRequested: a person wants the update under way to end. It ends gracefully, with its state saved. The request is put on
// record first, so that however the update ends then, nothing follows it.
func cancelRequested(o Observed, _ time.Time) *Step {
	if o.Update == nil || !o.Update.DeletionTimestamp.IsZero() {
		return nil
	}
	known := o.Stack.Status.Canceled
	if cancelRequest(o.Stack) == "" && (known == nil || known.Update != o.Update.Name) {
		return nil
	}
	return &Step{Act: Cancel, State: conditions.Reconciling(pulumiv1.ReasonStackProcessing,
		fmt.Sprintf("%s %s is being canceled, as %s asks", o.Update.Spec.Type, o.Update.Name, pulumiv1.AnnotationCancelRequest))}
}

// canceledBefore: what was under way was canceled, and nothing of what a person wants is otherwise since. If it came to its end
// before it could be canceled, and that was all there was to do, that is all.
func canceledBefore(o Observed, now time.Time) *Step {
	known := o.Stack.Status.Canceled
	if known == nil || doneAnyway(o, now) || o.Update != nil || o.Stack.Spec.Unreadable != "" || wantedSince(o, known) {
		return nil
	}
	text := fmt.Sprintf("%s was canceled, as %s %s asked; nothing is run until the spec or the source changes, or a new value of %s asks for it",
		known.Update, pulumiv1.AnnotationCancelRequest, validate.Quote(known.Request), pulumiv1.AnnotationReconciliationRequest)
	if deleting(o.Stack) {
		text = fmt.Sprintf("%s was canceled, as %s %s asked; the Stack goes when its destroy has succeeded, which goes on once a new value of %s asks for it: "+
			"kubectl annotate stack %s -n %s %[4]s=$(date +%%s). To keep what it made: kubectl annotate stack %[5]s -n %[6]s %[7]s=true", known.Update, pulumiv1.AnnotationCancelRequest,
			validate.Quote(known.Request), pulumiv1.AnnotationReconciliationRequest, o.Stack.Name, o.Stack.Namespace, pulumiv1.AnnotationAbandon)
	}
	if last := lastUpdate(o.Stack); last != nil && last.Name == known.Update {
		text += fmt.Sprintf("; it %s: %s", last.State, last.Message)
	}
	return &Step{State: conditions.Stalled(pulumiv1.ReasonUpdateCanceled, text)}
}

// doneAnyway tells that what was to be canceled has succeeded, and that there is nothing left to run.
func doneAnyway(o Observed, now time.Time) bool {
	last := lastUpdate(o.Stack)
	if last == nil || last.Name != o.Stack.Status.Canceled.Update || last.State != pulumiv1.SucceededStackState {
		return false
	}
	message, _ := reasonToRun(o, now)
	return message == ""
}

// wantedSince tells that something else is wanted than when an update was canceled. A request that was removed is none.
func wantedSince(o Observed, known *pulumiv1.Cancellation) bool {
	another := func(annotation, then string) bool {
		value := o.Stack.Annotations[annotation]
		return value != "" && value != then
	}
	if known.SpecDigest != wanted(o.Stack) || another(pulumiv1.AnnotationReconciliationRequest, known.ReconcileRequest) ||
		another(pulumiv1.AnnotationRequestedAt, known.RequestedAt) {
		return true
	}
	last := lastUpdate(o.Stack)
	return !deleting(o.Stack) && last != nil && last.Name == known.Update && newSource(o, last.LastAttemptedCommit, last.Source)
}

// cancellation is what is on record of cancel requests after a step: what one met that was not seen before, or what was there
// already. What is only about to begin was not meant.
func cancellation(o Observed, step Step) *pulumiv1.Cancellation {
	request, stack := cancelRequest(o.Stack), o.Stack
	switch {
	case step.Act == Run, o.Update == nil && step.State.IsReady() && !stack.Spec.Suspend:
		return nil
	case request == "" || o.Update == nil:
		return stack.Status.Canceled
	}
	return &pulumiv1.Cancellation{
		Request: request, Update: o.Update.Name, SpecDigest: wanted(stack),
		ReconcileRequest: stack.Annotations[pulumiv1.AnnotationReconciliationRequest], RequestedAt: stack.Annotations[pulumiv1.AnnotationRequestedAt],
	}
}

// cancelNoticed tells of a cancel request that was not seen before, and who made it, as far as that is known.
func cancelNoticed(o Observed, step Step) []notice {
	request := cancelRequest(o.Stack)
	if request == "" {
		return nil
	}
	text := fmt.Sprintf("%s %s", pulumiv1.AnnotationCancelRequest, validate.Quote(request))
	if o.CanceledBy != "" {
		text += ", set with " + validate.Quote(o.CanceledBy) + ","
	}
	if o.Update == nil || step.Act == Run {
		return []notice{{corev1.EventTypeNormal, pulumiv1.EventCancelRequested, "Cancel", text + " has nothing to cancel"}}
	}
	return []notice{{corev1.EventTypeNormal, pulumiv1.EventCancelRequested, "Cancel", fmt.Sprintf("%s cancels %s %s", text, o.Update.Spec.Type, shownName(o.Update))}}
}
