// Package workspace owns the Workspace controller: a Workspace's one pod exists while there is something to do in it,
// is never taken from under an operation, and the status says in words what keeps it from working.
package workspace

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/hub"
	"github.com/gantry-operator/gantry/internal/kube"
	"github.com/gantry-operator/gantry/internal/pod"
)

// Hub is what the controller needs of the sessions.
type Hub interface {
	// Session returns the session of the Workspace's pod; ok says whether its agent is connected now.
	Session(workspace types.NamespacedName) (session hub.Session, ok bool)
	// Retire tells whether the pod is without an operation; if so, it will not get one any more.
	Retire(workspace types.NamespacedName, podUID types.UID) bool
	// Gone says that a pod does not exist any more.
	Gone(workspace types.NamespacedName, podUID types.UID)
	// Workspaces wakes the controller when an agent comes or goes.
	Workspaces() <-chan event.GenericEvent
}

// Metrics measures what takes how long.
type Metrics interface {
	// PodStarted says how long it took from the creation of a pod until its agent was connected.
	PodStarted(took time.Duration)
}

// Reconciler keeps the pod of every Workspace.
type Reconciler struct {
	// Client reads Workspaces, Updates and Pods from the cache, and writes.
	Client client.Client
	// Reader reads from the API server what is never cached: whether Secrets, ConfigMaps and ServiceAccounts that a
	// pod refers to exist, what PKO left, and the events of a pod that does not start.
	Reader client.Reader
	// Clock tells idle pods and dates conditions.
	Clock clock.PassiveClock
	// Hub knows the agents.
	Hub Hub
	// Pods is what the manager knows that every pod needs.
	Pods pod.Settings
	// CA returns the PEM bundle by which agents know the hub, in place of Pods.CA; it is asked for every time, since
	// the manager renews its certificates. No pod is made while it is empty. Optional.
	CA func() string
	// IdleTimeout is how long a pod is kept without work where the Workspace does not say.
	IdleTimeout time.Duration
	// Recorder emits events.
	Recorder events.EventRecorder
	// Metrics measures.
	Metrics Metrics
	// Concurrency is how many Workspaces are reconciled at once; 0 is the library's default.
	Concurrency int

	memory memory
}

// Reconcile takes the one next step for a Workspace and writes its status if that changed.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	workspace := &autov1alpha1.Workspace{}
	if err := r.Client.Get(ctx, req.NamespacedName, workspace); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	observed, err := r.observe(ctx, workspace)
	if err != nil {
		return ctrl.Result{}, err
	}
	step := Plan(observed, r.Clock.Now())
	step, err = r.take(ctx, &observed, step)
	if denial, ok := kube.Denied(errors.Join(err, observed.LookupError)); ok {
		if err != nil || !isTrouble(step.State.Reason()) { // what else is wrong comes first
			step.State = conditions.Reconciling(ReasonPermissionMissing, denial.String())
		}
		step.After, err, observed.LookupError = kube.DeniedRetry, nil, nil
	}
	written := r.record(ctx, &observed, step)
	if apierrors.IsConflict(written) {
		// The cache lags behind; what it shows next is right again.
		step.After, written = kube.ConflictRetry, nil
	}
	if err := errors.Join(observed.LookupError, err, written); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: step.After}, nil
}

// forget drops what is known of a Workspace that is gone, and of its pod.
func (r *Reconciler) forget(name types.NamespacedName) {
	if uid := r.memory.pod(name, ""); uid != "" {
		r.Hub.Gone(name, uid)
	}
}
