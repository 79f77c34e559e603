package hub

import (
	"context"
	"fmt"

	"golang.org/x/time/rate"
	"google.golang.org/protobuf/proto"

	"github.com/gantry-operator/gantry/internal/operation"
)

// What comes from a pod may be anything: the pod runs the user's programs, and its token is theirs. This file bounds what
// one pod can make the manager do and keep.
const (
	// mostStreams is how many streams of one Workspace's pod are open at once. An agent has one, and another one while the
	// network has not told of the end of the first.
	mostStreams = 4
	// openBurst and openEvery are how often a session may be opened: each time the Workspace is looked at, and its
	// status may change. An agent that is refused waits for up to 5 s.
	openBurst     = 10
	openPerSecond = 0.2
	// messageBurst and messagesPerSecond are for what an agent says; one that works well sends 2 in a second.
	messageBurst      = 100
	messagesPerSecond = 10
	// bytesBurst and bytesPerSecond are for how much it says.
	bytesBurst     = 2 * largestMessage
	bytesPerSecond = 1 << 20
	// mostKept is how many bytes of results are kept for one Workspace until they are on record.
	mostKept = 24 << 20
	// mostSlim is how many bytes a result may have beside its outputs.
	mostSlim = 32 << 10

	maxName    = 253
	maxUID     = 128
	maxVersion = 64
	maxText    = 8 << 10
	maxLink    = 2 << 10
	maxChanges = 64
)

// unkept is added to the message of a result whose outputs are left out.
const unkept = "; its outputs are not recorded, since the pod sent more than the manager keeps"

// pace holds up an agent that says too much: what it sends stays with it.
type pace struct{ messages, bytes *rate.Limiter }

func newPace() *pace {
	return &pace{rate.NewLimiter(messagesPerSecond, messageBurst), rate.NewLimiter(bytesPerSecond, bytesBurst)}
}

// wait waits until the agent may say more.
func (p *pace) wait(ctx context.Context, message *operation.AgentMessage) error {
	if err := p.messages.Wait(ctx); err != nil {
		return fmt.Errorf("hold up an agent: %w", err)
	}
	if err := p.bytes.WaitN(ctx, min(proto.Size(message), bytesBurst)); err != nil {
		return fmt.Errorf("hold up an agent: %w", err)
	}
	return nil
}

// cut is the beginning of a text that is too long. It is text, since the wire carries no other, but for its end.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && text[most]&0xC0 == 0x80 {
		most--
	}
	return text[:most]
}

// namesUpdate tells whether a UID and a name may be those of an Update.
func namesUpdate(uid, name string) bool {
	return uid != "" && len(uid) <= maxUID && len(name) <= maxName
}

// boundProgress is progress as much of it as is kept; nil if it is of nothing.
func boundProgress(p *operation.Progress) *operation.Progress {
	if !namesUpdate(p.GetUid(), p.GetName()) {
		return nil
	}
	p.Step, p.Permalink = cut(p.GetStep(), maxText), cut(p.GetPermalink(), maxLink)
	if proto.Size(p) > mostSlim {
		return &operation.Progress{Uid: p.GetUid(), Name: p.GetName(), Done: p.GetDone(), Step: p.GetStep()}
	}
	return p
}

// boundResult is a result as much of it as is kept, where room is left for so many bytes; nil if it is of nothing.
func boundResult(r *operation.Result, room int) *operation.Result {
	if !namesUpdate(r.GetUid(), r.GetName()) {
		return nil
	}
	r.Message, r.Reason = cut(r.GetMessage(), maxText), cut(r.GetReason(), maxName)
	r.Permalink, r.PulumiVersion = cut(r.GetPermalink(), maxLink), cut(r.GetPulumiVersion(), maxVersion)
	if p := r.GetProject(); len(p.GetName()) > maxName || len(p.GetRuntime()) > maxName {
		r.Project = nil
	}
	if len(r.GetChanges()) > maxChanges {
		r.Changes = nil
	}
	outputs := r.GetOutputs()
	r.Outputs = nil
	if proto.Size(r) > mostSlim {
		r = &operation.Result{
			Uid: r.GetUid(), Name: r.GetName(), Outcome: r.GetOutcome(), Reason: r.GetReason(), Message: r.GetMessage(),
		}
	}
	r.Outputs = outputs
	if len(outputs) > 0 && proto.Size(r) > room {
		r.Outputs = nil
		r.Message += unkept
	}
	return r
}

// room is how many bytes of results there is room for beside those that are kept.
func (d *desk) room() int {
	left := mostKept
	for _, j := range d.jobs {
		if len(j.result.GetOutputs()) > 0 {
			left -= proto.Size(j.result)
		}
	}
	return left
}
