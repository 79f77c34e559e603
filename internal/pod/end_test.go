package pod

import (
	"testing"
	"time"
)

func TestTimeToEnd(t *testing.T) {
	const usual = 5 * time.Minute
	cases := map[string]struct {
		reason string
		grace  time.Duration
		spec   string
		// seconds, kill and cancel are what the pod has, what pulumi has of it, and what a canceled operation has.
		seconds      int64
		kill, cancel time.Duration
	}{
		"Usual":      {"as under PKO", usual, `{}`, 600, 590 * time.Second, usual},
		"LongGrace":  {"a pod has time for a canceled operation and its result", time.Hour, `{}`, 3610, time.Hour, time.Hour},
		"OddGrace":   {"in whole seconds", 20*time.Minute + time.Millisecond, `{}`, 1211, 1201 * time.Second, 20*time.Minute + time.Millisecond},
		"NoGrace":    {"a grace of nothing leaves the pod its time", 0, `{}`, 600, 590 * time.Second, 0},
		"Longer":     {"a template that gives more gives it to every end", usual, `{podTemplate: {spec: {terminationGracePeriodSeconds: 3600}}}`, 3600, 3590 * time.Second, 3590 * time.Second},
		"Shorter":    {"a template that gives less gives it to the pod's end", usual, `{podTemplate: {spec: {terminationGracePeriodSeconds: 60}}}`, 60, 50 * time.Second, usual},
		"Short":      {"of which pulumi has the larger part", usual, `{podTemplate: {spec: {terminationGracePeriodSeconds: 6}}}`, 6, 4 * time.Second, usual},
		"None":       {"or nothing", usual, `{podTemplate: {spec: {terminationGracePeriodSeconds: 0}}}`, 0, 0, usual},
		"Huge":       {"no number overflows", usual, `{podTemplate: {spec: {terminationGracePeriodSeconds: 9223372036854775807}}}`, 9223372036854775807, 876000*time.Hour - recordTime, 876000*time.Hour - recordTime},
		"OtherField": {"a template of something else changes nothing", usual, `{podTemplate: {spec: {priorityClassName: high}}}`, 600, 590 * time.Second, usual},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			all := settings()
			all.CancelGrace = tc.grace
			owner := workspace(t, tc.spec)
			built, err := Build(owner, all)
			if err != nil {
				t.Fatal(err)
			}
			if got := *built.Spec.TerminationGracePeriodSeconds; got != tc.seconds {
				t.Errorf("%s: the pod has %d s, want %d", tc.reason, got, tc.seconds)
			}
			env := find(built.Spec.Containers, ContainerPulumi).Env
			kill := ""
			for _, variable := range env {
				if variable.Name == "GANTRY_KILL_AFTER" {
					kill = variable.Value
				}
			}
			if kill != tc.kill.String() {
				t.Errorf("%s: pulumi is killed after %s, want %s", tc.reason, kill, tc.kill)
			}
			if got := CancelGrace(owner, tc.grace); got != tc.cancel {
				t.Errorf("%s: a canceled operation has %s, want %s", tc.reason, got, tc.cancel)
			}
		})
	}
	if got := CancelGrace(workspace(t, `{podTemplate: {spec: {volume: []}}}`), usual); got != usual {
		t.Errorf("a template that makes no pod gives a canceled operation %s, want %s", got, usual)
	}
}
