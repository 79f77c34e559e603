// Package hub owns the manager's end of the sessions: it knows which agents are connected, gives them operations,
// keeps what they tell until it is on record, and wakes the controllers. It decides nothing and writes nothing to the
// cluster; all it knows can be learnt again from the agents, so a new manager starts with an empty one.
package hub

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/event"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/guard"
	"github.com/gantry-operator/gantry/internal/hub/identity"
	"github.com/gantry-operator/gantry/internal/operation"
)

var (
	// ErrNotConnected means that the agent of that pod has no session now. Its coming wakes the Workspace.
	ErrNotConnected = errors.New("the agent of the pod is not connected")
	// ErrRetired means that the pod is about to be removed and gets no more work.
	ErrRetired = errors.New("the pod is retired")
	// ErrBusy means that the pod has another operation.
	ErrBusy = errors.New("the pod has another operation")
)

// progressEvery is how often the progress of one operation wakes its Update.
const progressEvery = time.Second

// Session is what the hub knows of the agent of a Workspace's pod.
type Session struct {
	PodUID        types.UID
	AgentVersion  string
	PulumiVersion string
	// Retired says that the pod gets no more operations.
	Retired bool
}

// State is what the hub knows of one operation. Zero: nothing is known. What it points to must not be changed.
type State struct {
	Progress *operation.Progress
	Result   *operation.Result
	// Snapshot waits to be kept before the operation goes on.
	Snapshot *operation.Snapshot
	// Offered says that the operation was given to the pod, or that the pod knows of it.
	Offered bool
}

// Authenticator says who the bearer of a token is.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (identity.Identity, error)
}

// Waiting lists the Updates that wait for something to happen in a Workspace's pod, so that they are woken when its
// agent comes or goes. It must not block for long: the manager's cache is the place to look.
type Waiting func(ctx context.Context, workspace types.NamespacedName) []types.NamespacedName

// Hub keeps the sessions and the operations. Make one with New, run it with a Server.
type Hub struct {
	log           logr.Logger
	clock         clock.PassiveClock
	authenticator Authenticator

	updates    *waker[autov1alpha1.Update, *autov1alpha1.Update]
	workspaces *waker[autov1alpha1.Workspace, *autov1alpha1.Workspace]
	// changed has the Workspaces whose waiting Updates have to be found and woken.
	changed *pending
	waiting Waiting

	// opens bounds how often the pod of a Workspace opens a session.
	opens *guard.Allowance[types.NamespacedName]

	mu    sync.Mutex
	desks map[types.NamespacedName]*desk
	// streams counts those that are open.
	streams map[types.NamespacedName]int
}

// New returns a Hub without sessions. waiting may be nil.
func New(log logr.Logger, now clock.PassiveClock, authenticator Authenticator, waiting Waiting) *Hub {
	return &Hub{
		log:           log,
		clock:         now,
		authenticator: authenticator,
		updates:       newWaker[autov1alpha1.Update](progressEvery),
		workspaces:    newWaker[autov1alpha1.Workspace](progressEvery),
		changed:       newPending(),
		waiting:       waiting,
		opens:         guard.NewAllowance[types.NamespacedName](now, openBurst, openPerSecond),
		desks:         map[types.NamespacedName]*desk{},
		streams:       map[types.NamespacedName]int{},
	}
}

// Run pumps the wake-ups until ctx is done. The Server does it.
func (h *Hub) Run(ctx context.Context) {
	var pumps sync.WaitGroup
	pumps.Go(func() { h.updates.pump(ctx) })
	pumps.Go(func() { h.workspaces.pump(ctx) })
	pumps.Go(func() { h.wakeWaiting(ctx) })
	pumps.Wait()
}

// Updates wakes the update controller: on progress (at most once a second for each operation), on a result, and when
// the agent comes or goes. The object has a name and a namespace only.
func (h *Hub) Updates() <-chan event.GenericEvent { return h.updates.out }

// Workspaces wakes the workspace controller when an agent comes or goes. The object has a name and a namespace only.
func (h *Hub) Workspaces() <-chan event.GenericEvent { return h.workspaces.out }

// Session returns the session of the Workspace's pod; ok says whether its agent is connected now.
func (h *Hub) Session(workspace types.NamespacedName) (session Session, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.desks[workspace]
	if d == nil || d.session == nil {
		return Session{}, false
	}
	_, retired := d.retired[d.pod]
	return Session{PodUID: d.pod, AgentVersion: d.agentVersion, PulumiVersion: d.pulumiVersion, Retired: retired}, true
}

