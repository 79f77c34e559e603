package e2e

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/docs"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// heals kills a pod in the middle of an update, and waits until the Stack is Ready by itself, with an event that tells of
// what was healed. It answers the pod that was killed.
func (s *story) heals(name string, overlays ...string) *corev1.Pod {
	s.T.Helper()
	s.program("long", long)
	stack := s.stack(name, "long", append([]string{onImage}, overlays...)...)
	update := s.current(stack)
	s.Await(update, "to report that it creates the resource", func() bool {
		return update.Status.Progress != nil && strings.Contains(update.Status.Progress.Step, "testing:index:Sleep")
	})
	pod := s.Pod(name)
	s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(pod), pod))
	s.Must(stage.MurderAll(pod))
	s.Must(client.IgnoreNotFound(s.Kill(s.Ctx, pod)))
	s.Await(update, "to have failed with its pod", func() bool {
		return stage.Condition(update.Status.Conditions, "Failed").Reason == "Aborted"
	})
	s.AwaitReady(stack)
	healed := s.event(stack, pulumiv1.EventStackLockHealed)
	if last := stack.Status.LastUpdate; healed == "" || !strings.Contains(last.Message, healed) {
		s.T.Errorf("the Stack has %q on record, the event says %q", last.Message, healed)
	}
	if updates := s.updates(name, 2); newest(updates).Status.Healed == "" {
		s.T.Errorf("the Update does not say what it healed: %+v", newest(updates).Status)
	}
	return pod
}

func TestTheLockOfAKilledPodHeals(t *testing.T) {
	t.Parallel()
	s := begin(t, "healed")
	killed := s.heals("healed")
	if killed.Spec.Hostname == "" {
		t.Fatal("the pod had no host name of its own")
	}
	stack := s.Stack("healed")
	s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(stack), stack))
	if !strings.Contains(stack.Status.LastUpdate.Message, "@"+killed.Spec.Hostname+" (pid ") {
		t.Errorf("it is not said that the lock was that of %s: %q", killed.Spec.Hostname, stack.Status.LastUpdate.Message)
	}
	if left, err := s.Shell(s.Ctx, "healed", "find /state/.pulumi/locks -type f"); err != nil || strings.TrimSpace(left) != "" {
		t.Errorf("locks are left: %q, %v", left, err)
	}
}

func TestTheUpdateOfAKilledPodHealsOnPulumiCloud(t *testing.T) {
	t.Parallel()
	s := begin(t, "cloudheals")
	c := s.startCloud()
	s.heals("healed", c.overlay("acme/long/dev"))
	canceled := 0
	for _, request := range c.requests() {
		if strings.HasSuffix(request.Path, "/cancel") {
			canceled++
		}
	}
	if canceled != 1 {
		t.Errorf("%d updates were canceled, want one", canceled)
	}
}

func TestAForeignLockIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := begin(t, "foreign")
	s.program("greeting", greeting)
	stack := s.stack("prod", "greeting", onImage, `{spec: {retryOnUpdateConflict: true}}`)
	s.AwaitReady(stack)
	const lock = "/state/.pulumi/locks/organization/greeting/prod/somebody.json"
	_, err := s.Shell(s.Ctx, "prod", `mkdir -p $(dirname `+lock+`) && echo '{"pid":7,"username":"alice","hostname":"laptop","timestamp":"2026-01-01T00:00:00Z"}' > `+lock)
	s.Must(err)
	s.Must(s.Annotate(s.Ctx, stack, pulumiv1.AnnotationReconciliationRequest, new("locked")))
	s.Await(stack, "to say who holds the lock", func() bool {
		waits := stage.Condition(stack.Status.Conditions, "Reconciling")
		return waits.Reason == pulumiv1.ReasonUpdateConflict && strings.Contains(waits.Message, "alice@laptop (pid 7) since 2026-01-01T00:00:00Z")
	})
	s.Await(stack, "to have tried twice", func() bool { return stack.Status.LastUpdate.Failures >= 2 })
	if stack.Status.LastUpdate.Attempts != 0 {
		t.Errorf("%d attempts are counted", stack.Status.LastUpdate.Attempts)
	}
	_, err = s.Shell(s.Ctx, "prod", "cat "+lock)
	s.Must(err) // it is there still
	for _, commands := range docs.RunBy(t, "docs/guides/backends.md") {
		_, err = s.Shell(s.Ctx, "prod", "set -eu; export PULUMI_BACKEND_URL=file:///state\n"+commands)
		s.Must(err)
	}
	s.Await(stack, "to go on when the lock is gone", func() bool {
		return stage.Ready(stack) && stack.Status.LastUpdate.ReconcileRequest == "locked"
	})
}
