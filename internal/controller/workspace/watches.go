package workspace

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/kube"
)

const (
	retryLeast = 100 * time.Millisecond
	retryMost  = 30 * time.Second
)

// SetupWithManager registers the controller. The index of Updates by IndexWorkspaceName has to be there.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("workspace-controller").
		For(&autov1alpha1.Workspace{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, expectationChanged(), kube.Changed(recorded)))).
		Owns(&corev1.Pod{}).
		Watches(&autov1alpha1.Update{}, handler.EnqueueRequestsFromMapFunc(workspaceOf), builder.WithPredicates(claimChanged())).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(formerWorkspaceOf)).
		WatchesRawSource(source.Channel(r.Hub.Workspaces(), &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: r.Concurrency,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](retryLeast, retryMost),
		}).
		Complete(r)
}

// workspaceOf maps an Update to its Workspace.
func workspaceOf(_ context.Context, object client.Object) []reconcile.Request {
	update, ok := object.(*autov1alpha1.Update)
	if !ok || update.Spec.WorkspaceName == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: update.Namespace, Name: update.Spec.WorkspaceName}}}
}

// formerWorkspaceOf maps the pod of a StatefulSet that PKO made to its Workspace, which waits for it to be gone.
func formerWorkspaceOf(_ context.Context, object client.Object) []reconcile.Request {
	p, ok := object.(*corev1.Pod)
	if !ok {
		return nil
	}
	workspace := p.Labels[autov1alpha1.LabelWorkspaceName]
	if workspace == "" || keptBy(p, formerName(workspace)) == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: p.Namespace, Name: workspace}}}
}

// claimChanged passes what changes an Update's claim on a pod, and not its progress.
func claimChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, wasOK := e.ObjectOld.(*autov1alpha1.Update)
		is, isOK := e.ObjectNew.(*autov1alpha1.Update)
		return !wasOK || !isOK || claim(was) != claim(is)
	}}
}

// expectationChanged passes a Workspace of which an Update is expected now, or not any more.
func expectationChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetAnnotations()[autov1alpha1.AnnotationExpected] != e.ObjectNew.GetAnnotations()[autov1alpha1.AnnotationExpected]
	}}
}

// claimed is what of an Update matters to the Workspace.
type claimed struct {
	workspace, pod     string
	complete, deleting bool
}

// claim reads an Update's claim.
func claim(update *autov1alpha1.Update) claimed {
	return claimed{
		workspace: update.Spec.WorkspaceName,
		pod:       update.Status.PodUID,
		complete:  meta.IsStatusConditionTrue(update.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete),
		deleting:  !update.DeletionTimestamp.IsZero(),
	}
}

// recorded is what the controller itself writes.
func recorded(workspace *autov1alpha1.Workspace) any { return workspace.Status }
