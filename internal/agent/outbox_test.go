package agent

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/internal/operation"
)

// sent tells what messages are, briefly.
func sent(messages []*operation.AgentMessage) []string {
	var words []string
	for _, message := range messages {
		switch body := message.GetBody().(type) {
		case *operation.AgentMessage_Hello:
			words = append(words, "hello "+body.Hello.GetPulumiVersion())
		case *operation.AgentMessage_Progress:
			words = append(words, "progress "+body.Progress.GetStep())
		case *operation.AgentMessage_Result:
			words = append(words, "result "+body.Result.GetUid())
		}
	}
	return words
}

func step(words string) *operation.Progress { return &operation.Progress{Uid: "a", Step: words} }

func TestProgressIsSentNotTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox()
		o.progress(step("1"))
		first, ready := o.take()
		<-ready
		o.progress(step("2"))
		o.progress(step("3"))
		early, _ := o.take()
		start := time.Now()
		<-ready
		waited := time.Since(start)
		late, _ := o.take()
		want := [][]string{{"progress 1"}, nil, {"progress 3"}}
		if diff := cmp.Diff(want, [][]string{sent(first), sent(early), sent(late)}); diff != "" {
			t.Errorf("what was sent (-want +got):\n%s", diff)
		}
		if waited != progressEvery {
			t.Errorf("the newest was sent after %s, want %s", waited, progressEvery)
		}
		time.Sleep(progressEvery)
	})
}

func TestResultsAreSentAtOnceAndInPlaceOfProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox()
		o.progress(step("1"))
		o.take()
		o.progress(step("2"))
		o.result(&operation.Result{Uid: "a"})
		o.result(&operation.Result{Uid: "b"})
		o.again(&operation.Hello{PulumiVersion: "3"})
		messages, _ := o.take()
		if diff := cmp.Diff([]string{"hello 3", "result a", "result b"}, sent(messages)); diff != "" {
			t.Errorf("what was sent (-want +got):\n%s", diff)
		}
		time.Sleep(progressEvery)
		if messages, _ = o.take(); messages != nil {
			t.Errorf("progress was sent after the result: %v", sent(messages))
		}
	})
}

func TestAClearOutboxHasNothing(t *testing.T) {
	o := newOutbox()
	o.progress(step("1"))
	o.result(&operation.Result{Uid: "b"})
	o.again(&operation.Hello{})
	o.clear()
	if messages, _ := o.take(); messages != nil {
		t.Errorf("it has %v", sent(messages))
	}
}
