package update

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

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

// TestTakeoverOfAnUpdateThatIsOver: it is kept for as long as it says, and no longer; its record is not touched.
func TestTakeoverOfAnUpdateThatIsOver(t *testing.T) {
	w := newWorld(t, aWorkspace(), pko(t, "over"))
	ended := time.Date(2026, 1, 1, 3, 1, 0, 0, time.UTC)
	w.clock.SetTime(ended.Add(23 * time.Hour))
	if result := w.reconcilePKO("over"); result != time.Hour || len(w.written) != 0 {
		t.Errorf("looks again after %s, want 1h; written: %v", result, w.written)
	}
	w.clock.SetTime(ended.Add(24 * time.Hour))
	w.reconcilePKO("over")
	if expired := w.get("over"); expired.DeletionTimestamp.IsZero() || !slices.Contains(expired.Finalizers, finalizerOfPKO) {
		t.Errorf("an Update that expired is %+v", expired.ObjectMeta)
	}
}

// reconcilePKO reconciles an Update whose status is not ours, and answers when it is looked at again.
func (w *world) reconcilePKO(name string) time.Duration {
	w.t.Helper()
	result, err := w.try(name)
	if err != nil {
		w.t.Fatal(err)
	}
	return result.RequeueAfter
}
