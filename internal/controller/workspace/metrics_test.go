package workspace

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The start of a pod is measured once. An agent that comes back, to this manager or to the next, says nothing of it.
func TestPodStartIsMeasuredOnce(t *testing.T) {
	ws := workspaceObject()
	w := newWorld(t, ws, runningPod(ws, "pod-1", start()), update("first", ""))
	w.reconcile()
	if len(w.metrics.starts) != 0 {
		t.Fatalf("measured before the agent was connected: %v", w.metrics.starts)
	}
	w.connect("pod-1")
	w.after(7 * time.Second).reconcile()
	w.after(time.Minute).reconcile()

	w.hub.session = nil
	w.after(time.Minute).reconcile()
	w.connect("pod-1")
	w.after(time.Minute).reconcile()

	w.memory.pods = nil // a new manager
	w.after(time.Minute).reconcile()
	w.memory.pods, w.hub.session = nil, nil
	w.after(time.Minute).reconcile()
	w.connect("pod-1")
	w.after(time.Minute).reconcile()
	if diff := cmp.Diff([]time.Duration{7 * time.Second}, w.metrics.starts); diff != "" {
		t.Errorf("starts of pods (-want +got):\n%s", diff)
	}
}
