package stack

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/kube"
)

// permissionMissing is the state of a Stack for which something is needed that the manager may not do.
func permissionMissing(d kube.Denial) conditions.State {
	return conditions.Reconciling(pulumiv1.ReasonPermissionMissing, d.String())
}

// tellDenied says on the Stack what the manager may not do. All else that is on record stays as it is: it was not looked at
// to the end. A manager that may not write that either has its log alone.
func (r *Reconciler) tellDenied(ctx context.Context, stack *pulumiv1.Stack, denial kube.Denial) (time.Duration, error) {
	state := permissionMissing(denial)
	was := meta.FindStatusCondition(stack.Status.Conditions, autov1alpha1.ConditionTypeReconciling)
	news := was == nil || was.Reason != state.Reason() || was.Message != conditions.Bound(state.Message())
	if err := r.restate(ctx, stack, state); err != nil {
		return 0, err
	}
	if news {
		r.emit(stack, notice{corev1.EventTypeWarning, pulumiv1.ReasonPermissionMissing, "Reconcile", state.Message()})
	}
	return kube.DeniedRetry, nil
}

// restate puts a state on record, and changes nothing else there.
func (r *Reconciler) restate(ctx context.Context, stack *pulumiv1.Stack, state conditions.State) error {
	s := stack.Status.DeepCopy()
	s.ObservedGeneration = stack.Generation
	want := slices.DeleteFunc(slices.Clone(s.Conditions), func(c metav1.Condition) bool {
		return slices.Contains([]string{autov1alpha1.ConditionTypeReady, autov1alpha1.ConditionTypeReconciling, autov1alpha1.ConditionTypeStalled}, c.Type)
	})
	want = append(want, state.Conditions(stack.Generation)...)
	s.Conditions = conditions.Merge(s.Conditions, want, metav1.NewTime(r.Clock.Now()))
	return kube.ApplyStatus(ctx, r.Client, stack, kube.ManagerStackStatus, &stack.Status, s)
}

// heldBy is the denial that is on record, if there is one: it stays there until a whole reconcile has gone well. Otherwise
// a step that writes before it is refused would change the status to and fro, and wake the reconciler with each change.
func heldBy(stack *pulumiv1.Stack, state conditions.State) (conditions.State, bool) {
	was := meta.FindStatusCondition(stack.Status.Conditions, autov1alpha1.ConditionTypeReconciling)
	if was == nil || was.Status != metav1.ConditionTrue || was.Reason != pulumiv1.ReasonPermissionMissing || state.Reason() == pulumiv1.ReasonPermissionMissing {
		return state, false
	}
	return conditions.Reconciling(was.Reason, was.Message), true
}

// relieve takes a denial off the record when all was done for which there was a right.
func (r *Reconciler) relieve(ctx context.Context, stack *pulumiv1.Stack, step Step) error {
	_, held := heldBy(stack, step.State)
	if !held || step.State.Reason() == "" {
		return nil
	}
	news := stateChange(stack, step)
	if err := r.restate(ctx, stack, step.State); err != nil {
		return client.IgnoreNotFound(err)
	}
	for _, n := range news {
		r.emit(stack, n)
	}
	return nil
}