// State returns what is known of the operation of the Update with that UID.
func (h *Hub) State(workspace types.NamespacedName, uid types.UID) State {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.desks[workspace]
	if d == nil || d.jobs[uid] == nil {
		return State{}
	}
	j := d.jobs[uid]
	return State{Progress: j.progress, Result: j.result, Snapshot: j.snapshot, Offered: true}
}

// Offer gives an operation to the pod. Doing it again changes nothing. It only puts the operation into the session's
// queue: if the session breaks before the agent has it, the agent gets it when it comes back.
func (h *Hub) Offer(workspace types.NamespacedName, pod types.UID, op *operation.Operation) error {
	if op.GetUid() == "" {
		return fmt.Errorf("offer to %s: the operation has no UID", workspace)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.desks[workspace]
	if d == nil || d.session == nil || d.pod != pod {
		return ErrNotConnected
	}
	return d.offer(op)
}

// Cancel asks the agent to end an operation gracefully. If the agent is away, it is asked when it comes back. An
// operation that the hub does not know of is left alone: its Update is woken when its agent comes.
func (h *Hub) Cancel(workspace types.NamespacedName, uid types.UID, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d := h.desks[workspace]; d != nil {
		d.cancel(uid, reason)
	}
}

// Recorded says that the result is on record: the agent and the hub forget it.
func (h *Hub) Recorded(workspace types.NamespacedName, uid types.UID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d := h.desks[workspace]; d != nil {
		d.record(uid)
		h.tidy(workspace, d)
	}
}

// Retire tells whether the pod is without an operation; if so, it will not get one any more, whatever the order of
// events. The hub cannot know of an operation whose agent has not come back since the manager started: the caller
// looks for Updates that were given to the pod and are not complete.
func (h *Hub) Retire(workspace types.NamespacedName, pod types.UID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.desk(workspace)
	if d.live(pod) != nil {
		return false
	}
	d.retired[pod] = struct{}{}
	return true
}

// Gone says that a pod does not exist any more. Results it left are kept until they are recorded.
func (h *Hub) Gone(workspace types.NamespacedName, pod types.UID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.desks[workspace]
	if d == nil {
		return
	}
	d.gone(pod)
	h.tidy(workspace, d)
	h.wake(workspace, d)
}

// Fetches tells whether an operation that was given to the Workspace's pod has this artifact as its source.
func (h *Hub) Fetches(workspace types.NamespacedName, digest string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.desks[workspace]
	if d == nil || digest == "" {
		return false
	}
	for _, j := range d.jobs {
		if j.operation.GetSource().GetArtifact().GetDigest() == digest && j.result == nil {
			return true
		}
	}
	return false
}

// Sources lists the digests of the artifacts that operations under way have as their sources, as far as it is known.
func (h *Hub) Sources() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var digests []string
	for _, d := range h.desks {
		for _, j := range d.jobs {
			if digest := j.operation.GetSource().GetArtifact().GetDigest(); digest != "" && j.result == nil {
				digests = append(digests, digest)
			}
		}
	}
	return digests
}

// desk returns what is kept for a Workspace, which is made if there is nothing. h.mu is held.
func (h *Hub) desk(workspace types.NamespacedName) *desk {
	d := h.desks[workspace]
	if d == nil {
		d = newDesk()
		h.desks[workspace] = d
	}
	return d
}

// tidy forgets a Workspace of which nothing is known. h.mu is held.
func (h *Hub) tidy(workspace types.NamespacedName, d *desk) {
	if d.empty() {
		delete(h.desks, workspace)
	}
}

// wake wakes all who care that an agent came or went. h.mu is held.
func (h *Hub) wake(workspace types.NamespacedName, d *desk) {
	h.workspaces.soon(workspace)
	h.changed.add(workspace)
	for _, j := range d.jobs {
		h.updates.now(types.NamespacedName{Namespace: workspace.Namespace, Name: j.name})
	}
}

// wakeWaiting finds and wakes the Updates that wait for an agent.
func (h *Hub) wakeWaiting(ctx context.Context) {
	for {
		workspace, ok := h.changed.next(ctx)
		if !ok {
			return
		}
		if h.waiting == nil {
			continue
		}
		for _, update := range h.waiting(ctx, workspace) {
			h.updates.now(update)
		}
	}
}
