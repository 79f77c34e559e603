package stack

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// A success is dated, and a failure keeps the date of the last one, also where the record is from before there was one.
func TestLastSuccessTime(t *testing.T) {
	before, now := metav1.NewTime(noon.Add(-time.Hour)), metav1.NewTime(noon)
	tests := map[string]struct {
		last   *pulumiv1.LastUpdate
		failed metav1.ConditionStatus
		want   metav1.Time
	}{
		"Success":                {nil, metav1.ConditionFalse, now},
		"SuccessAgain":           {&pulumiv1.LastUpdate{State: pulumiv1.SucceededStackState, LastSuccessTime: before}, metav1.ConditionFalse, now},
		"FirstFailure":           {nil, metav1.ConditionTrue, metav1.Time{}},
		"FailureAfterSuccess":    {&pulumiv1.LastUpdate{State: pulumiv1.SucceededStackState, LastSuccessTime: before}, metav1.ConditionTrue, before},
		"FailureAfterFailure":    {&pulumiv1.LastUpdate{State: pulumiv1.FailedStackState, LastSuccessTime: before, LastResyncTime: now}, metav1.ConditionTrue, before},
		"FailureAfterOldSuccess": {&pulumiv1.LastUpdate{State: pulumiv1.SucceededStackState, LastResyncTime: before}, metav1.ConditionTrue, before},
		"FailureAfterOldFailure": {&pulumiv1.LastUpdate{State: pulumiv1.FailedStackState, LastResyncTime: before}, metav1.ConditionTrue, metav1.Time{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			stack := &pulumiv1.Stack{Status: pulumiv1.StackStatus{LastUpdate: test.last, CurrentUpdate: &pulumiv1.CurrentUpdate{Name: "u"}}}
			update := &autov1alpha1.Update{Status: autov1alpha1.UpdateStatus{Conditions: []metav1.Condition{
				{Type: autov1alpha1.UpdateConditionTypeComplete, Status: metav1.ConditionTrue, LastTransitionTime: now},
				{Type: autov1alpha1.UpdateConditionTypeFailed, Status: test.failed, Reason: "UpdateFailed"},
			}}}
			absorb(stack, update, nil)
			if got := stack.Status.LastUpdate.LastSuccessTime; !got.Equal(&test.want) {
				t.Errorf("the last success was at %v, want %v", got, test.want)
			}
		})
	}
}
