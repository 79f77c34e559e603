package operator

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/clock"
)

// lock is the lease of the leader. It cannot be had or kept while PKO holds its own, of the same name in PKO's namespace:
// the two would take each other's pods away. Only that one namespace is looked at, since in others anybody may have
// leases, and so nobody but PKO can keep the manager from working.
type lock struct {
	resourcelock.Interface
	leases coordinationclient.LeasesGetter
	clock  clock.PassiveClock
	log    logr.Logger
	// namespace is PKO's.
	namespace string
	held      bool
}

// newLock makes the lock; nil without an election.
func newLock(config *rest.Config, o Options, log logr.Logger) (resourcelock.Interface, error) {
	if !o.LeaderElect {
		return nil, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name the candidate for the leader's lease: %w", err)
	}
	config = rest.CopyConfig(config)
	// One request that hangs must not lose the lease.
	config.Timeout = max(time.Second, o.RenewDeadline/2)
	leases, err := coordinationclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client for the leader's lease: %w", err)
	}
	own := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: o.PodNamespace, Name: leaseID},
		Client:     leases,
		LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())},
	}
	if o.PKONamespace == "" || o.PKONamespace == o.PodNamespace {
		return own, nil
	}
	return &lock{Interface: own, leases: leases, clock: clock.RealClock{}, log: log, namespace: o.PKONamespace}, nil
}

// Create takes the lease where there is none yet.
func (l *lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if err := l.free(ctx); err != nil {
		return err
	}
	return l.Interface.Create(ctx, record)
}

// Update takes, renews or releases the lease, of which only the last is always right.
func (l *lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if record.HolderIdentity != "" {
		if err := l.free(ctx); err != nil {
			return err
		}
	}
	return l.Interface.Update(ctx, record)
}

// free answers an error unless nobody holds PKO's lease.
func (l *lock) free(ctx context.Context) error {
	lease, err := l.leases.Leases(l.namespace).Get(ctx, leaseID, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("look whether the Pulumi Kubernetes Operator runs (--pko-namespace): %w", err)
	}
	var holder string
	if err == nil && lease.Spec.HolderIdentity != nil && lease.Spec.RenewTime != nil && lease.Spec.LeaseDurationSeconds != nil {
		until := lease.Spec.RenewTime.Add(time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second)
		if l.clock.Now().Before(until) {
			holder = *lease.Spec.HolderIdentity
		}
	}
	was := l.held
	l.held = holder != ""
	if !l.held {
		if was {
			l.log.Info("The Pulumi Kubernetes Operator has stopped", "namespace", l.namespace)
		}
		return nil
	}
	if !was {
		l.log.Info("The Pulumi Kubernetes Operator runs. Gantry does nothing until it has stopped: scale its Deployment to zero, or uninstall it",
			"namespace", l.namespace, "lease", leaseID, "holder", holder)
	}
	return fmt.Errorf("the Pulumi Kubernetes Operator %q holds the lease %s/%s", holder, l.namespace, leaseID)
}
