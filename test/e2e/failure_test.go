package e2e

import (
	"sort"
	"strings"
	"testing"
	"time"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

const (
	broken = `
resources:
  disk:
    type: testing:index:Fail
    properties: {message: the disk is full}
`
	mended = `
resources:
  disk:
    type: testing:index:Fail
    properties: {message: the disk is full, fail: false}
outputs:
  said: ${disk.message}
`
	// brokenURN is the failing resource's.
	brokenURN = "urn:pulumi:failing::disk::testing:index:Fail::disk"
	// firstBackoff is the least time between a first failure and the second try: 10 s, less jitter.
	firstBackoff = 7 * time.Second
)

func TestFailingProgram(t *testing.T) {
	t.Parallel()
	s := begin(t, "failing")
	s.program("disk", broken)
	stack := s.stack("failing", "disk", onImage)
	s.Await(stack, "to have a failed update on record", func() bool {
		return stack.Status.LastUpdate != nil && stack.Status.LastUpdate.State == pulumiv1.FailedStackState
	})

	reconciling := stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeReconciling)
	if reconciling.Reason != pulumiv1.ReasonRetryingAfterFailure {
		t.Errorf("Reconciling has the reason %q", reconciling.Reason)
	}
	if ready := stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeReady); ready.Status != "False" {
		t.Errorf("Ready is %q", ready.Status)
	}
	for where, text := range map[string]string{
		"the condition":  reconciling.Message,
		"the event":      s.event(stack, pulumiv1.EventStackUpdateFailure),
		"the lastUpdate": stack.Status.LastUpdate.Message,
	} {
		if !strings.Contains(text, brokenURN) || !strings.Contains(text, "the disk is full") {
			t.Errorf("%s does not name the resource and the provider's words:\n%s", where, text)
		}
	}

	t.Log("it is tried again, but not at once")
	first := stack.Status.LastUpdate.Name
	s.Await(stack, "to have failed again", func() bool {
		return stack.Status.LastUpdate.State == pulumiv1.FailedStackState && stack.Status.LastUpdate.Name != first
	})
	updates := s.updates("failing", 2)
	sort.Slice(updates, func(i, j int) bool { return updates[i].CreationTimestamp.Before(&updates[j].CreationTimestamp) })
	if updates[0].Status.EndTime == nil {
		t.Fatal("the first Update has no end on record")
	}
	if pause := updates[1].CreationTimestamp.Sub(updates[0].Status.EndTime.Time); pause < firstBackoff {
		t.Errorf("tried again after %s", pause)
	}

	t.Log("it recovers when it is mended")
	s.program("disk", mended)
	s.AwaitReady(stack)
	s.Await(stack, "to be Ready with the mended Program", func() bool {
		return stage.Ready(stack) && stack.Status.LastUpdate.State == pulumiv1.SucceededStackState
	})
	if stack.Status.LastUpdate.Failures != 0 || output(stack, "said") != `"the disk is full"` {
		t.Errorf("after the recovery: %d failures, output %s", stack.Status.LastUpdate.Failures, output(stack, "said"))
	}
}
