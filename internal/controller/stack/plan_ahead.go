package stack

import (
	"errors"
	"time"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/source/git"
)

// expectFor is how long a pod that was started ahead is waited with for its Update.
const expectFor = time.Minute

// isComing tells that the first update only waits for its commit to be fetched: a pod takes longer to start than that.
// A repository that was not reached yet starts no pod, or a wrong URL in many Stacks would start as many pods.
func isComing(o Observed) bool {
	return errors.As(o.SourceErr, new(*git.FetchingError)) && o.Workspace == nil && o.Update == nil &&
		lastUpdate(o.Stack) == nil && !deleting(o.Stack)
}

// desire makes the Workspace that the Stack asks for, as soon as it may be needed.
func desire(o *Observed) {
	if o.SourceErr == nil || isComing(*o) {
		o.Desired, o.DesiredErr = buildWorkspace(o.Stack, o.Source)
	}
}

// sourceComing: the pod is started while the source is fetched, if nothing else is in the way.
func sourceComing(o Observed, now time.Time) *Step {
	if !isComing(o) || o.Desired == nil {
		return nil
	}
	for _, otherwise := range []check{prerequisiteUnmet, kubeconfigMissing} {
		if otherwise(o, now) != nil {
			return nil
		}
	}
	step := sourceUnavailable(o, now)
	if step != nil {
		step.Act = Prepare
	}
	return step
}

// expectant is the Workspace of an update that is about to be made. It has no source yet, and none of a template's.
func expectant(desired *autov1alpha1.Workspace, now time.Time) *autov1alpha1.Workspace {
	workspace := desired.DeepCopy()
	workspace.Spec.Git = nil
	workspace.Annotations = overlay(workspace.Annotations, map[string]string{
		autov1alpha1.AnnotationExpected: now.Add(expectFor).UTC().Format(time.RFC3339),
	})
	return workspace
}
