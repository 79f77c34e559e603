package stack

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
)

// heldBack says what a deletion waits for that cannot run its destroy.
func heldBack(stack *pulumiv1.Stack) string {
	if !deleting(stack) {
		return ""
	}
	return "; the Stack goes when its destroy has succeeded: mend this; or, to keep what it made, set spec.destroyOnFinalize to false or annotate the Stack with " + pulumiv1.AnnotationAbandon + "=true"
}

// resourcesKept: the user asked to keep the resources.
func resourcesKept(o Observed, _ time.Time) *Step {
	if !deleting(o.Stack) || o.Stack.Spec.DestroyOnFinalize {
		return nil
	}
	return &Step{Act: Release, State: conditions.Ready(pulumiv1.ReasonProcessingCompleted, "the Stack goes; its resources are kept, since destroyOnFinalize is not set")}
}

// nothingApplied: it is on record that no up was ever started, so that there is nothing to destroy. No record is no
// proof; and what else is on record must not say otherwise.
func nothingApplied(o Observed, _ time.Time) *Step {
	status := o.Stack.Status
	last := lastUpdate(o.Stack)
	applied := status.Applied == nil || *status.Applied || len(status.Outputs) > 0 ||
		(last != nil && last.Type != autov1alpha1.PreviewUpdate)
	if !deleting(o.Stack) || applied {
		return nil
	}
	return &Step{Act: Release, State: conditions.Ready(pulumiv1.ReasonProcessingCompleted, "the Stack goes; nothing was ever applied")}
}

// resourcesDestroyed: a destroy of this object's deletion is on record as succeeded. Deleting an object raises its
// generation, so that no earlier update can be taken for it.
func resourcesDestroyed(o Observed, _ time.Time) *Step {
	last := lastUpdate(o.Stack)
	if !deleting(o.Stack) || last == nil || last.Type != autov1alpha1.DestroyUpdate ||
		last.State != pulumiv1.SucceededStackState || last.Generation != o.Stack.Generation {
		return nil
	}
	return &Step{Act: Release, State: conditions.Ready(pulumiv1.ReasonProcessingCompleted, "the stack is destroyed")}
}

// protectedState is what is said of a Stack whose destroy a protected resource stops. It is tried again all the same: whoever
// takes the protection off in the state does that without a word to Gantry.
func protectedState(stack *pulumiv1.Stack, last *pulumiv1.LastUpdate) conditions.State {
	next := last.LastResyncTime.Add(cooldown(stack, last)).UTC().Round(time.Second).Format(time.RFC3339)
	return conditions.Stalled(pulumiv1.ReasonResourceProtected, fmt.Sprintf(
		"the destroy failed, since a resource is protected from being deleted. To destroy it, take the protection off in the stack's state: pulumi state unprotect --stack %s 'URN'. "+
			"To keep it, and all that is left: kubectl annotate stack %s -n %s %s=true. It is tried again at about %s, or at once with another value of %s. %d failure(s), the last one: %s",
		stack.Spec.Stack, stack.Name, stack.Namespace, pulumiv1.AnnotationAbandon, next, pulumiv1.AnnotationReconciliationRequest, last.Failures, last.Message))
}

// childrenCollected: under a foreground deletion the garbage collector deletes the Stack's children, and would delete the
// Workspace of the destroy too; when they are to be orphaned, it takes the Stack's name off them. It is waited out.
func childrenCollected(o Observed, _ time.Time) *Step {
	collecting := func(finalizer string) bool {
		return finalizer == metav1.FinalizerDeleteDependents || finalizer == metav1.FinalizerOrphanDependents
	}
	if !deleting(o.Stack) || !slices.ContainsFunc(o.Stack.Finalizers, collecting) {
		return nil
	}
	return &Step{State: conditions.Reconciling(pulumiv1.ReasonStackProcessing, "waiting for the garbage collector to be done with the Stack's children before the destroy")}
}
