package workspace

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/kube"
)

const (
	refusedLeast = time.Second
	refusedMost  = 30 * time.Second
)

// refused tells why the API server did not take the pod. What is not the API server's refusal is an error, and tried
// again as such.
func (r *Reconciler) refused(ctx context.Context, o *Observed, cause error) (Step, error) {
	accountMissing := false
	if _, denied := kube.Denied(cause); apierrors.IsForbidden(cause) && !denied {
		account := types.NamespacedName{Namespace: o.Built.Namespace, Name: accountOf(o.Built)}
		exists, err := r.exists(ctx, "ServiceAccount", account)
		if err != nil {
			// The API server's own words say enough.
			o.LookupError = errors.Join(o.LookupError, err)
			exists = true
		}
		accountMissing = !exists
	}
	step := Step{Check: "wake", After: refusalWait(o.Workspace, r.Clock.Now())}
	state, known := refusal(o, cause, accountMissing)
	if !known {
		step.State = startingState(o.Built.Name)
		return step, fmt.Errorf("create pod %s: %w", o.Built.Name, cause)
	}
	step.State = state
	if state.IsStalled() {
		step.After = 0
	}
	return step, nil
}

// refusal is the state that a refusal of the API server means.
func refusal(o *Observed, cause error, accountMissing bool) (conditions.State, bool) {
	var status apierrors.APIStatus
	if !errors.As(cause, &status) {
		return conditions.State{}, false
	}
	name, words := o.Built.Name, status.Status().Message
	code := int(status.Status().Code)
	denial, isDenied := kube.Denied(cause)
	switch {
	case apierrors.HasStatusCause(cause, corev1.NamespaceTerminatingCause):
		return conditions.Reconciling(ReasonNamespaceTerminating, fmt.Sprintf(
			"pod %s cannot be created, since namespace %s is being deleted", name, o.Built.Namespace)), true
	case isDenied:
		return conditions.Reconciling(ReasonPermissionMissing, fmt.Sprintf("pod %s cannot be created: %s", name, denial)), true
	case accountMissing:
		return conditions.Reconciling(ReasonServiceAccountMissing, fmt.Sprintf(
			"pod %s cannot be created, since ServiceAccount %s does not exist in namespace %s; create it, or name another one in serviceAccountName",
			name, accountOf(o.Built), o.Built.Namespace)), true
	case apierrors.IsInvalid(cause), apierrors.IsBadRequest(cause):
		return conditions.Stalled(ReasonPodInvalid, fmt.Sprintf("the API server finds pod %s malformed; mend the spec: %s", name, words)), true
	case code >= http.StatusBadRequest && code < http.StatusInternalServerError && !passes(code):
		return conditions.Reconciling(ReasonPodRefused, fmt.Sprintf("the API server refuses pod %s: %s", name, words)), true
	default:
		return conditions.State{}, false
	}
}

// passes tells of an HTTP status that says nothing of the pod.
func passes(code int) bool {
	switch code {
	case http.StatusNotFound, http.StatusConflict, http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusUnauthorized:
		return true
	default:
		return false
	}
}

// accountOf is the name of the pod's ServiceAccount.
func accountOf(p *corev1.Pod) string {
	if p.Spec.ServiceAccountName == "" {
		return "default"
	}
	return p.Spec.ServiceAccountName
}

// refusalWait is when to try again: after half the time that it has not worked, within bounds. Nothing tells when a
// quota or a namespace's Pod Security level changes.
func refusalWait(workspace *autov1alpha1.Workspace, now time.Time) time.Duration {
	since := now
	for _, c := range workspace.Status.Conditions {
		if c.Type == autov1alpha1.ConditionTypeReconciling {
			since = c.LastTransitionTime.Time
		}
	}
	return min(max(now.Sub(since)/2, refusedLeast), refusedMost)
}
