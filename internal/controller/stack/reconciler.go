package stack

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/claim"
	"github.com/gantry-operator/gantry/internal/kube"
)

// Artifacts keeps archives by their digest.
type Artifacts interface {
	// Put stores an archive and answers its digest. Storing what is there already does nothing.
	Put(ctx context.Context, archive []byte) (digest string, err error)
	// Has tells whether the archive of a digest is there.
	Has(digest string) bool
}

// Notifier tells others of what an event tells, and lets nobody wait for that.
type Notifier interface {
	Post(stack *pulumiv1.Stack, kind, reason, note, revision string)
}

// Reconciler keeps Stacks in line with their sources.
type Reconciler struct {
	// Client reads from the cache and writes.
	Client client.Client
	// Reader reads what is not cached: Secrets, and what the cache may not have yet.
	Reader client.Reader
	// Clock tells the time.
	Clock clock.PassiveClock
	// Recorder emits events.
	Recorder events.EventRecorder
	// Traces makes traces; nil makes none.
	Traces Traces
	// Notifier is told what events tell; nil for nobody.
	Notifier Notifier
	// Artifacts keeps the archives of the sources.
	Artifacts Artifacts
	// Git follows repositories.
	Git Git
	// Flux follows Flux sources.
	Flux Flux
	// Inputs tells what the Secrets and ConfigMaps are like that Stacks name.
	Inputs Inputs
	// DestroyNamespace is the execution namespace: where Stacks are destroyed whose own namespace is being deleted. Empty for
	// nowhere.
	DestroyNamespace string
	// ArtifactURL is where the archive of a digest is served.
	ArtifactURL func(digest string) string
	// Claims are those of all Stacks to stacks of backends. Without it, nobody looks whether two Stacks mean the same.
	Claims *claim.Tracker
	// Projects reads project files. Without it, a program's project is known only when it has run.
	Projects Projects
	// Edits bounds how often a Stack is looked at that is edited without end; nil for no bound.
	Edits *Edits
}

// Reconcile brings one Stack a step further.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	stack := &pulumiv1.Stack{}
	err := r.Client.Get(ctx, req.NamespacedName, stack)
	var after time.Duration
	switch {
	case apierrors.IsNotFound(err), err == nil && released(stack):
		err = r.forget(ctx, req.NamespacedName)
	case err == nil && r.early(stack):
		after = editPause
	case err == nil:
		stack = stack.DeepCopy()
		after, err = r.step(ctx, stack)
		if denial, ok := kube.Denied(err); ok {
			after, err = r.tellDenied(ctx, stack, denial)
		}
	}
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: kube.ConflictRetry}, nil
	}
	return ctrl.Result{RequeueAfter: after}, err
}

// forget lets go of what was kept for a Stack that is gone.
func (r *Reconciler) forget(ctx context.Context, stack client.ObjectKey) error {
	r.Inputs.Forget(stack)
	r.unfollow(stack)
	r.Claims.Drop(stack)
	if _, err := r.releaseKubeconfig(ctx, stack); err != nil {
		return err
	}
	if err := r.leaveElsewhere(ctx, stack); err != nil {
		return err
	}
	_, err := r.releaseUpdates(ctx, stack, "")
	return err
}

// unfollow lets go of a Stack's source.
func (r *Reconciler) unfollow(stack client.ObjectKey) {
	r.Git.Forget(consumer(stack))
	r.Flux.Forget(consumer(stack))
}

// rest lets go of all that a Stack follows.
func (r *Reconciler) rest(stack *pulumiv1.Stack) {
	name := client.ObjectKeyFromObject(stack)
	r.unfollow(name)
	r.Inputs.Forget(name)
}

// step observes, plans and takes one step, and answers when to look again.
func (r *Reconciler) step(ctx context.Context, stack *pulumiv1.Stack) (time.Duration, error) {
	mayBeApplied, began := !isFresh(stack), r.Clock.Now()
	if err := r.ensureFinalizer(ctx, stack); err != nil {
		return 0, err
	}
	observed, err := r.observe(ctx, stack)
	if err != nil {
		return 0, err
	}
	observed.Began = began
	if observed.Stack.Status.Applied == nil {
		observed.Stack.Status.Applied = &mayBeApplied
	}
	if err := r.observeClaim(ctx, &observed); err != nil {
		return 0, err
	}
	step := Plan(observed, r.Clock.Now())
	if err := r.take(ctx, stack, observed, &step); err != nil {
		return 0, err
	}
	underWay := step.Update
	if observed.Update != nil && step.Act != Supersede {
		underWay = observed.Update.Name
	}
	updates, err := r.releaseUpdates(ctx, client.ObjectKeyFromObject(stack), underWay)
	if err != nil {
		return 0, err
	}
	if err := r.forgetUpdates(ctx, surplus(updates, stack, underWay)); err != nil {
		return 0, err
	}
	return step.After, r.relieve(ctx, stack, step)
}
