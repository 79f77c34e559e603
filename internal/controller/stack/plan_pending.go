package stack

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/operation"
)

// pendingPolicy is what the next update does with pending operations: nothing, and it does not even look, unless one
// before it may have left some.
func pendingPolicy(stack *pulumiv1.Stack, next autov1alpha1.UpdateType) autov1alpha1.PendingOperationsPolicy {
	if next == autov1alpha1.PreviewUpdate || !suspected(stack) {
		return ""
	}
	if policy := stack.Spec.PendingOperations; policy != "" {
		return policy
	}
	return autov1alpha1.PendingOperationsRefresh
}

// suspected tells that operations may be pending in the state. Of an update of PKO's that failed, nothing tells how.
func suspected(stack *pulumiv1.Stack) bool {
	if stack.Status.InterruptedUpdate != "" {
		return true
	}
	last := lastUpdate(stack)
	return last != nil && last.State == pulumiv1.FailedStackState && last.Type != autov1alpha1.PreviewUpdate &&
		(last.Reason == "" || last.Reason == operation.ReasonAborted)
}

// recordPending records what a complete update says of pending operations: those it met, and whether it may have left some
// itself. Once it is on record that some may be there, only an update that looked takes that back.
func recordPending(status *pulumiv1.StackStatus, update *autov1alpha1.Update, record *pulumiv1.LastUpdate) {
	met := update.Status.PendingOperations
	if settled(met) {
		status.InterruptedUpdate = ""
	}
	if update.Status.Interrupted || (abortedEnd(update) && update.Spec.Type != autov1alpha1.PreviewUpdate) {
		status.InterruptedUpdate = update.Name
	}
	known := status.PendingOperations
	switch {
	// What is pending in a stack that another one works on is that one's business.
	case met != nil && met.Count > 0 && record.Reason != operation.ReasonConflict:
		status.PendingOperations = &pulumiv1.PendingOperationsRecord{
			PendingOperations: *met.DeepCopy(), Update: update.Name, Generation: record.Generation, ReconcileRequest: record.ReconcileRequest,
			RequestedAt: status.LastHandledReconcileAt,
		}
		record.Message = conditions.Bound(joined(record.Message, met.Message))
	case known != nil && record.State == pulumiv1.SucceededStackState && askedSince(known, record, status.LastHandledReconcileAt):
		status.PendingOperations = nil
	}
}

// settled tells that an update looked for pending operations, and that there is nothing left to do with them.
func settled(met *autov1alpha1.PendingOperations) bool {
	if met == nil {
		return false
	}
	switch met.Outcome {
	case autov1alpha1.PendingOperationsNone, autov1alpha1.PendingOperationsCleared, autov1alpha1.PendingOperationsKept:
		return true
	case autov1alpha1.PendingOperationsFound, autov1alpha1.PendingOperationsFailed:
	}
	return false
}

// askedSince tells that an update was made for another change or request of a person than the one that met pending
// operations.
func askedSince(known *pulumiv1.PendingOperationsRecord, record *pulumiv1.LastUpdate, requestedAt string) bool {
	return known.Generation != record.Generation || known.ReconcileRequest != record.ReconcileRequest || known.RequestedAt != requestedAt
}

// abortedEnd tells that an Update ended without anybody knowing how.
func abortedEnd(update *autov1alpha1.Update) bool {
	failed := meta.FindStatusCondition(update.Status.Conditions, autov1alpha1.UpdateConditionTypeFailed)
	return failed != nil && failed.Status == metav1.ConditionTrue && failed.Reason == operation.ReasonAborted
}

// joined puts two texts on lines of their own.
func joined(first, second string) string {
	if first == "" {
		return second
	}
	return first + "\n" + second
}

// pendingOperations is the condition that an update met pending operations, of which resources may be left outside of the
// state.
func pendingOperations(stack *pulumiv1.Stack) []metav1.Condition {
	met := stack.Status.PendingOperations
	if met == nil {
		return nil
	}
	reason := pulumiv1.ReasonPendingOperationsFound
	switch met.Outcome {
	case autov1alpha1.PendingOperationsCleared:
		reason = pulumiv1.ReasonPendingOperationsCleared
	case autov1alpha1.PendingOperationsKept:
		reason = pulumiv1.ReasonPendingOperationsKept
	case autov1alpha1.PendingOperationsFailed:
		reason = pulumiv1.ReasonPendingOperationsFailed
	case autov1alpha1.PendingOperationsFound, autov1alpha1.PendingOperationsNone:
	}
	return []metav1.Condition{{
		Type: pulumiv1.ConditionTypePendingOperations, Status: metav1.ConditionTrue, Reason: reason,
		Message: conditions.Bound("met by " + met.Update + ": " + met.Message), ObservedGeneration: stack.Generation,
	}}
}
