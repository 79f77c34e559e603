package stack

import (
	"testing"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

func handled(value string) func(*Observed) {
	return func(o *Observed) { o.Stack.Status.LastHandledReconcileAt = value }
}

// TestRequests: each new value of either annotation asks for one run, new values of both for one, and a removed one for none.
func TestRequests(t *testing.T) {
	flux := func(value string) func(*Observed) { return requestedBy(pulumiv1.AnnotationRequestedAt, value) }
	answers := func(ours, fluxs string) func(*Observed) {
		return func(o *Observed) {
			o.Stack.Status.CurrentUpdate.ReconcileRequest, o.Stack.Status.CurrentUpdate.RequestedAt = ours, fluxs
		}
	}
	cases := map[string]struct {
		o    Observed
		want string
	}{
		"None":                 {world(), ""},
		"Ours":                 {world(annotated("a")), "a"},
		"OursAnswered":         {world(annotated("a"), answered("a")), ""},
		"Flux":                 {world(flux("1")), "1"},
		"FluxAnswered":         {world(flux("1"), handled("1")), ""},
		"FluxAnew":             {world(flux("2"), handled("1")), "2"},
		"FluxRemoved":          {world(handled("1")), ""},
		"FluxEmptied":          {world(flux(""), handled("1")), ""},
		"Both":                 {world(annotated("a"), flux("1")), "a"},
		"BothAnswered":         {world(annotated("a"), flux("1"), answered("a"), handled("1")), ""},
		"BothAndOneAnswered":   {world(annotated("a"), flux("1"), answered("a")), "1"},
		"BothAndTheOther":      {world(annotated("a"), flux("1"), handled("1")), "a"},
		"RemovedWhileItRuns":   {world(under("pod"), answers("a", "1")), "a"},
		"FluxRemovedInTheRun":  {world(under("pod"), answers("", "1")), "1"},
		"TheSameWhileItRuns":   {world(under("pod"), answers("a", "1"), annotated("a"), flux("1")), "a"},
		"NothingWhileItRuns":   {world(under("pod")), ""},
		"AnotherWhileItRuns":   {world(under("pod"), answers("a", "1"), annotated("b"), flux("1")), "b"},
		"AnsweredWhileItRuns":  {world(under("pod"), answers("a", "1"), answered("a"), handled("1")), ""},
		"RemovedAndAnswered":   {world(answered("a"), handled("1")), ""},
		"PutBackAndNothingNew": {world(annotated("a"), answered("a"), flux("1"), handled("1")), ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := asked(tc.o.Stack); got != tc.want {
				t.Errorf("asked is %q, want %q", got, tc.want)
			}
		})
	}
}

// TestRemovedRequestIsKept: Flux takes an annotation away at its next apply, while the pod of the run that it asked for still
// starts. The run was asked for.
func TestRemovedRequestIsKept(t *testing.T) {
	for name, change := range map[string]func(*pulumiv1.CurrentUpdate){
		"Ours": func(u *pulumiv1.CurrentUpdate) { u.ReconcileRequest = "a" }, "Flux": func(u *pulumiv1.CurrentUpdate) { u.RequestedAt = "1" },
	} {
		if step := Plan(world(under(""), func(o *Observed) { change(o.Stack.Status.CurrentUpdate) }), noon); step.Act != Nothing {
			t.Errorf("%s: the step is %+v", name, step)
		}
	}
	if step := Plan(world(under(""), requestedBy(pulumiv1.AnnotationRequestedAt, "2")), noon); step.Act != Supersede {
		t.Errorf("of a new request comes %+v", step)
	}
}

// TestRequestedAt plays it through: both annotations come at once and are answered by one run, as Flux's users see it.
func TestRequestedAt(t *testing.T) {
	c := newCluster(t, demo(), programOf(greeting))
	c.reconcile()
	c.finish("", nil)
	c.reconcile()
	c.edit(func(s *pulumiv1.Stack) {
		s.Annotations = map[string]string{pulumiv1.AnnotationReconciliationRequest: "a", pulumiv1.AnnotationRequestedAt: "1"}
	})
	c.reconcile()
	if got := c.stack().Status.LastHandledReconcileAt; got != "" {
		t.Errorf("a request is handled before it has run: %q", got)
	}
	c.finish("", nil)
	c.reconcile()
	c.edit(func(s *pulumiv1.Stack) { s.Annotations = nil })
	c.reconcile()
	if got := c.stack().Status; got.LastHandledReconcileAt != "1" || got.LastUpdate.ReconcileRequest != "a" || len(c.updates()) != 2 {
		t.Errorf("there are %d Updates, and the status is %+v", len(c.updates()), got)
	}
	c.edit(func(s *pulumiv1.Stack) { s.Annotations = map[string]string{pulumiv1.AnnotationRequestedAt: "2"} })
	c.reconcile()
	if len(c.updates()) != 3 || c.stack().Status.CurrentUpdate.RequestedAt != "2" {
		t.Errorf("there are %d Updates, and the status is %+v", len(c.updates()), c.stack().Status)
	}
}
