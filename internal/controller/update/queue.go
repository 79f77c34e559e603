package update

import (
	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// aheadOf is the Update that has to end before this one may start: the one that runs in the Workspace, else the oldest
// that waits for it if that is older. It is nil if it is this one's turn. All are incomplete.
func aheadOf(update *autov1alpha1.Update, all []autov1alpha1.Update) *autov1alpha1.Update {
	var first *autov1alpha1.Update
	for i := range all {
		other := &all[i]
		if other.UID == update.UID {
			continue
		}
		if isStarted(other) {
			return other
		}
		if !isDeleting(other) && older(other, update) && (first == nil || older(other, first)) {
			first = other
		}
	}
	return first
}

// isBarred tells that another Update of the Workspace cannot start before a person has mended something that is only its
// own, such as the configuration of its stack. It keeps nobody from starting.
func (o Observed) isBarred(other autov1alpha1.Update) bool {
	if isStarted(&other) || o.Workspace == nil {
		return false
	}
	_, err := build(Observed{Update: &other, Workspace: o.Workspace, Settings: o.Settings})
	return err != nil
}

// older orders Updates by creation; names decide within a second, since the API keeps no finer time.
func older(a, b *autov1alpha1.Update) bool {
	if !a.CreationTimestamp.Time.Equal(b.CreationTimestamp.Time) {
		return a.CreationTimestamp.Time.Before(b.CreationTimestamp.Time)
	}
	return a.Name < b.Name
}
