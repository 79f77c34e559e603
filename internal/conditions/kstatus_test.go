package conditions_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
)

// TestKstatus asks the library that Helm and Flux ask.
func TestKstatus(t *testing.T) {
	conditionsOf := func(s conditions.State) []metav1.Condition {
		return conditions.Merge(nil, s.Conditions(2), metav1.NewTime(time.Unix(0, 0)))
	}
	gone := metav1.NewTime(time.Unix(0, 0))
	cases := map[string]struct {
		stack pulumiv1.Stack
		want  status.Status
	}{
		"NeverSeen":   {pulumiv1.Stack{Status: pulumiv1.StackStatus{ObservedGeneration: -1}}, status.InProgressStatus},
		"Ready":       {pulumiv1.Stack{Status: pulumiv1.StackStatus{ObservedGeneration: 2, Conditions: conditionsOf(conditions.Ready("Done", ""))}}, status.CurrentStatus},
		"Outdated":    {pulumiv1.Stack{Status: pulumiv1.StackStatus{ObservedGeneration: 1, Conditions: conditionsOf(conditions.Ready("Done", ""))}}, status.InProgressStatus},
		"Reconciling": {pulumiv1.Stack{Status: pulumiv1.StackStatus{ObservedGeneration: 2, Conditions: conditionsOf(conditions.Reconciling("Busy", ""))}}, status.InProgressStatus},
		"Stalled":     {pulumiv1.Stack{Status: pulumiv1.StackStatus{ObservedGeneration: 2, Conditions: conditionsOf(conditions.Stalled("Bad", ""))}}, status.FailedStatus},
		"FieldsIgnored": {pulumiv1.Stack{Status: pulumiv1.StackStatus{ObservedGeneration: 2, Conditions: append(
			conditionsOf(conditions.Ready("Done", "")), conditions.FieldsIgnored([]string{"spec.a: why"}, 2)...)}}, status.CurrentStatus},
		"Deleted": {pulumiv1.Stack{
			ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &gone},
			Status:     pulumiv1.StackStatus{ObservedGeneration: 2, Conditions: conditionsOf(conditions.Stalled("Bad", ""))},
		}, status.TerminatingStatus},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.stack.TypeMeta = metav1.TypeMeta{APIVersion: "pulumi.com/v1", Kind: "Stack"}
			tc.stack.Generation = 2
			object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&tc.stack)
			if err != nil {
				t.Fatal(err)
			}
			got, err := status.Compute(&unstructured.Unstructured{Object: object})
			if err != nil {
				t.Fatal(err)
			}
			if got.Status != tc.want {
				t.Errorf("kstatus says %s (%s), want %s", got.Status, got.Message, tc.want)
			}
		})
	}
}
