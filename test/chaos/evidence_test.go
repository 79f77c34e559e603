package main

import (
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// at is a time of the stories here, in seconds.
func at(seconds float64) time.Time {
	return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(seconds * float64(time.Second)))
}

func update(name, pod string, isComplete, failed bool) autov1alpha1.Update {
	status := func(yes bool) metav1.ConditionStatus {
		if yes {
			return metav1.ConditionTrue
		}
		return metav1.ConditionFalse
	}
	u := autov1alpha1.Update{}
	u.Name, u.Status.PodUID = name, pod
	u.Status.Conditions = []metav1.Condition{
		{Type: autov1alpha1.UpdateConditionTypeComplete, Status: status(isComplete)},
		{Type: autov1alpha1.UpdateConditionTypeFailed, Status: status(failed)},
	}
	return u
}

// running is a Stack that says that an Update runs, upToDate one that says that all is done.
func running(seconds float64, name string) seen {
	s := seen{at: at(seconds)}
	s.stack.Status.CurrentUpdate = &pulumiv1.CurrentUpdate{Name: name}
	return s
}

func upToDate(seconds float64) seen {
	s := seen{at: at(seconds)}
	s.stack.Status.LastUpdate = &pulumiv1.LastUpdate{State: pulumiv1.SucceededStackState}
	s.stack.Status.Outputs = map[string]apiextensionsv1.JSON{"made": {Raw: []byte(`"last"`)}}
	s.stack.Status.Conditions = []metav1.Condition{{Type: autov1alpha1.ConditionTypeReady, Status: metav1.ConditionTrue}}
	return s
}

func begins(pods ...string) []line {
	var lines []line
	for i, pod := range pods {
		lines = append(lines, line{at: at(float64(i)), what: begun, label: middle, pod: pod})
	}
	return append(lines, line{at: at(20), what: ended, label: last, pod: pods[len(pods)-1]})
}

func TestJudge(t *testing.T) {
	one := []autov1alpha1.Update{update("a", "p", true, false)}
	cases := map[string]struct {
		reason   string
		evidence evidence
		want     row
		harm     string
	}{
		"Nothing": {
			reason:   "the operation lived on and its result was recorded within half a second",
			evidence: evidence{updates: one, lines: begins("p"), states: []seen{running(1, "a"), upToDate(20.5)}, whole: at(10)},
			want:     row{Seconds: 0.5},
		},
		"WholeLater": {
			reason:   "what was broken cannot be true before it is whole",
			evidence: evidence{updates: one, lines: begins("p"), states: []seen{upToDate(33)}, whole: at(30)},
			want:     row{Seconds: 3},
		},
		"Lost": {
			reason:   "an operation without a result",
			evidence: evidence{updates: []autov1alpha1.Update{update("a", "p", false, false)}, lines: begins("p")},
			want:     row{Lost: 1}, harm: "Update a has no result",
		},
		"GivenUp": {
			reason:   "nothing ended the pod, so the operation had to succeed",
			evidence: evidence{updates: []autov1alpha1.Update{update("a", "p", true, true)}, lines: begins("p")},
			want:     row{Lost: 1}, harm: "Update a did not succeed",
		},
		"TwiceInAPod": {
			reason:   "one operation was given and two began",
			evidence: evidence{updates: one, lines: begins("p", "p")},
			want:     row{Twice: 1}, harm: "pod p began 2 times and was given 1 operations",
		},
		"InAnotherPod": {
			reason:   "a pod that was given nothing began",
			evidence: evidence{updates: one, lines: begins("p", "q"), kills: true},
			want:     row{Twice: 1}, harm: "pod q began 1 times",
		},
		"MoreThanWanted": {
			reason:   "nothing asked for a second operation",
			evidence: evidence{updates: []autov1alpha1.Update{update("a", "p", true, false), update("b", "p", true, false)}, lines: begins("p")},
			want:     row{Twice: 1}, harm: "2 operations ran, want 1",
		},
		"Followed": {
			reason: "the fault ended the first operation, the second went through; the Stack said so after two seconds",
			evidence: evidence{
				updates: []autov1alpha1.Update{update("a", "p", true, true), update("b", "q", true, false)}, lines: begins("p", "q"), kills: true,
				cuts: []cut{{at: at(5), update: "a"}}, states: []seen{running(1, "a"), running(7, "b"), upToDate(21)},
			},
			want: row{Seconds: 2},
		},
		"NeverTrue": {
			reason: "the Stack says for ever that the dead operation runs",
			evidence: evidence{
				updates: one, lines: begins("p"), kills: true, cuts: []cut{{at: at(5), update: "a"}}, states: []seen{running(1, "a"), running(8, "a")},
			},
			harm: "still says that Update a runs",
		},
		"Left": {
			reason:   "a thing that no state knows, a lock",
			evidence: evidence{updates: one, lines: begins("p"), unknown: []string{"middle"}, locks: []string{"x.json"}},
			want:     row{Orphaned: 1, Locks: 1}, harm: `"middle" exists and the state does not know it`,
		},
		"Pending": {
			reason:   "what was being created is still to be looked at",
			evidence: evidence{updates: one, lines: begins("p"), pending: 1},
			harm:     "1 pending operations",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := row{}
			tc.evidence.judge(&got)
			harms := strings.Join(got.harms, "\n")
			if (tc.harm == "") != (harms == "") || !strings.Contains(harms, tc.harm) {
				t.Errorf("%s: the harm is %q, want %q", tc.reason, harms, tc.harm)
			}
			if got.Lost != tc.want.Lost || got.Twice != tc.want.Twice || got.Orphaned != tc.want.Orphaned ||
				got.Locks != tc.want.Locks || got.Seconds != tc.want.Seconds {
				t.Errorf("%s: %+v, want %+v", tc.reason, got, tc.want)
			}
		})
	}
}
