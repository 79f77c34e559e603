package agent

import (
	"sync"
	"time"

	"github.com/gantry-operator/gantry/internal/operation"
)

// outbox has what is to be sent: all results, at once, and of the progress the newest, not too often. It never blocks,
// whether there is a session or not.
type outbox struct {
	mu       sync.Mutex
	hello    *operation.Hello
	snapshot *operation.Snapshot
	results  []*operation.Result
	newest   *operation.Progress
	resting  bool
	ready    chan struct{}
}

func newOutbox() *outbox { return &outbox{ready: make(chan struct{}, 1)} }

// again adds a Hello within a session.
func (o *outbox) again(h *operation.Hello) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hello = h
	o.wake()
}

// keep adds a snapshot that the manager is to keep; nil takes it out.
func (o *outbox) keep(s *operation.Snapshot) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.snapshot = s
	if s != nil {
		o.wake()
	}
}

// progress replaces what was to be sent of an operation's progress.
func (o *outbox) progress(p *operation.Progress) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.newest = p
	if !o.resting {
		o.wake()
	}
}

// result adds a result. Progress of the same operation is of no use any more.
func (o *outbox) result(r *operation.Result) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.newest.GetUid() == r.GetUid() {
		o.newest = nil
	}
	o.results = append(o.results, r)
	o.wake()
}

// clear forgets all.
func (o *outbox) clear() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hello, o.snapshot, o.results, o.newest = nil, nil, nil, nil
}

// take gives what is to be sent now, and a channel that says when there is more.
func (o *outbox) take() ([]*operation.AgentMessage, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var messages []*operation.AgentMessage
	if o.hello != nil {
		messages = append(messages, &operation.AgentMessage{Body: &operation.AgentMessage_Hello{Hello: o.hello}})
		o.hello = nil
	}
	if o.snapshot != nil {
		messages = append(messages, &operation.AgentMessage{Body: &operation.AgentMessage_Snapshot{Snapshot: o.snapshot}})
		o.snapshot = nil
	}
	for _, result := range o.results {
		messages = append(messages, &operation.AgentMessage{Body: &operation.AgentMessage_Result{Result: result}})
	}
	o.results = nil
	if o.newest != nil && !o.resting {
		messages = append(messages, &operation.AgentMessage{Body: &operation.AgentMessage_Progress{Progress: o.newest}})
		o.newest = nil
		o.resting = true
		time.AfterFunc(progressEvery, o.rested)
	}
	return messages, o.ready
}

// rested lets the next progress go.
func (o *outbox) rested() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.resting = false
	if o.newest != nil {
		o.wake()
	}
}

// wake says that there is something to take.
func (o *outbox) wake() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// progressEvery is the shortest time between two messages of progress.
const progressEvery = 500 * time.Millisecond
