package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// keptUpdates is how many complete Updates of a Stack are kept, whatever their time to live. A Stack that runs every minute,
// or fails every few seconds, would otherwise have thousands of them a day, in etcd and in the manager's memory.
const keptUpdates = 100

// surplus are the Updates that are too many: complete ones that this controller made, but for the newest and for those that
// are still asked for. One with a time to live of the user's own has it.
func surplus(updates []autov1alpha1.Update, stack *pulumiv1.Stack, underWay string) []*autov1alpha1.Update {
	if len(updates) <= keptUpdates {
		return nil
	}
	needed := []string{underWay, stack.Status.InterruptedUpdate}
	if last := stack.Status.LastUpdate; last != nil {
		needed = append(needed, last.Name)
	}
	var complete []*autov1alpha1.Update
	for i := range updates {
		update := &updates[i]
		ttl := update.Spec.TTLAfterCompleted
		switch {
		case !meta.IsStatusConditionTrue(update.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete),
			update.Labels[pulumiv1.LabelComponent] != childLabels(stack)[pulumiv1.LabelComponent],
			ttl == nil || *ttl != updateTTL,
			controllerutil.ContainsFinalizer(update, pulumiv1.Finalizer), !update.DeletionTimestamp.IsZero(),
			slices.Contains(needed, update.Name):
			continue
		}
		complete = append(complete, update)
	}
	slices.SortFunc(complete, func(a, b *autov1alpha1.Update) int {
		if a.CreationTimestamp.Equal(&b.CreationTimestamp) {
			return strings.Compare(b.Name, a.Name)
		}
		return b.CreationTimestamp.Compare(a.CreationTimestamp.Time)
	})
	return complete[min(keptUpdates, len(complete)):]
}

// forgetUpdates deletes those that are too many. The precondition makes sure that none of them is another one of its name.
func (r *Reconciler) forgetUpdates(ctx context.Context, updates []*autov1alpha1.Update) error {
	for _, update := range updates {
		if err := r.Client.Delete(ctx, update, client.Preconditions{UID: &update.UID}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete Update %s, one of more than %d that are complete: %w", update.Name, keptUpdates, err)
		}
	}
	return nil
}
