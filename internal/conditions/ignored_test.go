package conditions_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gantry-operator/gantry/internal/conditions"
)

func TestFieldsIgnored(t *testing.T) {
	then, now := metav1.NewTime(time.Unix(100, 0)), metav1.NewTime(time.Unix(200, 0))
	want := func(message string, since metav1.Time) []metav1.Condition {
		return []metav1.Condition{
			{Type: "FieldsIgnored", Status: "True", Reason: "NoEffect", Message: message, ObservedGeneration: 3, LastTransitionTime: since},
			{Type: "Ready", Status: "True", Reason: "Done", Message: "all is well", ObservedGeneration: 3, LastTransitionTime: then},
		}
	}
	ready := conditions.Ready("Done", "all is well")
	merge := func(old []metav1.Condition, at metav1.Time, fields ...string) []metav1.Condition {
		return conditions.Merge(old, append(ready.Conditions(3), conditions.FieldsIgnored(fields, 3)...), at)
	}
	first := merge(nil, then, "spec.a: why")
	if diff := cmp.Diff(want("spec.a: why", then), first); diff != "" {
		t.Errorf("the first time (-want +got):\n%s", diff)
	}
	second := merge(first, now, "spec.a: why", "spec.b: why too")
	if diff := cmp.Diff(want("spec.a: why; spec.b: why too", then), second); diff != "" {
		t.Errorf("with one more (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want("", then)[1:], merge(second, now)); diff != "" {
		t.Errorf("without any (-want +got):\n%s", diff)
	}
}

func TestNewlyIgnored(t *testing.T) {
	some, more := conditions.FieldsIgnored([]string{"spec.a: why"}, 1), conditions.FieldsIgnored([]string{"spec.a: why", "spec.b: why"}, 2)
	cases := map[string]struct {
		was, is []metav1.Condition
		want    string
	}{
		"None":    {nil, conditions.Ready("Done", "").Conditions(1), ""},
		"First":   {nil, some, "spec.a: why"},
		"Same":    {some, conditions.FieldsIgnored([]string{"spec.a: why"}, 2), ""},
		"Another": {some, more, "spec.a: why; spec.b: why"},
		"Gone":    {some, nil, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := conditions.NewlyIgnored(tc.was, tc.is); got != tc.want {
				t.Errorf("NewlyIgnored is %q, want %q", got, tc.want)
			}
		})
	}
}
