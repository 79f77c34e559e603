// Package conditions owns the shapes that the conditions of every kind take, so that kstatus, Helm, Argo CD and
// kubectl wait read them alike: an object is ready, or reconciling, or stalled, and never two of these. One that a person
// suspended may be none of these.
package conditions

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// MaxMessage bounds a condition's message, in bytes; the API server refuses more than 32768.
const MaxMessage = 8 << 10

// MaxNote bounds an event's note, in bytes; the API server refuses more than 1024.
const MaxNote = 1000

// Reasons of Ready while it is False.
const (
	reasonInProgress = "NotReadyInProgress"
	reasonStalled    = "NotReadyStalled"
)

// kindSuspended is the state that no condition but Ready tells of.
const kindSuspended = "Suspended"

// State is one of the shapes, made by Ready, Reconciling, Stalled or Suspended.
type State struct {
	kind            string
	reason, message string
}

// Ready says that the object is as its spec asks.
func Ready(reason, message string) State {
	return State{autov1alpha1.ConditionTypeReady, reason, message}
}

// Reconciling says that something is under way, or is waited for, that needs nobody's hand.
func Reconciling(reason, message string) State {
	return State{autov1alpha1.ConditionTypeReconciling, reason, message}
}

// Stalled says that a person has to act.
func Stalled(reason, message string) State {
	return State{autov1alpha1.ConditionTypeStalled, reason, message}
}

// Suspended says that the object is not as its spec asks, and that nothing is done about that, since a person wants it so.
func Suspended(reason, message string) State {
	return State{kindSuspended, reason, message}
}

// IsReady tells whether the state is Ready.
func (s State) IsReady() bool { return s.kind == autov1alpha1.ConditionTypeReady }

// IsStalled tells whether the state is Stalled.
func (s State) IsStalled() bool { return s.kind == autov1alpha1.ConditionTypeStalled }

// IsSuspended tells whether the state is Suspended.
func (s State) IsSuspended() bool { return s.kind == kindSuspended }

// Reason is the state's reason.
func (s State) Reason() string { return s.reason }

// Message is the state's message.
func (s State) Message() string { return s.message }

// Conditions are the state's conditions, for the given generation.
func (s State) Conditions(generation int64) []metav1.Condition {
	condition := func(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: Bound(message), ObservedGeneration: generation}
	}
	switch s.kind {
	case autov1alpha1.ConditionTypeReady:
		return []metav1.Condition{condition(s.kind, metav1.ConditionTrue, s.reason, s.message)}
	case kindSuspended:
		return []metav1.Condition{condition(autov1alpha1.ConditionTypeReady, metav1.ConditionFalse, s.reason, s.message)}
	case autov1alpha1.ConditionTypeStalled:
		return []metav1.Condition{
			condition(autov1alpha1.ConditionTypeReady, metav1.ConditionFalse, reasonStalled, "reconciliation is stalled"),
			condition(s.kind, metav1.ConditionTrue, s.reason, s.message),
		}
	default:
		return []metav1.Condition{
			condition(autov1alpha1.ConditionTypeReady, metav1.ConditionFalse, reasonInProgress, "reconciliation is in progress"),
			condition(autov1alpha1.ConditionTypeReconciling, metav1.ConditionTrue, s.reason, s.message),
		}
	}
}

// Merge returns the wanted conditions, sorted by type, each with the transition time it had in old if its status
// is the same, else now. Conditions that are not wanted are gone.
func Merge(old, want []metav1.Condition, now metav1.Time) []metav1.Condition {
	merged := slices.Clone(want)
	for i := range merged {
		merged[i].LastTransitionTime = now
		if was := meta.FindStatusCondition(old, merged[i].Type); was != nil && was.Status == merged[i].Status {
			merged[i].LastTransitionTime = was.LastTransitionTime
		}
	}
	slices.SortFunc(merged, func(a, b metav1.Condition) int { return strings.Compare(a.Type, b.Type) })
	return merged
}

// Bound cuts a message to MaxMessage bytes, at a character's border, and says so.
func Bound(message string) string { return bound(message, MaxMessage) }

// BoundNote cuts an event's note to MaxNote bytes in the same way.
func BoundNote(note string) string { return bound(note, MaxNote) }

func bound(message string, limit int) string {
	const cut = "… (cut)"
	if len(message) <= limit {
		return message
	}
	return strings.ToValidUTF8(message[:limit-len(cut)], "") + cut
}
