package update

import (
	"fmt"
	"slices"
	"strings"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/validate"
)

// ignored lists the fields of the spec that are set and have no effect.
func ignored(spec autov1alpha1.UpdateSpec) []string {
	up, preview, refresh, destroy := autov1alpha1.UpUpdate, autov1alpha1.PreviewUpdate, autov1alpha1.RefreshUpdate, autov1alpha1.DestroyUpdate
	options := []struct {
		field string
		set   bool
		known []autov1alpha1.UpdateType
	}{
		{"expectNoChanges", value(spec.ExpectNoChanges), []autov1alpha1.UpdateType{up, preview, refresh}},
		{"replace", len(spec.Replace) > 0, []autov1alpha1.UpdateType{up, preview}},
		{"targetDependents", value(spec.TargetDependents), []autov1alpha1.UpdateType{up, preview, destroy}},
		{"refresh", value(spec.Refresh), []autov1alpha1.UpdateType{up, preview, destroy}},
		{"expectNoRefreshChanges", value(spec.ExpectNoRefreshChanges), []autov1alpha1.UpdateType{up, preview, destroy}},
		{"continueOnError", value(spec.ContinueOnError), []autov1alpha1.UpdateType{up, destroy}},
		{"remove", value(spec.Remove), []autov1alpha1.UpdateType{destroy}},
		{"pendingOperations", spec.PendingOperations != "", []autov1alpha1.UpdateType{up, refresh, destroy}},
		{"runProgram", value(spec.RunProgram), []autov1alpha1.UpdateType{refresh, destroy}},
	}
	var fields []string
	if len(validate.Update(&spec)) == 0 {
		for _, option := range options {
			if option.set && !slices.Contains(option.known, spec.Type) {
				fields = append(fields, fmt.Sprintf("spec.%s: only %s knows it, not %s", option.field, either(option.known), spec.Type))
			}
		}
	}
	if value(spec.ExpectNoRefreshChanges) && !value(spec.Refresh) && spec.Type != refresh {
		fields = append(fields, "spec.expectNoRefreshChanges: nothing is refreshed; set refresh: true")
	}
	if parallel := value(spec.Parallel); parallel < 0 {
		fields = append(fields, "spec.parallel: a negative number stands for pulumi's default; give one that is at least 1, or none")
	}
	if _, _, err := timeToLive(spec.TTLAfterCompleted); err != nil {
		fields = append(fields, fmt.Sprintf("spec.ttlAfterCompleted: %.50q is no duration such as 24h or 90m, so the Update is kept", *spec.TTLAfterCompleted))
	}
	return fields
}

// either names types of operations.
func either(types []autov1alpha1.UpdateType) string {
	words := make([]string, 0, len(types))
	for _, one := range types {
		words = append(words, string(one))
	}
	return strings.Join(words, " or ")
}
