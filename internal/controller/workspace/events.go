package workspace

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/conditions"
)

// EventInitialized is the reason of the event of a Workspace whose agent connected for the first time.
const EventInitialized = "Initialized"

// note is one event.
type note struct{ kind, reason, action, note string }

// changeEvent is the event of a change of the conditions, if the change is worth one: the agent connected for the
// first time, or there is new trouble.
func changeEvent(old, now []metav1.Condition) (note, bool) {
	was, is := stateCondition(old), stateCondition(now)
	if was.Type == is.Type && was.Reason == is.Reason && was.Message == is.Message {
		return note{}, false
	}
	switch {
	case is.Type == autov1alpha1.ConditionTypeReady:
		if was.Type != autov1alpha1.ConditionTypeReady && was.Reason != ReasonConnectionFailed && strings.HasSuffix(is.Message, connected) {
			return note{corev1.EventTypeNormal, EventInitialized, "Connect", is.Message}, true
		}
		return note{}, false
	case !isTrouble(is.Reason):
		return note{}, false
	default:
		return note{corev1.EventTypeWarning, is.Reason, "StartPod", conditions.BoundNote(is.Message)}, true
	}
}

// isTrouble tells whether the reason of a state that is not Ready asks for attention.
func isTrouble(reason string) bool {
	switch reason {
	case "", ReasonWaiting, ReasonDeleting, ReasonConnectionFailed, autov1alpha1.ReasonPodOutdated:
		return false
	default:
		return true
	}
}
