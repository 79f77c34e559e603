package stack

import (
	"time"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// Traces makes a trace of every Update.
type Traces interface {
	// Decided says that a reconcile of a Stack, which began at the given time, made the Update.
	Decided(update *autov1alpha1.Update, stack string, began, ended time.Time)
}

// traceDecision begins an Update's trace.
func (r *Reconciler) traceDecision(update *autov1alpha1.Update, stack string, began time.Time) {
	if r.Traces != nil {
		r.Traces.Decided(update, stack, began, r.Clock.Now())
	}
}
