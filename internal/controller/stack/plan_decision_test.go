package stack

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gantry-operator/gantry/docs"
	"github.com/gantry-operator/gantry/internal/conditions"
)

func TestEveryCheckHasALineInTheRunbook(t *testing.T) {
	_, decisions, _ := strings.Cut(docs.Runbook, "\n## Decisions\n")
	decisions, _, _ = strings.Cut(decisions, "\n## ")
	seen := map[string]bool{}
	for _, c := range append(checks(), namedCheck{name: runs}) {
		if seen[c.name] {
			t.Errorf("two checks are called %s", c.name)
		}
		seen[c.name] = true
		if !strings.Contains(decisions, "\n| `"+c.name+"` | ") {
			t.Errorf("docs/runbook.md has no line for the decision %s", c.name)
		}
	}
	if lines := strings.Count(decisions, "\n| `"); lines != len(seen) {
		t.Errorf("docs/runbook.md has %d decisions, there are %d", lines, len(seen))
	}
}

// TestDecision: the check goes on record with what it decided. A Stack of which everything is on record but the check, as
// an earlier manager leaves it, is not written to for that.
func TestDecision(t *testing.T) {
	settled := func(o *Observed) { o.Stack.Status = *status(*o, Plan(*o, noon), noon); o.Stack.Status.Decision = "" }
	decided := func(o *Observed) { o.Stack.Status = *status(*o, Plan(*o, noon), noon) }
	tests := map[string]struct {
		changes []func(*Observed)
		want    string
	}{
		"New":               {[]func(*Observed){neverRan}, "run"},
		"Settled":           {nil, "upToDate"},
		"Unchanged":         {[]func(*Observed){decided}, "upToDate"},
		"OfEarlierManager":  {[]func(*Observed){settled}, ""},
		"ChangedSince":      {[]func(*Observed){settled, generation(3)}, "run"},
		"UnderWay":          {[]func(*Observed){under("pod")}, "updateUnderWay"},
		"AnotherCheckAlone": {[]func(*Observed){decided, func(o *Observed) { o.Stack.Status.Decision = "sourcePending" }}, "upToDate"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			o := world(tc.changes...)
			if got := status(o, Plan(o, noon), noon.Add(time.Hour)).Decision; got != tc.want {
				t.Errorf("the decision is %q, want %q", got, tc.want)
			}
		})
	}
	refused := Step{Check: runs, State: conditions.Stalled("SpecInvalid", "refused")}
	o := world()
	o.Stack.Status.Conditions = []metav1.Condition{}
	if got := status(o, refused, noon).Decision; got != runs {
		t.Errorf("the decision of a step that was refused is %q", got)
	}
}
