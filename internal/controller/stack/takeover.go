package stack

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// isFresh tells that nobody has worked on the Stack: it has neither the finalizer nor a status. Whatever else is known
// of a Stack that Gantry sees first, somebody may have applied it: PKO, whose records can be lost while its resources are
// there, or Gantry in another cluster, from which the Stack came by way of a backup.
func isFresh(stack *pulumiv1.Stack) bool {
	s := &stack.Status
	return !slices.Contains(stack.Finalizers, pulumiv1.Finalizer) &&
		s.LastUpdate == nil && s.CurrentUpdate == nil && len(s.Conditions) == 0 && len(s.Outputs) == 0
}

// begun tells that the operation of an Update may have started: it was given to a pod, or PKO was running it, which puts
// no pod on record.
func begun(update *autov1alpha1.Update) bool {
	return update.Status.PodUID != "" || meta.IsStatusConditionTrue(update.Status.Conditions, autov1alpha1.UpdateConditionTypeProgressing)
}

// applies tells that an Update may make resources, or may have made them.
func applies(update *autov1alpha1.Update) bool {
	return update.Spec.Type != autov1alpha1.PreviewUpdate && update.Spec.Type != autov1alpha1.RefreshUpdate
}

// madeByPKO tells that PKO made the Update, which no pod of ours has begun: ours have the update controller's finalizer
// from the start.
func madeByPKO(update *autov1alpha1.Update) bool {
	return controllerutil.ContainsFinalizer(update, pulumiv1.Finalizer) && !controllerutil.ContainsFinalizer(update, autov1alpha1.FinalizerOperation)
}

// sourceServedByPKO tells that an Update which PKO made, and which no pod has begun, is to run from an archive that only
// PKO served. Running it would be waiting for a server that is gone.
func sourceServedByPKO(o Observed) bool {
	return madeByPKO(o.Update) && o.Workspace != nil && o.Desired != nil && o.Workspace.Spec.Flux != nil &&
		!equality.Semantic.DeepEqual(o.Workspace.Spec.Flux, o.Desired.Spec.Flux)
}

// releaseUpdates removes the Stack's finalizer, which PKO puts on its Updates too, from those whose result is on record
// or does not count: all but the one under way. Nobody else would, so that these Updates, and the Stack's namespace,
// could never go. It answers all Updates of the Stack.
func (r *Reconciler) releaseUpdates(ctx context.Context, stack client.ObjectKey, underWay string) ([]autov1alpha1.Update, error) {
	var list autov1alpha1.UpdateList
	if err := r.Client.List(ctx, &list, client.InNamespace(stack.Namespace), client.MatchingFields{indexStack: stack.Name}); err != nil {
		return nil, fmt.Errorf("list the Updates of the Stack: %w", err)
	}
	for i := range list.Items {
		update := &list.Items[i]
		if update.Name == underWay || !controllerutil.ContainsFinalizer(update, pulumiv1.Finalizer) {
			continue
		}
		was := update.DeepCopy()
		controllerutil.RemoveFinalizer(update, pulumiv1.Finalizer)
		if err := r.patchFinalizers(ctx, update, was); client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("release Update %s: %w", update.Name, err)
		}
	}
	return list.Items, nil
}
