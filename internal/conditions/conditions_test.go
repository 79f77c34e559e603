package conditions_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gantry-operator/gantry/internal/conditions"
)

func TestConditions(t *testing.T) {
	cases := map[string]struct {
		state conditions.State
		want  map[string]string
	}{
		"Ready":       {conditions.Ready("Done", "all is well"), map[string]string{"Ready": "True/Done/all is well"}},
		"Reconciling": {conditions.Reconciling("Busy", "wait"), map[string]string{"Ready": "False/NotReadyInProgress/reconciliation is in progress", "Reconciling": "True/Busy/wait"}},
		"Stalled":     {conditions.Stalled("Bad", "mend it"), map[string]string{"Ready": "False/NotReadyStalled/reconciliation is stalled", "Stalled": "True/Bad/mend it"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := map[string]string{}
			for _, c := range tc.state.Conditions(7) {
				if c.ObservedGeneration != 7 {
					t.Errorf("%s: observedGeneration is %d, want 7", c.Type, c.ObservedGeneration)
				}
				got[c.Type] = string(c.Status) + "/" + c.Reason + "/" + c.Message
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMergeKeepsTransitionTimes(t *testing.T) {
	then := metav1.NewTime(time.Unix(100, 0))
	now := metav1.NewTime(time.Unix(200, 0))
	old := []metav1.Condition{
		{Type: "Ready", Status: metav1.ConditionFalse, LastTransitionTime: then},
		{Type: "Stalled", Status: metav1.ConditionTrue, LastTransitionTime: then},
	}
	got := conditions.Merge(old, conditions.Reconciling("Busy", "wait").Conditions(1), now)
	want := map[string]metav1.Time{"Ready": then, "Reconciling": now}
	times := map[string]metav1.Time{}
	for _, c := range got {
		times[c.Type] = c.LastTransitionTime
	}
	if diff := cmp.Diff(want, times); diff != "" {
		t.Errorf("transition times (-want +got):\n%s", diff)
	}
}

func TestBound(t *testing.T) {
	long := strings.Repeat("ä", conditions.MaxMessage)
	got := conditions.Bound(long)
	if len(got) > conditions.MaxMessage || !utf8.ValidString(got) || !strings.HasSuffix(got, "(cut)") {
		t.Errorf("Bound gave %d bytes, valid %v, end %q", len(got), utf8.ValidString(got), got[len(got)-8:])
	}
	if got := conditions.Bound("short"); got != "short" {
		t.Errorf("Bound changed a short message to %q", got)
	}
}
