package update

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/internal/hub"
	"github.com/gantry-operator/gantry/internal/operation"
)

// Waiting and ending are measured once each, whatever else is done between them.
func TestWhatIsMeasuredOfAnUpdate(t *testing.T) {
	w := newWorld(t, aWorkspace(), aPod(podUID), anUpdate("u"))
	w.connect(podUID)
	w.hub.refuse = hub.ErrRetired // which is no offer
	w.reconcile("u")
	w.hub.refuse = nil
	w.clock.SetTime(epoch().Add(3 * time.Second))
	w.reconcile("u")
	w.clock.SetTime(epoch().Add(time.Minute))
	w.reconcile("u")
	w.finish("u", failureResult(operation.ReasonFailed, "boom"))
	w.before = func(int) error { return errKilled() } // so that the result is not on record yet
	if _, err := w.try("u"); err == nil {
		t.Fatal("the write did not fail")
	}
	w.before = func(int) error { return nil }
	w.reconcile("u")
	w.reconcile("u")
	if diff := cmp.Diff([]string{"offered up 3s", "ended up FAILED 1m0s"}, w.metrics.measured); diff != "" {
		t.Errorf("measured (-want +got):\n%s", diff)
	}
}

// An Update that ends without a result has no phases to tell of, but its end counts, once.
func TestTheEndOfAnUpdateWithoutAResultCounts(t *testing.T) {
	w := newWorld(t, aWorkspace(), pko(t, "running"))
	w.reconcile("running")
	w.reconcile("running")
	if diff := cmp.Diff([]string{"ended up without a result: " + operation.ReasonAborted}, w.metrics.measured); diff != "" {
		t.Errorf("measured (-want +got):\n%s", diff)
	}
}
