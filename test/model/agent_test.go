package model

import (
	"context"
	"io"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gantry-operator/gantry/internal/operation"
)

const (
	// operationTakes is how long an operation takes that nothing happens to.
	operationTakes = 10 * time.Minute
	// programTakes is how long one takes whose end is known beforehand.
	programTakes = 4 * time.Second
	// cancelTakes is how long it takes to end one gracefully.
	cancelTakes = 2 * time.Second
	// dialAgain is when an agent tries again that has lost its session.
	dialAgain = 2 * time.Second
)

// agent is the pod's end: it runs what it is given, once, one after the other, and keeps results until they are recorded.
type agent struct {
	world     *world
	pod       types.UID
	workspace types.NamespacedName
	// journal is on the pod's disk: it outlives the agent's container.
	journal map[string]*entry
	running *entry
	waiting []*operation.Operation
	// wire is the session; nil while there is none.
	wire *wire
	gone bool
	// cut says that the network between it and the manager is cut.
	cut bool
	// stopping says that the pod is being ended.
	stopping bool
}

// entry is what is known of one operation.
type entry struct {
	op       *operation.Operation
	started  time.Time
	result   *operation.Result
	recorded bool
}

// wire is a session's stream, both ends in one process.
type wire struct {
	grpc.ServerStream // what the hub does not call

	ctx   context.Context //nolint:containedctx // of the stream
	close context.CancelFunc
	up    chan *operation.AgentMessage
	down  chan *operation.HubMessage
	over  chan struct{}
}

func (w *wire) Context() context.Context { return w.ctx }

func (w *wire) Send(message *operation.HubMessage) error {
	select {
	case w.down <- message:
		return nil
	case <-w.ctx.Done():
		return io.EOF
	}
}

func (w *wire) Recv() (*operation.AgentMessage, error) {
	select {
	case message := <-w.up:
		return message, nil
	case <-w.ctx.Done():
		return nil, w.ctx.Err()
	}
}

// dial opens a session with the manager of now, or tries again later.
func (a *agent) dial() {
	w := a.world
	if a.gone || a.wire != nil {
		return
	}
	if a.cut || w.manager.dead.Load() {
		w.after(dialAgain, a.dial)
		return
	}
	ctx, cancel := context.WithCancel(metadata.NewIncomingContext(context.Background(), metadata.Pairs("authorization", "Bearer "+string(a.pod))))
	a.wire = &wire{ctx: ctx, close: cancel, up: make(chan *operation.AgentMessage, 100), down: make(chan *operation.HubMessage, 100), over: make(chan struct{})}
	hello := &operation.Hello{Protocol: operation.Protocol, AgentVersion: "1", PulumiVersion: "3.200.0"}
	if a.running != nil {
		hello.Running = append(hello.Running, a.progress())
	}
	for _, e := range a.known() {
		if e.result != nil && !e.recorded {
			hello.Finished = append(hello.Finished, e.result)
		}
	}
	a.wire.up <- &operation.AgentMessage{Body: &operation.AgentMessage_Hello{Hello: hello}}
	service, current := w.manager.hub.Service(), a.wire
	go func() {
		defer close(current.over)
		defer cancel()
		_ = service.Session(current)
	}()
}

// known are the entries, in the order in which they started.
func (a *agent) known() []*entry {
	var all []*entry
	for _, e := range a.journal {
		all = append(all, e)
	}
	slices.SortFunc(all, func(x, y *entry) int { return x.started.Compare(y.started) })
	return all
}

func (a *agent) progress() *operation.Progress {
	return &operation.Progress{Uid: a.running.op.GetUid(), Name: a.running.op.GetName(), Started: timestamppb.New(a.running.started), Done: 1}
}

// hangUp ends the session; the agent dials again by itself.
func (a *agent) hangUp() {
	if a.wire != nil {
		a.wire.close()
		<-a.wire.over
		a.wire = nil
		a.world.after(dialAgain, a.dial)
	}
}

// tell sends a message, if there is a session.
func (a *agent) tell(message *operation.AgentMessage) {
	if a.wire != nil {
		a.wire.up <- message
	}
}

// mail is whether something has come that the agent has yet to read, or its session is over.
func (a *agent) mail() bool {
	if a.wire == nil || a.gone {
		return false
	}
	select {
	case <-a.wire.over:
		return true
	default:
		return len(a.wire.down) > 0
	}
}

