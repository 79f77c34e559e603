package update

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// traceOffer adds to the Update's trace that its operation was offered to the pod. The pod is read from the cache; the
// trace does without one that is not there.
func (r *Reconciler) traceOffer(ctx context.Context, o Observed) {
	if r.Traces == nil {
		return
	}
	pod := &corev1.Pod{}
	if err := r.Client.Get(ctx, client.ObjectKey{Namespace: o.Update.Namespace, Name: o.pod()}, pod); err != nil || pod.UID != o.Session.PodUID {
		pod = nil
	}
	r.Traces.Offered(o.Update, pod, o.Began, r.Clock.Now())
}

// traceEnd completes the Update's trace. Its status is the one that was just written.
func (r *Reconciler) traceEnd(o Observed) {
	if r.Traces == nil {
		return
	}
	var reason string
	if failed := meta.FindStatusCondition(o.Update.Status.Conditions, autov1alpha1.UpdateConditionTypeFailed); failed != nil {
		reason = failed.Reason
	}
	r.Traces.Ended(o.Update, o.State.Result, reason, o.Began, r.Clock.Now())
}
