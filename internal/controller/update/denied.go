package update

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/kube"
)

// tellDenied says on an Update what the manager may not do for it. What is on record of one that is complete stays as it
// is, so that an event says it.
func (r *Reconciler) tellDenied(ctx context.Context, key client.ObjectKey, denial kube.Denial) (ctrl.Result, error) {
	update, again := &autov1alpha1.Update{}, ctrl.Result{RequeueAfter: kube.DeniedRetry}
	if err := r.Client.Get(ctx, key, update); err != nil {
		return again, client.IgnoreNotFound(err)
	}
	if isComplete(update) {
		r.emit(update, occurrence{corev1.EventTypeWarning, ReasonPermissionMissing, "Reconcile", conditions.BoundNote(denial.String())})
		return again, nil
	}
	step := Step{Act: Wait, Reason: ReasonPermissionMissing, Message: denial.String()}
	if isStarted(update) {
		step.Act = Follow
	}
	return again, r.write(ctx, Observed{Update: update, State: r.Hub.State(workspaceKey(update), update.UID)}, step, keptOutputs{})
}