// read takes the next message.
func (a *agent) read() {
	select {
	case message := <-a.wire.down:
		a.take(message)
	default:
		a.hangUp()
	}
}

func (a *agent) take(message *operation.HubMessage) {
	switch body := message.GetBody().(type) {
	case *operation.HubMessage_Operation:
		a.offered(body.Operation)
	case *operation.HubMessage_Cancel:
		a.cancel(body.Cancel.GetUid())
	case *operation.HubMessage_Recorded:
		if e := a.journal[body.Recorded.GetUid()]; e != nil {
			e.recorded = true
			a.world.recorded(e)
		}
	}
}

func (a *agent) offered(op *operation.Operation) {
	a.world.offered(a, op)
	if e := a.journal[op.GetUid()]; e != nil {
		if e.result != nil {
			a.tell(&operation.AgentMessage{Body: &operation.AgentMessage_Result{Result: e.result}})
		}
		return
	}
	switch {
	case slices.ContainsFunc(a.waiting, func(w *operation.Operation) bool { return w.GetUid() == op.GetUid() }):
	case a.running != nil:
		a.waiting = append(a.waiting, op)
	default:
		a.start(op)
	}
}

func (a *agent) start(op *operation.Operation) {
	e := &entry{op: op, started: time.Now()}
	a.journal[op.GetUid()] = e
	if a.stopping {
		a.finish(e, operation.Outcome_CANCELED, operation.ReasonCanceled)
		return
	}
	a.running = e
	a.world.begins(a, e)
	a.tell(&operation.AgentMessage{Body: &operation.AgentMessage_Progress{Progress: a.progress()}})
	outcome, reason, takes := operation.Outcome_SUCCEEDED, operation.ReasonSucceeded, operationTakes
	if way, ok := a.world.programs[a.world.lives[a.world.operations[types.UID(op.GetUid())].stack].name]; ok {
		outcome, reason = outcomeOf(way)
		takes = programTakes
	}
	a.world.after(takes, func() { a.end(e, outcome, reason) })
}

// end ends an operation that runs.
func (a *agent) end(e *entry, outcome operation.Outcome, reason string) {
	if a.gone || a.running != e {
		return
	}
	a.running = nil
	a.world.ends(e, outcome, reason)
	a.finish(e, outcome, reason)
	if len(a.waiting) > 0 {
		next := a.waiting[0]
		a.waiting = a.waiting[1:]
		a.start(next)
	}
}

// finish writes a result to the disk and sends it.
func (a *agent) finish(e *entry, outcome operation.Outcome, reason string) {
	e.result = &operation.Result{
		Uid: e.op.GetUid(), Name: e.op.GetName(), Started: timestamppb.New(e.started), Ended: timestamppb.Now(), Outcome: outcome, Reason: reason,
		Project: &operation.ProjectInfo{Name: "p", Runtime: "yaml"}, Message: "so it was",
	}
	a.tell(&operation.AgentMessage{Body: &operation.AgentMessage_Result{Result: e.result}})
}

func (a *agent) cancel(uid string) {
	if e := a.running; e != nil && e.op.GetUid() == uid {
		a.world.after(cancelTakes, func() { a.end(e, operation.Outcome_CANCELED, operation.ReasonCanceled) })
		return
	}
	for i, op := range a.waiting {
		if op.GetUid() == uid {
			a.waiting = slices.Delete(a.waiting, i, i+1)
			e := &entry{op: op, started: time.Now()}
			a.journal[uid] = e
			a.finish(e, operation.Outcome_CANCELED, operation.ReasonCanceled)
			return
		}
	}
}

// die is the end of the agent's process. Where its container is started again, the agent reads its journal.
func (a *agent) die(again bool) {
	if a.gone {
		return
	}
	dead := a.running
	a.running, a.waiting = nil, nil
	if dead != nil {
		a.world.ends(dead, operation.Outcome_INTERRUPTED, operation.ReasonAborted)
	}
	if a.wire != nil {
		a.wire.close()
		a.wire = nil
	}
	if !again {
		a.gone = true
		return
	}
	if dead != nil {
		a.finish(dead, operation.Outcome_INTERRUPTED, operation.ReasonAborted)
	}
	a.world.after(dialAgain, a.dial)
}

// terminate is SIGTERM: what runs is ended gracefully.
func (a *agent) terminate() {
	a.stopping = true
	if a.running != nil {
		a.cancel(a.running.op.GetUid())
	}
}
