package conditions

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// FieldsIgnored is the condition that lists fields which are accepted and have no effect, each as
// "spec.x: why, and what to do"; none where there are no such fields. It goes beside a state's conditions, and says
// nothing of the state.
func FieldsIgnored(fields []string, generation int64) []metav1.Condition {
	if len(fields) == 0 {
		return nil
	}
	return []metav1.Condition{{
		Type: autov1alpha1.ConditionTypeFieldsIgnored, Status: metav1.ConditionTrue, Reason: autov1alpha1.ReasonNoEffect,
		Message: Bound(strings.Join(fields, "; ")), ObservedGeneration: generation,
	}}
}

// NewlyIgnored is the message of FieldsIgnored in is, if was does not say the same; otherwise it is empty. It is what a
// warning tells, once.
func NewlyIgnored(was, is []metav1.Condition) string {
	before := meta.FindStatusCondition(was, autov1alpha1.ConditionTypeFieldsIgnored)
	after := meta.FindStatusCondition(is, autov1alpha1.ConditionTypeFieldsIgnored)
	if after == nil || (before != nil && before.Message == after.Message) {
		return ""
	}
	return after.Message
}

// Source is a field that may say where the program comes from.
type Source struct {
	Field string
	Set   bool
}

// IgnoredSources are all sources that are set but the first, which is the one that counts, as FieldsIgnored lists them.
func IgnoredSources(sources ...Source) []string {
	var fields []string
	first := ""
	for _, source := range sources {
		switch {
		case source.Set && first == "":
			first = source.Field
		case source.Set:
			fields = append(fields, fmt.Sprintf("%s: %s is the source; keep one of them", source.Field, first))
		}
	}
	return fields
}
