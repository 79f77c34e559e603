package update

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/kube"
)

// queue is the controller's work queue.
type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// SetupWithManager registers the controller. It is woken by its own Updates (made, deleted), by the end of others in the
// same Workspace, by Workspaces that change, by pods that end, and by the hub.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("update-controller").
		For(&autov1alpha1.Update{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, kube.Changed(recorded)))).
		Watches(&autov1alpha1.Update{}, handler.EnqueueRequestsFromMapFunc(r.behind), builder.WithPredicates(madeWay())).
		Watches(&autov1alpha1.Workspace{}, handler.EnqueueRequestsFromMapFunc(r.inWorkspace), builder.WithPredicates(workspaceChanged())).
		Watches(&corev1.Pod{}, r.podEnded(), builder.WithPredicates(isWorkspacePod())).
		WatchesRawSource(source.Channel(r.Wake, &handler.EnqueueRequestForObject{})).
		WatchesRawSource(source.Func(r.wakeOnSource)).
		Complete(r)
}

// wakeOnSource has the Updates looked at whose Workspace's git repository has news.
func (r *Reconciler) wakeOnSource(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	r.Git.Notify(consumerKind, func(update types.NamespacedName) { queue.Add(reconcile.Request{NamespacedName: update}) })
	return nil
}

// madeWay is for an Update that became complete or went.
func madeWay() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc:  func(event.CreateEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
		DeleteFunc:  func(event.DeleteEvent) bool { return true },
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok := e.ObjectOld.(*autov1alpha1.Update)
			after, also := e.ObjectNew.(*autov1alpha1.Update)
			return ok && also && !isComplete(before) && isComplete(after)
		},
	}
}

// workspaceChanged is for what a waiting Update looks at: the spec and the conditions.
func workspaceChanged() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok := e.ObjectOld.(*autov1alpha1.Workspace)
			after, also := e.ObjectNew.(*autov1alpha1.Workspace)
			return !ok || !also || before.Generation != after.Generation ||
				before.Status.ObservedGeneration != after.Status.ObservedGeneration ||
				!equality.Semantic.DeepEqual(before.Status.Conditions, after.Status.Conditions)
		},
	}
}

func isWorkspacePod() predicate.Predicate {
	return predicate.NewPredicateFuncs(func(object client.Object) bool {
		return object.GetLabels()[autov1alpha1.LabelWorkspaceName] != ""
	})
}

// behind maps an Update that is over to those that wait for their turn in its Workspace.
func (r *Reconciler) behind(ctx context.Context, object client.Object) []reconcile.Request {
	update, ok := object.(*autov1alpha1.Update)
	if !ok {
		return nil
	}
	return r.requests(ctx, workspaceKey(update))
}

// inWorkspace maps a Workspace to its incomplete Updates.
func (r *Reconciler) inWorkspace(ctx context.Context, object client.Object) []reconcile.Request {
	return r.requests(ctx, client.ObjectKeyFromObject(object))
}

func (r *Reconciler) requests(ctx context.Context, workspace client.ObjectKey) []reconcile.Request {
	names := Waiting(r.Client)(ctx, workspace)
	requests := make([]reconcile.Request, 0, len(names))
	for _, name := range names {
		requests = append(requests, reconcile.Request{NamespacedName: name})
	}
	return requests
}

// podEnded wakes the Update whose operation a pod had, and notes why the pod ended: nobody can tell once it is gone.
func (r *Reconciler) podEnded() handler.EventHandler {
	return handler.Funcs{
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			if pod, ok := e.ObjectNew.(*corev1.Pod); ok && isOver(pod) {
				r.notePodEnd(ctx, pod, q)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			if pod, ok := e.Object.(*corev1.Pod); ok {
				r.notePodEnd(ctx, pod, q)
			}
		},
	}
}

func (r *Reconciler) notePodEnd(ctx context.Context, pod *corev1.Pod, q queue) {
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return // of no Workspace, so that no operation was ever given to it
	}
	updates, err := incomplete(ctx, r.Client, client.ObjectKey{Namespace: pod.Namespace, Name: owner.Name})
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Updates not woken", "pod", pod.Name)
		return
	}
	for i := range updates {
		if updates[i].Status.PodUID == string(pod.UID) {
			r.memory.noteEnd(updates[i].UID, endOf(pod))
			q.Add(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&updates[i])})
		}
	}
}

// recorded is what the controller itself writes.
func recorded(update *autov1alpha1.Update) any { return update.Status }
