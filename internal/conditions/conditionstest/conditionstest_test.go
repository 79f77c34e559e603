package conditionstest_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/conditions/conditionstest"
)

func condition(kind string, status metav1.ConditionStatus, generation int64) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, ObservedGeneration: generation}
}

// aStack is one of generation 2, which was seen, and whose last update succeeded.
func aStack(list []metav1.Condition, changes ...func(*pulumiv1.Stack)) *pulumiv1.Stack {
	stack := &pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Name: "s", Generation: 2}}
	stack.Status = pulumiv1.StackStatus{
		ObservedGeneration: 2, Conditions: list,
		LastUpdate: &pulumiv1.LastUpdate{Generation: 2, State: pulumiv1.SucceededStackState},
	}
	for _, change := range changes {
		change(stack)
	}
	return stack
}

func anUpdate(list ...metav1.Condition) *autov1alpha1.Update {
	return &autov1alpha1.Update{
		ObjectMeta: metav1.ObjectMeta{Name: "u", Generation: 1},
		Status:     autov1alpha1.UpdateStatus{ObservedGeneration: 1, Conditions: list},
	}
}

func of(state conditions.State) []metav1.Condition { return state.Conditions(2) }

func TestProblems(t *testing.T) {
	gone := metav1.NewTime(time.Unix(0, 0))
	ready := of(conditions.Ready("Done", ""))
	cases := map[string]struct {
		object client.Object
		want   string
	}{
		"Ready":       {aStack(ready), ""},
		"Reconciling": {aStack(of(conditions.Reconciling("Busy", ""))), ""},
		"Stalled":     {aStack(of(conditions.Stalled("Bad", ""))), ""},
		"NeverSeen":   {&pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Generation: 1}, Status: pulumiv1.StackStatus{ObservedGeneration: -1}}, ""},
		"Stale":       {aStack(ready, func(s *pulumiv1.Stack) { s.Generation = 3 }), ""},
		"Going":       {aStack(ready, func(s *pulumiv1.Stack) { s.DeletionTimestamp = &gone }), ""},
		"OtherType":   {aStack(append([]metav1.Condition{condition("FieldsIgnored", "True", 2)}, ready...)), ""},

		"Suspended": {aStack(append(of(conditions.Suspended("Suspended", "")), condition("Suspended", "True", 2))), ""},

		"NotSuspended":     {aStack(of(conditions.Suspended("Suspended", ""))), "0 states"},
		"NoConditions":     {aStack(nil), "has no Ready"},
		"TwoStates":        {aStack([]metav1.Condition{condition("Ready", "True", 2), condition("Reconciling", "True", 2)}), "2 states"},
		"BothAbnormal":     {aStack([]metav1.Condition{condition("Ready", "False", 2), condition("Reconciling", "True", 2), condition("Stalled", "True", 2)}), "2 states"},
		"NoState":          {aStack([]metav1.Condition{condition("Ready", "False", 2)}), "0 states"},
		"FalseReconciling": {aStack(append([]metav1.Condition{condition("Reconciling", "False", 2)}, ready...)), "must be absent"},
		"OldCondition":     {aStack([]metav1.Condition{condition("Ready", "True", 1)}), "of generation 1"},
		"UpdateUnderWay":   {aStack(ready, func(s *pulumiv1.Stack) { s.Status.CurrentUpdate = &pulumiv1.CurrentUpdate{} }), "under way"},
		"NothingRan":       {aStack(ready, func(s *pulumiv1.Stack) { s.Status.LastUpdate = nil }), "nothing has run"},
		"LastFailed":       {aStack(ready, func(s *pulumiv1.Stack) { s.Status.LastUpdate.State = pulumiv1.FailedStackState }), "failed"},
		"LastIsOld":        {aStack(ready, func(s *pulumiv1.Stack) { s.Status.LastUpdate.Generation = 1 }), "generation 1"},
		"StatusWithoutGeneration": {
			&autov1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Generation: 1}, Status: autov1alpha1.WorkspaceStatus{Conditions: []metav1.Condition{condition("Ready", "True", 1)}}},
			"Ready is of generation 1, the status of 0",
		},
		"UpdateOfPKO":   {anUpdate(condition("Complete", "True", 1), condition("Failed", "True", 1)), "kstatus says Current, but it failed"},
		"NotComplete":   {anUpdate(condition("Ready", "True", 1)), "not complete"},
		"NoArchive":     {&pulumiv1.Program{ObjectMeta: metav1.ObjectMeta{Generation: 1}, Status: pulumiv1.ProgramStatus{ObservedGeneration: 1, Conditions: []metav1.Condition{condition("Ready", "True", 1)}}}, "archive"},
		"NotOneOfOurs":  {&metav1.PartialObjectMetadata{}, "no status of ours"},
		"WorkspaceGood": {&autov1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Generation: 2}, Status: autov1alpha1.WorkspaceStatus{ObservedGeneration: 2, Conditions: ready}}, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(conditionstest.Problems(tc.object), "\n")
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("problems are %q, want %q", got, tc.want)
			}
		})
	}
}
