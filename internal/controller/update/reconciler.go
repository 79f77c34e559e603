// Package update owns the Update controller: it gives each Update's operation to the agent in its Workspace's pod,
// once, follows it and puts its result on record. It decides from the API and from what the hub knows of the agents,
// so that a new manager goes on where the last one was.
package update

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/hub"
	"github.com/gantry-operator/gantry/internal/kube"
	"github.com/gantry-operator/gantry/internal/operation"
)

const (
	// progressEvery is how often the progress of one operation is written.
	progressEvery = 2 * time.Second
	// lookAgain is how often a pod whose agent is away is looked at, beside the watches.
	lookAgain = time.Minute
	// offerAgain is when an offer that the hub did not take is made again.
	offerAgain = time.Second
)

// Hub is the manager's end of the sessions.
type Hub interface {
	// Session is that of the Workspace's pod; ok says that its agent is connected now.
	Session(workspace types.NamespacedName) (hub.Session, bool)
	// State is what is known of the operation of the Update with that UID.
	State(workspace types.NamespacedName, uid types.UID) hub.State
	// Offer gives an operation to the pod. Doing it again changes nothing. An error means that it was not given.
	Offer(workspace types.NamespacedName, pod types.UID, op *operation.Operation) error
	// Cancel asks the agent to end an operation gracefully.
	Cancel(workspace types.NamespacedName, uid types.UID, reason string)
	// Recorded lets the hub and the agent forget an operation.
	Recorded(workspace types.NamespacedName, uid types.UID)
}

// Snapshots lets operations go on whose state was to be kept first.
type Snapshots interface {
	// SnapshotKept says that the snapshot of an operation is kept, or why not.
	SnapshotKept(workspace types.NamespacedName, kept *operation.SnapshotKept)
}

// Metrics measures what takes how long.
type Metrics interface {
	// Offered says how long an Update waited from its creation until its operation was offered to a pod.
	Offered(kind autov1alpha1.UpdateType, waited time.Duration)
	// Ended says that a result is on record, of an Update that has existed for the given time.
	Ended(kind autov1alpha1.UpdateType, result *operation.Result, lived time.Duration)
	// EndedWithoutResult says that the end of an Update is on record for the given reason, and no agent told a result.
	EndedWithoutResult(kind autov1alpha1.UpdateType, reason string)
}

// Traces makes a trace of every Update.
type Traces interface {
	// Offered says that the operation was offered to a pod, by a reconcile that began at the given time.
	Offered(update *autov1alpha1.Update, pod *corev1.Pod, began, ended time.Time)
	// Ended says that the end is on record for the given reason; result is nil where no agent told one.
	Ended(update *autov1alpha1.Update, result *operation.Result, reason string, began, ended time.Time)
}

// Reconciler takes every Update to its end.
type Reconciler struct {
	// Client reads from the cache and writes. Its cache needs the index IndexWorkspaceName.
	Client client.Client
	// Reader reads from the API server what must not be stale, and what is never cached.
	Reader client.Reader
	// Clock dates conditions.
	Clock clock.PassiveClock
	// Hub gives operations to the agents.
	Hub Hub
	// Snapshots answers the agents: the hub too.
	Snapshots Snapshots
	// Git follows the repositories that Workspaces name themselves.
	Git Git
	// Wake says which Updates the hub has news of: hub.Updates().
	Wake <-chan event.GenericEvent
	// Recorder emits events.
	Recorder events.EventRecorder
	// Metrics measures.
	Metrics Metrics
	// Traces makes traces; nil makes none.
	Traces Traces
	// Settings are the manager's part of every operation.
	Settings Settings

	memory memory
}

// Reconcile takes one Update one step further. It never waits for an operation.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	update := &autov1alpha1.Update{}
	if err := r.Client.Get(ctx, req.NamespacedName, update); err != nil {
		if apierrors.IsNotFound(err) {
			r.abandon(req.NamespacedName, "")
			r.Git.Forget(consumer(req.NamespacedName))
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	r.abandon(req.NamespacedName, update.UID)
	var result ctrl.Result
	observed, err := r.observe(ctx, update)
	if err == nil {
		result, err = r.take(ctx, observed, Plan(observed, r.Clock.Now()))
	}
	if denial, denied := kube.Denied(err); denied {
		result, err = r.tellDenied(ctx, req.NamespacedName, denial)
	}
	switch {
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: kube.ConflictRetry}, nil
	case apierrors.IsNotFound(err):
		// The Update went in the meantime; its deletion wakes us once more.
		return ctrl.Result{}, nil
	}
	return result, err
}

// abandon deals with the operations of Updates of this name that do not exist any more although they were not complete,
// because somebody took the finalizer away: they are canceled, and forgotten when they have ended.
func (r *Reconciler) abandon(key types.NamespacedName, current types.UID) {
	for uid, workspace := range r.memory.others(key, current) {
		state := r.Hub.State(workspace, uid)
		if state.Offered && state.Result == nil {
			r.Hub.Cancel(workspace, uid, "its Update was deleted")
			continue
		}
		if state.Result != nil {
			r.Hub.Recorded(workspace, uid)
		}
		r.memory.forget(uid)
	}
}
