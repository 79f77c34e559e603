package update

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// timeToLive is how long an Update is kept after its end; ok says whether it is limited. An error means that the
// duration is malformed, and that the Update is kept.
func timeToLive(wanted *string) (ttl time.Duration, ok bool, err error) {
	if wanted == nil || *wanted == "" {
		return 0, false, nil
	}
	ttl, err = time.ParseDuration(*wanted)
	return ttl, err == nil, err
}

// timeLeft is how much longer a complete Update is kept; ok says whether that is limited.
func timeLeft(update *autov1alpha1.Update, now time.Time) (left time.Duration, ok bool) {
	done := meta.FindStatusCondition(update.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete)
	ttl, ok, err := timeToLive(update.Spec.TTLAfterCompleted)
	if done == nil || !ok || err != nil {
		return 0, false
	}
	return done.LastTransitionTime.Add(ttl).Sub(now), true
}
