package conditionstest

import (
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// Argo CD's words for an object's health.
const (
	healthy     = "Healthy"
	progressing = "Progressing"
	degraded    = "Degraded"
)

// argo is the rule of the health check that Argo CD ships for Stacks: an object on its way out is Progressing, and so is
// one whose generation was not observed yet; else the first condition in the list that says something decides.
func argo(f facts) string {
	if f.deleting || f.observed != f.generation {
		return progressing
	}
	words := map[string]string{
		autov1alpha1.ConditionTypeStalled: degraded, autov1alpha1.ConditionTypeReconciling: progressing, autov1alpha1.ConditionTypeReady: healthy,
	}
	for _, c := range f.conditions {
		if word := words[c.Type]; word != "" && c.Status == "True" {
			return word
		}
	}
	return progressing
}

// argoWords is what Argo CD has to say where kstatus says so.
func argoWords(s status.Status) string {
	switch s {
	case status.CurrentStatus:
		return healthy
	case status.FailedStatus:
		return degraded
	default:
		return progressing
	}
}

// kubectlWait is the rule of `kubectl wait --for=condition=Ready`: the condition counts if it is of the newest
// generation, as far as the condition itself, or else the status, tells of which it is.
func kubectlWait(f facts) bool {
	ready, ok := f.find(autov1alpha1.ConditionTypeReady)
	observed := ready.ObservedGeneration
	if observed == 0 {
		observed = f.observed
	}
	return ok && ready.Status == "True" && observed >= f.generation
}
