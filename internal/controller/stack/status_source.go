package stack

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
)

// skipCommit takes a new revision which changes nothing of what the stack needs for the one that ran last.
func skipCommit(o *Observed) {
	last := lastUpdate(o.Stack)
	if o.SourceErr != nil || deleting(o.Stack) || last == nil || last.LastAttemptedCommit == o.Source.Revision {
		return
	}
	known := o.Source.Pending == "" && o.Source.Stale == ""
	if !known || !o.Source.Selected || newSource(*o, last.LastAttemptedCommit, last.Source) {
		return
	}
	o.Skipped, last.LastAttemptedCommit = o.Source.Revision, o.Source.Revision
	if last.State == pulumiv1.SucceededStackState {
		last.LastSuccessfulCommit = o.Source.Revision
	}
}

// unchanged says why the commit on record is not the one that ran, or nothing.
func unchanged(last *pulumiv1.LastUpdate) string {
	if last.Source == nil || last.Source.Content == "" || last.Source.Revision == last.LastSuccessfulCommit {
		return ""
	}
	return fmt.Sprintf("; %s changes nothing of what it needs since %s, which ran", last.LastSuccessfulCommit, last.Source.Revision)
}

// adoptSource takes the source as it is for what the last update ran, where there is no record of that and the revision is
// the same. PKO keeps no such record.
func adoptSource(s *pulumiv1.StackStatus, o Observed) {
	last, now := s.LastUpdate, o.Source.record()
	if o.SourceErr != nil || now == nil || last == nil || last.State == "" || last.Source != nil ||
		last.Generation != o.Stack.Generation || last.LastAttemptedCommit != o.Source.Revision {
		return
	}
	last.Source = now
	if last.Type == autov1alpha1.UpUpdate && last.State == pulumiv1.SucceededStackState && s.Source == nil {
		s.Source = now
	}
}

// sourceStale is the condition of a source that cannot be reached, while the last revision known goes on being used.
func sourceStale(o Observed) []metav1.Condition {
	if o.Source.Stale == "" {
		return nil
	}
	return []metav1.Condition{{
		Type: pulumiv1.ConditionTypeSourceStale, Status: metav1.ConditionTrue, Reason: pulumiv1.ReasonSourceUnavailable,
		Message: conditions.Bound(o.Source.Stale), ObservedGeneration: o.Stack.Generation,
	}}
}
