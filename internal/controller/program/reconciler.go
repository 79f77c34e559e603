// Package program owns the Program controller: it puts every Program into the artifact store and says in the status
// where it is. It never judges a program beyond its being one; that is for Pulumi.
package program

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	eventsource "sigs.k8s.io/controller-runtime/pkg/source"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/kube"
	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/program"
)

// Store keeps archives under the digest of their bytes.
type Store interface {
	// Put keeps an archive and returns its digest, "sha256:<hex>". Putting the same bytes again changes nothing.
	Put(ctx context.Context, archive []byte) (digest string, err error)
}

// Reconciler keeps the artifact of every Program.
type Reconciler struct {
	// Client reads Programs from the cache and writes their status.
	Client client.Client
	// Clock dates artifacts and conditions.
	Clock clock.PassiveClock
	// Store takes the archives. It may be empty at the manager's start: every Program is put again then.
	Store Store
	// URL is where the store serves a digest.
	URL func(digest string) string
	// Missing brings the digests of archives that pods ask for in vain: the store has lost them.
	Missing <-chan event.TypedGenericEvent[string]
}

// SetupWithManager registers the controller.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("program-controller").
		For(&pulumiv1.Program{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, kube.Changed(recorded)))).
		WatchesRawSource(eventsource.Channel(r.Missing, handler.TypedEnqueueRequestsFromMapFunc(r.of))).
		Complete(r)
}

// of lists the Programs whose archive has the digest.
func (r *Reconciler) of(ctx context.Context, digest string) (all []reconcile.Request) {
	var programs pulumiv1.ProgramList
	if err := r.Client.List(ctx, &programs, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Could not find out whose artifact is missing", "digest", digest)
		return nil
	}
	for i := range programs.Items {
		if made := programs.Items[i].Status.Artifact; made != nil && made.Digest == digest {
			all = append(all, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&programs.Items[i])})
		}
	}
	return all
}

// Reconcile archives one Program and writes its status if that changed.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	object := &pulumiv1.Program{}
	if err := r.Client.Get(ctx, req.NamespacedName, object); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !object.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	made, failed := r.keep(ctx, object)
	status := statusOf(object, made, failed, r.Clock.Now())
	if err := kube.ApplyStatus(ctx, r.Client, object, kube.ManagerProgramStatus, &object.Status, &status); err != nil {
		if apierrors.IsConflict(err) {
			return ctrl.Result{RequeueAfter: kube.ConflictRetry}, nil
		}
		return ctrl.Result{}, errors.Join(failed, client.IgnoreNotFound(err))
	}
	var invalid *program.InvalidError
	if errors.As(failed, &invalid) {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, failed
}

// keep archives the Program and puts the archive into the store.
func (r *Reconciler) keep(ctx context.Context, object *pulumiv1.Program) (artifact, error) {
	archive, err := program.Archive(object)
	if err != nil {
		return artifact{}, err
	}
	digest, err := r.Store.Put(ctx, archive)
	if err != nil {
		return artifact{}, fmt.Errorf("keep the archive of the program: %w", err)
	}
	revision := source.Revision{Revision: program.Revision(object), Digest: digest}
	return artifact{Revision: revision, url: r.URL(digest), size: int64(len(archive))}, nil
}

// recorded is what the controller itself writes.
func recorded(of *pulumiv1.Program) any { return of.Status }
