package update

import (
	"fmt"
	"testing"
	"time"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/operation"
)

// TestKilledAtAnyWrite has the manager die at each of its writes in turn, just before it or just after, and a new one
// take over. Whenever that is: the operation runs once, in one pod, and ends with one Secret and a true status.
func TestKilledAtAnyWrite(t *testing.T) {
	const writes = 6 // more than the story has, so that the last rounds run without a death
	for number := range writes {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("Write%dDone=%v", number, done), func(t *testing.T) {
				w := newWorld(t, aWorkspace(), aPod(podUID), anUpdate("u"))
				dead := false
				die := func(at int) error {
					if dead || at == number {
						dead = true
						return errKilled()
					}
					return nil
				}
				alive := func(int) error {
					if dead {
						return errKilled()
					}
					return nil
				}
				if w.before, w.after = die, alive; done {
					w.before, w.after = alive, die
				}
				step := func() {
					for range 2 {
						if _, err := w.try("u"); err != nil {
							w.restart()
							dead, w.before, w.after = false, alive, alive
							w.reconcile("u")
						}
						w.clock.SetTime(w.clock.Now().Add(time.Minute))
					}
				}
				step() // waits for the pod
				agent := w.connect(podUID)
				step() // starts
				w.finish("u", success(map[string]*operation.Output{"a": {Json: []byte("1")}}))
				step() // records
				checkEnd(t, w, agent)
			})
		}
	}
}

func checkEnd(t *testing.T, w *world, agent *fakeAgent) {
	t.Helper()
	w.only("u", "Complete=True/Updated", "Failed=False/UpdateSucceeded", "Progressing=False/Complete", "Ready=True/UpdateSucceeded")
	if agent.runs["uid-u"] != 1 {
		t.Errorf("the operation ran %d times, want once", agent.runs["uid-u"])
	}
	update := w.get("u")
	if secrets := w.secrets(); len(secrets) != 1 || update.Status.Outputs != secrets[0].Name {
		t.Errorf("%d Secrets and outputs %q, want one and its name", len(secrets), update.Status.Outputs)
	}
	if len(update.Finalizers) != 0 {
		t.Errorf("finalizers %v are left", update.Finalizers)
	}
	if len(agent.results) != 0 {
		t.Error("the agent was not told that the result is on record")
	}
}

// TestKilledAndThePodIsReplaced has the manager die after each write and another pod come up meanwhile: an Update that
// may have been given to the first pod is never given to the second.
func TestKilledAndThePodIsReplaced(t *testing.T) {
	const writes = 4
	for number := range writes {
		t.Run(fmt.Sprintf("Write%d", number), func(t *testing.T) {
			w := newWorld(t, aWorkspace(), aPod(podUID), anUpdate("u"))
			w.after = func(at int) error {
				if at == number {
					return errKilled()
				}
				return nil
			}
			first := w.connect(podUID)
			_, err := w.try("u")
			w.after = func(int) error { return nil }
			bound := w.get("u").Status.PodUID == string(podUID)
			w.restart()
			w.remove(aPod(podUID))
			w.create(aPod("pod-2"))
			second := w.connect("pod-2")
			w.reconcile("u")
			w.reconcile("u")
			if runs := first.runs["uid-u"] + second.runs["uid-u"]; runs > 1 || (bound && second.runs["uid-u"] != 0) {
				t.Errorf("bound=%v (%v): the first pod ran it %d times, the second %d times", bound, err, first.runs["uid-u"], second.runs["uid-u"])
			}
			want := autov1alpha1.UpdateConditionTypeProgressing
			if bound {
				want = autov1alpha1.UpdateConditionTypeFailed
			}
			for _, condition := range w.get("u").Status.Conditions {
				if condition.Type == want && condition.Status != "True" {
					t.Errorf("bound=%v, but %s=%s (%s)", bound, want, condition.Status, condition.Reason)
				}
			}
		})
	}
}
