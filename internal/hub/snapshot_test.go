package hub

import (
	"testing"

	"github.com/gantry-operator/gantry/internal/operation"
)

// snapshot is one of an operation, with so many bytes.
func snapshot(uid string, bytes int) *operation.AgentMessage {
	return &operation.AgentMessage{Body: &operation.AgentMessage_Snapshot{Snapshot: &operation.Snapshot{
		Uid: uid, Name: "name-" + uid, Deployment: make([]byte, bytes), Count: 1,
	}}}
}

func TestASnapshotIsHeldUntilItIsAnswered(t *testing.T) {
	w := serve(t, known(), nil)
	a := w.connect(t, "pod-1", nil)
	if err := w.Offer(demo, "pod-1", op("a")); err != nil {
		t.Fatal(err)
	}
	a.next()
	a.say(snapshot("stranger", 1))
	a.say(snapshot("a", 3))
	w.wait(t, "the snapshot", func() bool { return w.State(demo, "a").Snapshot != nil })
	if s := w.State(demo, "stranger"); s != (State{}) {
		t.Errorf("a snapshot of what nobody was given is kept: %v", s)
	}
	w.SnapshotKept(demo, &operation.SnapshotKept{Uid: "other", Secret: "no"})
	w.SnapshotKept(demo, &operation.SnapshotKept{Uid: "a", Secret: "kept"})
	if got := a.next().GetSnapshotKept(); got.GetUid() != "a" || got.GetSecret() != "kept" {
		t.Errorf("the agent was told %v", got)
	}
	if w.State(demo, "a").Snapshot != nil {
		t.Error("the snapshot is held for ever")
	}

	t.Log("an agent that did not get the answer is answered again, and nobody else is asked")
	a = w.connect(t, "pod-1", &operation.Hello{Running: []*operation.Progress{running("a", 1)}})
	a.say(snapshot("a", 3))
	if got := a.next().GetSnapshotKept(); got.GetSecret() != "kept" {
		t.Errorf("the agent was told %v", got)
	}
	if w.State(demo, "a").Snapshot != nil {
		t.Error("the snapshot is to be kept once more")
	}
	a.result(finished("a"))
	w.wait(t, "result", func() bool { return w.State(demo, "a").Result != nil })
}

func TestASnapshotIsBounded(t *testing.T) {
	w := serve(t, known(), nil)
	a := w.connect(t, "pod-1", &operation.Hello{Running: []*operation.Progress{running("a", 1)}})
	a.say(snapshot("a", operation.MaxSnapshotBytes+1))
	w.wait(t, "the snapshot", func() bool { return w.State(demo, "a").Snapshot != nil })
	if s := w.State(demo, "a").Snapshot; len(s.GetDeployment()) > 0 || s.GetCount() != 1 {
		t.Errorf("held are %d bytes, and %d operations", len(s.GetDeployment()), s.GetCount())
	}
	a.result(finished("a"))
	w.wait(t, "result", func() bool { return w.State(demo, "a").Result != nil })
	if w.State(demo, "a").Snapshot != nil {
		t.Error("the snapshot is held although its operation is over")
	}
	a.say(snapshot("a", 1))
	a.result(finished("marker"))
	w.wait(t, "marker", func() bool { return w.State(demo, "marker").Result != nil })
	if w.State(demo, "a").Snapshot != nil {
		t.Error("a snapshot is held of an operation that is over")
	}
}
