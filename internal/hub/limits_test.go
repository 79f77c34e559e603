package hub

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gantry-operator/gantry/internal/operation"
)

// unknown is a field that this version does not know, of that many bytes.
func unknown(bytes int) []byte {
	field := append([]byte{0x92, 0xf4, 0x01}, varint(bytes)...)
	return append(field, make([]byte, bytes)...)
}

func varint(n int) []byte {
	var text []byte
	for ; n >= 0x80; n >>= 7 {
		text = append(text, byte(n)|0x80)
	}
	return append(text, byte(n))
}

// Whatever a pod says of a result, little of it is kept beside the outputs, and that it ended is.
func TestAResultIsBounded(t *testing.T) {
	long, lots := strings.Repeat("é", 1<<20), map[string]int32{}
	for i := range 100_000 {
		lots[fmt.Sprint(i)] = 1
	}
	tests := map[string]func(*operation.Result){
		"message":   func(r *operation.Result) { r.Message = long },
		"reason":    func(r *operation.Result) { r.Reason = long },
		"permalink": func(r *operation.Result) { r.Permalink = long },
		"version":   func(r *operation.Result) { r.PulumiVersion = long },
		"project":   func(r *operation.Result) { r.Project = &operation.ProjectInfo{Name: long, Runtime: "yaml"} },
		"changes":   func(r *operation.Result) { r.Changes = lots },
		"a change":  func(r *operation.Result) { r.Changes = map[string]int32{long: 1} },
		"phases":    func(r *operation.Result) { r.Phases = make([]*operation.Phase, 100_000) },
		"unknown":   func(r *operation.Result) { r.ProtoReflect().SetUnknown(unknown(1 << 20)) },
		"a time": func(r *operation.Result) {
			r.Ended = timestamppb.Now()
			r.Ended.ProtoReflect().SetUnknown(unknown(1 << 20))
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			r := finished("one")
			change(r)
			kept := boundResult(r, mostKept)
			if size := proto.Size(kept); size > mostSlim {
				t.Errorf("%d bytes are kept", size)
			}
			if kept.GetUid() != "one" || kept.GetOutcome() != operation.Outcome_SUCCEEDED {
				t.Errorf("kept is %v", kept)
			}
			if _, err := proto.Marshal(kept); err != nil {
				t.Error(err)
			}
		})
	}
	for _, r := range []*operation.Result{{}, {Uid: long, Name: "one"}, {Uid: "one", Name: long}} {
		if kept := boundResult(r, mostKept); kept != nil {
			t.Errorf("of what is no Update's %d bytes are kept", proto.Size(kept))
		}
	}
}

// A pod that makes up results does not fill the manager: their outputs are left out, and the message says so.
func TestMadeUpResultsAreBounded(t *testing.T) {
	d := newDesk()
	d.attach(newSession(), "pod-1", &operation.Hello{AgentVersion: strings.Repeat("9", 1<<20)}, time.Now())
	for i := range 10 * mostJobs {
		r := finished(fmt.Sprint(i))
		r.Outputs = map[string]*operation.Output{"large": {Json: make([]byte, 5<<20)}}
		d.finish(r)
		d.progress(&operation.Progress{Uid: fmt.Sprint("p", i), Name: "one", Step: strings.Repeat("x", 1<<20)})
	}
	size, whole := len(d.agentVersion), 0
	for _, j := range d.jobs {
		size += proto.Size(j.result) + proto.Size(j.progress)
		switch {
		case len(j.result.GetOutputs()) > 0:
			whole++
		case j.result != nil && !strings.HasSuffix(j.result.GetMessage(), unkept):
			t.Errorf("a result does not say that its outputs are left out: %q", j.result.GetMessage())
		}
	}
	if size > mostKept+mostJobs*mostSlim || whole == 0 || len(d.jobs) > mostJobs {
		t.Errorf("%d bytes of %d operations are kept, %d with their outputs", size, len(d.jobs), whole)
	}
}

// An agent that says too much is held up; one that works well never is.
func TestAFloodOfMessagesIsHeldUp(t *testing.T) {
	message := &operation.AgentMessage{Body: &operation.AgentMessage_Progress{Progress: running("one", 1)}}
	large := &operation.AgentMessage{Body: &operation.AgentMessage_Result{Result: &operation.Result{Message: strings.Repeat("x", 8<<20)}}}
	soon, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	told := func(p *pace, message *operation.AgentMessage, most int) (n int) {
		for n < most && p.wait(soon, message) == nil {
			n++
		}
		return n
	}
	if n := told(newPace(), message, 100_000); n < messageBurst || n > messageBurst+3*messagesPerSecond {
		t.Errorf("%d messages pass in a second", n)
	}
	if n := told(newPace(), large, 100); n < 2 || n > 1+bytesBurst/(8<<20) {
		t.Errorf("%d messages of 8 MiB pass in a second", n)
	}
}

// A pod has few streams at a time, and another pod has its own.
func TestStreamsOfOnePodAreBounded(t *testing.T) {
	w := serve(t, known(), nil)
	for range mostStreams {
		w.dial(t, "Bearer pod-1")
	}
	for deadline := time.Now().Add(patience); w.open(demo) < mostStreams; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d streams are open", w.open(demo))
		}
	}
	if ended := w.dial(t, "Bearer pod-2").read().ended(); ended.Code() != codes.ResourceExhausted {
		t.Errorf("one stream more ended with %v", ended)
	}
	w.connect(t, "other", nil)
}

// A pod that opens one session after the other is held up, and its Workspace is not looked at each time.
func TestSessionsInARowAreBounded(t *testing.T) {
	w := serve(t, known(), nil)
	for range openBurst {
		a := w.connect(t, "pod-1", nil)
		a.leave()
		a.ended()
	}
	if ended := w.dial(t, "Bearer pod-1").read().ended(); ended.Code() != codes.ResourceExhausted {
		t.Errorf("one session more ended with %v", ended)
	}
	w.connect(t, "other", nil)
}

// An agent that says another version each time has its Workspace looked at once a second.
func TestHellosInARowWakeOnceASecond(t *testing.T) {
	w := serve(t, known(), nil)
	begun := time.Now()
	a := w.connect(t, "pod-1", nil)
	const said = 90
	for i := range said {
		a.say(&operation.AgentMessage{Body: &operation.AgentMessage_Hello{Hello: &operation.Hello{PulumiVersion: fmt.Sprint(i)}}})
	}
	woken := 0
	for last := fmt.Sprint(said - 1); ; {
		if session, _ := w.Session(demo); session.PulumiVersion == last {
			break
		}
		select {
		case <-w.workspaces:
			woken++
		case <-time.After(10 * time.Millisecond):
		}
		if time.Since(begun) > patience {
			t.Fatal("the last Hello did not come")
		}
	}
	if most := 2 + int(time.Since(begun)/progressEvery); woken > most {
		t.Errorf("%d wake-ups for %d Hellos, want at most %d", woken, said, most)
	}
}

// open counts the streams of a Workspace's pods.
func (w *world) open(workspace types.NamespacedName) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.streams[workspace]
}
