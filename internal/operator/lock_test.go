package operator

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	clocktesting "k8s.io/utils/clock/testing"
)

// leaseOfPKO is PKO's lease as PKO writes it.
func leaseOfPKO(namespace, holder string, renewed time.Time) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "operator.pulumi.com"},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &holder, LeaseDurationSeconds: new(int32(60)), RenewTime: &metav1.MicroTime{Time: renewed},
		},
	}
}

func TestLockWaitsForPKO(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	cases := map[string]struct {
		reason string
		lease  *coordinationv1.Lease
		fails  error
		held   bool
	}{
		"None":       {"PKO was never here", nil, nil, false},
		"Held":       {"PKO works", leaseOfPKO("pko", "manager_1", now.Add(-10*time.Second)), nil, true},
		"Released":   {"PKO has ended in good order", leaseOfPKO("pko", "", now), nil, false},
		"Expired":    {"PKO was killed", leaseOfPKO("pko", "manager_1", now.Add(-time.Minute)), nil, false},
		"Elsewhere":  {"a lease that anybody made decides nothing", leaseOfPKO("team", "manager_1", now), nil, false},
		"Malformed":  {"a lease without a time is nobody's", &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "pko", Name: "operator.pulumi.com"}}, nil, false},
		"Unreadable": {"what is not known is not safe", nil, errors.New("the API server is away"), true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cluster := fake.NewClientset()
			if tc.lease != nil {
				cluster = fake.NewClientset(tc.lease)
			}
			cluster.PrependReactor("get", "leases", func(action clienttesting.Action) (bool, runtime.Object, error) {
				return tc.fails != nil && action.GetNamespace() == "pko", nil, tc.fails
			})
			l := &lock{
				Interface: &resourcelock.LeaseLock{
					LeaseMeta: metav1.ObjectMeta{Namespace: "own", Name: leaseID}, Client: cluster.CoordinationV1(),
					LockConfig: resourcelock.ResourceLockConfig{Identity: "me"},
				},
				leases: cluster.CoordinationV1(), clock: clocktesting.NewFakeClock(now), log: logr.Discard(), namespace: "pko",
			}
			mine := resourcelock.LeaderElectionRecord{HolderIdentity: "me", LeaseDurationSeconds: 15}
			// Who may not wait is told at once.
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			err := l.Create(ctx, mine)
			if (err != nil) != tc.held || (tc.held && !strings.Contains(err.Error(), "Pulumi Kubernetes Operator")) {
				t.Errorf("%s: taking the lease: %v", tc.reason, err)
			}
			if err != nil {
				if err := l.Interface.Create(t.Context(), mine); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Update(ctx, mine); (err != nil) != tc.held {
				t.Errorf("%s: renewing the lease: %v", tc.reason, err)
			}
			if err := l.Update(t.Context(), resourcelock.LeaderElectionRecord{}); err != nil {
				t.Errorf("%s: giving the lease up: %v", tc.reason, err)
			}
		})
	}
}

// TestManagerBesidePKO: a manager works only while PKO does not, whichever came first.
func TestManagerBesidePKO(t *testing.T) {
	c := startCluster(t)
	c.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "pulumi-kubernetes-operator"}})
	lease := leaseOfPKO("pulumi-kubernetes-operator", "controller-manager-0_1", time.Now())
	c.create(lease)
	hold := func(holder string) {
		lease.Spec.HolderIdentity, lease.Spec.RenewTime = &holder, &metav1.MicroTime{Time: time.Now()}
		if err := c.Update(t.Context(), lease); err != nil {
			t.Fatal(err)
		}
	}
	manager := c.start("gantry")
	eventually(t, "the manager says what it waits for", func() bool { return strings.Contains(manager.said(), "controller-manager-0_1") })
	own := &coordinationv1.Lease{}
	if c.get(own, "gantry-system", leaseID) || c.leader() != "" {
		t.Errorf("the manager leads beside PKO: %+v", own.Spec)
	}
	if waits := strings.Count(manager.said(), "controller-manager-0_1"); waits != 1 {
		t.Errorf("the manager says %d times what it waits for", waits)
	}
	hold("")
	eventually(t, "the manager leads when PKO has stopped", func() bool { return c.leader() == "gantry" })

	hold("controller-manager-0_2")
	select {
	case err := <-manager.ended:
		if err == nil {
			t.Error("a manager that lost its lease ended well")
		}
	case <-time.After(patience):
		t.Error("the manager goes on beside PKO")
	}
}

// TestCandidate: the processes of one pod are one candidate, and nobody else is.
func TestCandidate(t *testing.T) {
	name := func(pod, uid string) string {
		t.Helper()
		identity, err := candidate(Options{PodName: pod, PodUID: uid})
		if err != nil {
			t.Fatal(err)
		}
		return identity
	}
	first, next := name("gantry-1", "a"), name("gantry-1", "a")
	if first != next {
		t.Error("the next process of a pod is another candidate, and waits for a lease that is its own")
	}
	if first == name("gantry-1", "b") {
		t.Error("a pod is the same candidate as one that had its name before, which may still run")
	}
	first, next = name("gantry-1", ""), name("gantry-1", "")
	if first == next {
		t.Error("two processes of which nobody knows whether they are of one pod are one candidate")
	}
}

// TestLeaseGoesOnInItsPod: the next process of a pod does not wait for the lease of the one that was killed in it.
func TestLeaseGoesOnInItsPod(t *testing.T) {
	c := startCluster(t)
	long := []string{"--leader-election-lease-duration=1h", "--leader-election-renew-deadline=30m"}
	manager := c.start("gantry", long...)
	eventually(t, "the manager leads", func() bool { return c.leader() == "gantry" })
	lease, pod := &coordinationv1.Lease{}, &corev1.Pod{}
	if manager.end(t, syscall.SIGKILL) == nil || !c.get(lease, "gantry-system", leaseID) || !c.get(pod, "gantry-system", "gantry") {
		t.Fatal("the manager, its lease or its pod is not as a kill leaves it")
	}
	held := *lease.Spec.RenewTime

	c.startIn(pod, long...)
	eventually(t, "the next process leads", func() bool {
		return c.get(lease, "gantry-system", leaseID) && lease.Spec.RenewTime.After(held.Time)
	})
}
