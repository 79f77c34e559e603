package e2e

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// long is a program that takes 20 s and leaves a line for each time it created its resource.
const long = `
resources:
  slow:
    type: testing:index:Sleep
    properties: {seconds: 20, label: slow, log: /state/created}
outputs:
  label: ${slow.label}
`

// underway is an operation in the middle, as it was when it was looked at.
type underway struct {
	update *autov1alpha1.Update
	pod    *corev1.Pod
	up     stage.Process
}

// inTheMiddle starts a long update and returns when its resource is being created.
func (s *story) inTheMiddle(name string) underway {
	s.T.Helper()
	s.program("long", long)
	update := s.current(s.stack(name, "long", onImage))
	s.Await(update, "to report that it creates the resource", func() bool {
		return update.Status.Progress != nil && strings.Contains(update.Status.Progress.Step, "testing:index:Sleep")
	})
	pod := s.Pod(name)
	s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(pod), pod))
	if update.Status.PodUID != string(pod.UID) {
		s.T.Errorf("the Update was given to pod %q, the pod is %q", update.Status.PodUID, pod.UID)
	}
	up, err := s.Up(s.Ctx, name)
	s.Must(err)
	return underway{update: update, pod: pod, up: up}
}

// runsOn checks that the same process runs on.
func (s *story) runsOn(name string, before underway) {
	s.T.Helper()
	now, err := s.Up(s.Ctx, name)
	s.Must(err)
	if now != before.up {
		s.T.Errorf("another pulumi runs: %+v was %+v", now, before.up)
	}
}

// endsWell checks that the operation succeeded, in the same pod, having run once.
func (s *story) endsWell(name string, before underway) {
	s.T.Helper()
	stack := s.Stack(name)
	s.AwaitReady(stack)
	update := s.updates(name, 1)[0]
	if update.UID != before.update.UID || stage.Condition(update.Status.Conditions, "Failed").Status != "False" {
		s.T.Errorf("the Update did not succeed: %+v", update.Status)
	}
	if output(stack, "label") != `"slow"` {
		s.T.Errorf("the output is %s", output(stack, "label"))
	}
	pod := s.Pod(name)
	s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(pod), pod))
	if pod.UID != before.pod.UID {
		s.T.Errorf("the pod was replaced")
	}
	for _, status := range pod.Status.ContainerStatuses {
		if status.RestartCount != 0 {
			s.T.Errorf("container %s was restarted", status.Name)
		}
	}
	lines, err := s.Shell(s.Ctx, name, "cat /state/created")
	s.Must(err)
	if lines != "create slow\n" {
		s.T.Errorf("the resource was created as often as this has lines, want one:\n%s", lines)
	}
}

func TestManagerKilledInTheMiddle(t *testing.T) {
	s := begin(t, "killed")
	before := s.inTheMiddle("killed")
	leader, err := s.Leader(s.Ctx)
	s.Must(err)
	restarts := restartsOf(leader)
	s.Must(stage.Murder(leader, "manager"))
	s.Await(leader, "to have restarted its container", func() bool { return restartsOf(leader) > restarts })
	s.runsOn("killed", before)
	s.endsWell("killed", before)
}

func TestLeaderChangesInTheMiddle(t *testing.T) {
	s := begin(t, "leader")
	s.scaleManager("2")
	defer s.scaleManager("1")
	before := s.inTheMiddle("leader")
	leader, err := s.Leader(s.Ctx)
	s.Must(err)
	s.Must(s.Client.Delete(s.Ctx, leader))
	next := s.untilLed(func(pod *corev1.Pod) bool { return pod.UID != leader.UID })
	if next.Name == leader.Name {
		t.Fatalf("%s leads still", leader.Name)
	}
	s.runsOn("leader", before)
	s.endsWell("leader", before)
}

func restartsOf(pod *corev1.Pod) int32 {
	restarts := int32(0)
	for _, status := range pod.Status.ContainerStatuses {
		restarts += status.RestartCount
	}
	return restarts
}
