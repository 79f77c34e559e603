package update

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/operation"
)

// finalizerOfPKO is on Updates that PKO made for a Stack; the Stack controller removes it.
const finalizerOfPKO = "finalizer.stack.pulumi.com"

// pko is the Update of a name of testdata/pko.yaml.
func pko(t *testing.T, name string) *autov1alpha1.Update {
	t.Helper()
	data, err := os.ReadFile("testdata/pko.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for document := range bytes.SplitSeq(data, []byte("\n---\n")) {
		update := &autov1alpha1.Update{}
		if err := yaml.UnmarshalStrict(document, update); err != nil {
			t.Fatal(err)
		}
		if update.Name == name {
			update.Namespace = namespace
			return update
		}
	}
	t.Fatalf("testdata/pko.yaml has no Update %s", name)
	return nil
}

// TestTakeoverOfARunningUpdate: nobody knows how it ended, so that it is not run again, even with an agent at hand.
func TestTakeoverOfARunningUpdate(t *testing.T) {
	w := newWorld(t, aWorkspace(), aPod(podUID), pko(t, "running"))
	agent := w.connect(podUID)
	w.reconcile("running")
	w.only("running", "Complete=True/Failed", "Failed=True/"+operation.ReasonAborted, "Progressing=False/Failed",
		"Ready=False/NotReadyStalled", "Stalled=True/"+operation.ReasonAborted)
	ended := w.get("running")
	if !strings.Contains(ended.Status.Message, "its operator was replaced") || ended.Status.PodUID != "" {
		t.Errorf("status %+v", ended.Status)
	}
	if !slices.Contains(ended.Finalizers, finalizerOfPKO) {
		t.Error("the Update can go before the Stack has its result on record")
	}
	w.reconcile("running")
	if len(agent.runs) != 0 {
		t.Errorf("an operation that may have run was run: %v", agent.runs)
	}
}

// TestTakeoverOfAWaitingUpdate: it never began, so that it is run, once.
func TestTakeoverOfAWaitingUpdate(t *testing.T) {
	w := newWorld(t, aWorkspace(), pko(t, "waiting"))
	w.reconcile("waiting")
	w.create(aPod(podUID))
	agent := w.connect(podUID)
	w.reconcile("waiting")
	w.reconcile("waiting")
	if agent.runs["uid-waiting"] != 1 {
		t.Fatalf("the operation ran %d times, want once", agent.runs["uid-waiting"])
	}
	w.finish("waiting", success(nil))
	w.reconcile("waiting")
	w.only("waiting", "Complete=True/Updated", "Failed=False/UpdateSucceeded", "Progressing=False/Complete", "Ready=True/UpdateSucceeded")
}

// TestTakeoverOfAnUpdateThatIsOver: it is kept for as long as it says, and no longer; its record is not touched, but told
// in kstatus' words too, once.
func TestTakeoverOfAnUpdateThatIsOver(t *testing.T) {
	w := newWorld(t, aWorkspace(), pko(t, "over"))
	ended := time.Date(2026, 1, 1, 3, 1, 0, 0, time.UTC)
	w.clock.SetTime(ended.Add(23 * time.Hour))
	for range 2 {
		if result := w.reconcile("over"); result.RequeueAfter != time.Hour {
			t.Errorf("looks again after %s, want 1h", result.RequeueAfter)
		}
	}
	if diff := cmp.Diff([]string{"status"}, w.written); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	w.only("over", "Complete=True/Updated", "Failed=False/UpdateSucceeded", "Progressing=False/Complete", "Ready=True/UpdateSucceeded")
	w.clock.SetTime(ended.Add(24 * time.Hour))
	w.reconcile("over")
	if expired := w.get("over"); expired.DeletionTimestamp.IsZero() || !slices.Contains(expired.Finalizers, finalizerOfPKO) {
		t.Errorf("an Update that expired is %+v", expired.ObjectMeta)
	}
}

// TestTakeoverOfAnUpdateThatFailed: kstatus takes what PKO leaves of a failure for a success.
func TestTakeoverOfAnUpdateThatFailed(t *testing.T) {
	update := pko(t, "over")
	for i, condition := range update.Status.Conditions {
		if condition.Type == autov1alpha1.UpdateConditionTypeFailed {
			update.Status.Conditions[i].Status, update.Status.Conditions[i].Reason = metav1.ConditionTrue, "UpdateFailed"
		}
	}
	w := newWorld(t, aWorkspace(), update)
	w.clock.SetTime(update.CreationTimestamp.Time)
	w.reconcile("over")
	w.only("over", "Complete=True/Updated", "Failed=True/UpdateFailed", "Progressing=False/Complete", "Ready=False/NotReadyStalled", "Stalled=True/UpdateFailed")
}

// TestChangeOfACompleteUpdateIsObserved: else kstatus, and helm upgrade with it, waits for ever.
func TestChangeOfACompleteUpdateIsObserved(t *testing.T) {
	w := started(t)
	w.finish("u", success(nil))
	w.reconcile("u")
	changed := w.get("u")
	changed.Generation, changed.Spec.TTLAfterCompleted = 2, new("1h")
	if err := w.client.Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	w.written = nil
	w.reconcile("u") // whose check of the generation is the point
	w.reconcile("u")
	if diff := cmp.Diff([]string{"status"}, w.written); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	if len(w.recorder.events) != 1 {
		t.Errorf("events are %v, want that of the end alone", w.recorder.events)
	}
}
