package workspace

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// expectAtMost bounds for how long a pod is kept for an Update that is only announced.
const expectAtMost = 5 * time.Minute

// Claims are what the Updates of a Workspace want of its pod.
type Claims struct {
	// Live says that the pod has an operation that is not over: nothing may happen to it.
	Live bool
	// Wanted says that an operation waits for a pod.
	Wanted bool
	// Until is for how long an operation is expected that is not there yet; zero if none is.
	Until time.Time
	// LastEnd is when the last operation ended; zero if none did.
	LastEnd time.Time
}

// claimsOn sums up the Updates. An Update that was given to a pod sticks to it: it is live in that pod, and wants no
// other one when that pod is gone. An Update that is deleted before it was given to a pod wants none.
func claimsOn(updates []autov1alpha1.Update, current *corev1.Pod) Claims {
	var c Claims
	for i := range updates {
		update := &updates[i]
		given := update.Status.PodUID
		switch complete := meta.FindStatusCondition(update.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete); {
		case complete != nil && complete.Status == "True":
			end := complete.LastTransitionTime.Time
			if update.Status.EndTime != nil {
				end = update.Status.EndTime.Time
			}
			if end.After(c.LastEnd) {
				c.LastEnd = end
			}
		case given == "":
			c.Wanted = c.Wanted || update.DeletionTimestamp.IsZero()
		case current != nil && given == string(current.UID):
			c.Live = true
		}
	}
	return c
}

// expecting adds to the claims that an Update is about to be made, which its Stack announces to have the pod started.
func (c Claims) expecting(workspace *autov1alpha1.Workspace, now time.Time) Claims {
	until, err := time.Parse(time.RFC3339, workspace.Annotations[autov1alpha1.AnnotationExpected])
	if err != nil || !now.Before(until) || until.Sub(now) > expectAtMost || c.Wanted {
		return c
	}
	c.Wanted, c.Until = true, until
	return c
}

// idleTimeout is how long the pod is kept without work. A duration that is none is told when the pod is built.
func idleTimeout(spec *autov1alpha1.WorkspaceSpec, otherwise time.Duration) time.Duration {
	timeout, err := time.ParseDuration(spec.IdleTimeout)
	if err != nil || timeout < 0 {
		return otherwise
	}
	return timeout
}
