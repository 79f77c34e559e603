package e2e

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// half is a program of a resource that is made at once and one that takes a minute. Each leaves a line when it is made.
const half = `
resources:
  first:
    type: testing:index:Sleep
    properties: {seconds: 0, label: first, log: /state/created}
  second:
    type: testing:index:Sleep
    properties: {seconds: 60, label: second, log: /state/created}
    options: {dependsOn: ["${first}"]}
`

// unhurried gives a pod of a story more time to end than others have.
const unhurried = `{spec: {workspaceTemplate: {spec: {podTemplate: {spec: {terminationGracePeriodSeconds: 60}}}}}}`

// halfway starts an update of half and returns it when it makes the second resource.
func (s *story) halfway(name string, overlays ...string) (*pulumiv1.Stack, *autov1alpha1.Update) {
	s.T.Helper()
	s.program("half", half)
	stack := s.stack(name, "half", append([]string{onImage, unhurried}, overlays...)...)
	update := s.current(stack)
	s.Await(update, "to report that it makes the second resource", func() bool {
		return update.Status.Progress != nil && strings.Contains(update.Status.Progress.Step, "testing:index:Sleep second")
	})
	return stack, update
}

// hurry makes the program one that takes no time.
func (s *story) hurry() {
	s.T.Helper()
	s.program("half", strings.ReplaceAll(half, "seconds: 60", "seconds: 0"))
}

// endedWell waits for the end of an Update and checks that pulumi ended by itself, for the reason given.
func (s *story) endedWell(update *autov1alpha1.Update, reason, words string) {
	s.T.Helper()
	s.Await(update, "to be over", func() bool {
		return stage.Condition(update.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete).Status == metav1.ConditionTrue
	})
	failed := stage.Condition(update.Status.Conditions, autov1alpha1.UpdateConditionTypeFailed)
	if failed.Reason != reason || !strings.Contains(failed.Message, words) || strings.Contains(failed.Message, "killed") {
		s.T.Errorf("the Update ended with %s: %s", failed.Reason, failed.Message)
	}
}

// goesOn checks that a second update finds neither a lock nor anything to make twice.
func (s *story) goesOn(stack *pulumiv1.Stack) {
	s.T.Helper()
	s.AwaitReady(stack)
	s.updates(stack.Name, 2)
	lines, err := s.Shell(s.Ctx, stack.Name, "cat /state/created && if [ -e /state/.pulumi/locks ]; then find /state/.pulumi/locks -type f; fi")
	s.Must(err)
	if lines != "create first\ncreate second\n" {
		s.T.Errorf("what was made, and locks that are left:\n%s", lines)
	}
}

func TestPodEndsInTheMiddle(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*story, *corev1.Pod) error{
		"Deleted": func(s *story, pod *corev1.Pod) error { return s.Client.Delete(s.Ctx, pod) },
		"Evicted": func(s *story, pod *corev1.Pod) error {
			return s.Kube.CoreV1().Pods(pod.Namespace).EvictV1(s.Ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}})
		},
	}
	for name, end := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := begin(t, strings.ToLower(name))
			stack, update := s.halfway("ends")
			before := s.Pod("ends")
			s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(before), before))
			s.hurry()
			began := time.Now()
			s.Must(end(s, before.DeepCopy()))
			s.endedWell(update, operation.ReasonCanceled, "the pod was ending")
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %s: the operation was not ended", took)
			}
			s.goesOn(stack)
			after := s.Pod("ends")
			s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(after), after))
			if after.UID == before.UID {
				t.Error("the pod is the same")
			}
		})
	}
}

func TestUpdateTakesTooLong(t *testing.T) {
	t.Parallel()
	s := begin(t, "late")
	stack, update := s.halfway("late", `{spec: {updateTemplate: {spec: {timeout: 30s}}}}`)
	s.endedWell(update, operation.ReasonTimeout, "timeout of 30s")
	if took := update.Status.EndTime.Sub(update.Status.StartTime.Time); took < 29*time.Second || took > 55*time.Second {
		t.Errorf("it was ended after %s", took)
	}
	s.Await(stack, "to say what happened, and that it is tried again", func() bool {
		return says(stack, []string{"attempt 1 of 4", "timed out"})
	})
	if last := stack.Status.LastUpdate; last.Reason != operation.ReasonTimeout || last.Attempts != 1 {
		t.Errorf("on record is %+v", last)
	}
	s.hurry()
	s.goesOn(stack)
}
