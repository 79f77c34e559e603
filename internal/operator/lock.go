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
	clock  clock.Clock
	log    logr.Logger
	// namespace is PKO's.
	namespace string
}

// lockPoll is how often PKO's lease is looked at while PKO holds it.
const lockPoll = 2 * time.Second

// newLock makes the lock; nil without an election.
func newLock(config *rest.Config, o Options, log logr.Logger) (resourcelock.Interface, error) {
	if !o.LeaderElect {
		return nil, nil
	}
	identity, err := candidate(o)
	if err != nil {
		return nil, err
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
		LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
	}
	if o.PKONamespace == "" || o.PKONamespace == o.PodNamespace {
		return own, nil
	}
	return &lock{Interface: own, leases: leases, clock: o.Clock, log: log, namespace: o.PKONamespace}, nil
}

// candidate is the name by which the manager holds the lease. All processes of one pod have the same, so that the next
// one after a crash or an outage of the API server goes on with the lease, and does not wait until it has expired.
func candidate(o Options) (string, error) {
	if o.PodName != "" && o.PodUID != "" {
		return o.PodName + "_" + o.PodUID, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("name the candidate for the leader's lease: %w", err)
	}
	return host + "_" + string(uuid.NewUUID()), nil
}

// Create takes the lease where there is none yet.
func (l *lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if err := l.wait(ctx, &record); err != nil {
		return err
	}
	return l.Interface.Create(ctx, record)
}

// Update takes, renews or releases the lease, of which only the last is always right.
func (l *lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if record.HolderIdentity != "" {
		if err := l.wait(ctx, &record); err != nil {
			return err
		}
	}
	return l.Interface.Update(ctx, record)
}

// wait waits until nobody holds PKO's lease. A candidate may wait for ever; a leader has as long as it may take to renew.
func (l *lock) wait(ctx context.Context, record *resourcelock.LeaderElectionRecord) error {
	holder, err := l.holder(ctx)
	if err != nil || holder == "" {
		return err
	}
	l.log.Info("The Pulumi Kubernetes Operator runs. Gantry does nothing until it has stopped: scale its Deployment to zero, or uninstall it",
		"namespace", l.namespace, "lease", leaseID, "holder", holder)
	for holder != "" {
		timer := l.clock.NewTimer(lockPoll)
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("the Pulumi Kubernetes Operator %q holds the lease %s/%s: %w", holder, l.namespace, leaseID, context.Cause(ctx))
		}
		if holder, err = l.holder(ctx); err != nil {
			return err
		}
	}
	l.log.Info("The Pulumi Kubernetes Operator has stopped", "namespace", l.namespace)
	record.RenewTime = metav1.NewTime(l.clock.Now())
	return nil
}

// holder is who holds PKO's lease; empty if nobody does.
func (l *lock) holder(ctx context.Context) (string, error) {
	lease, err := l.leases.Leases(l.namespace).Get(ctx, leaseID, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look whether the Pulumi Kubernetes Operator runs (--pko-namespace): %w", err)
	}
	spec := &lease.Spec
	if spec.HolderIdentity == nil || spec.RenewTime == nil || spec.LeaseDurationSeconds == nil ||
		!l.clock.Now().Before(spec.RenewTime.Add(time.Duration(*spec.LeaseDurationSeconds)*time.Second)) {
		return "", nil
	}
	return *spec.HolderIdentity, nil
}
