package e2e

import (
	"testing"
	"time"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// once leaves a line when its resource is made.
const once = `
resources:
  only:
    type: testing:index:Sleep
    properties: {seconds: 0, label: only, log: /state/created}
`

func TestTwoStacksOfOneBackendStack(t *testing.T) {
	t.Parallel()
	s := begin(t, "two")
	s.program("once", once)
	first := s.stack("one", "once", onImage, `{spec: {stack: dev}}`)
	s.AwaitReady(first)
	second := s.stack("two", "once", onImage, `{spec: {stack: organization/once/dev, destroyOnFinalize: true}}`)
	s.Await(second, "to say whose the stack is", func() bool {
		stalled := stage.Condition(second.Status.Conditions, autov1alpha1.ConditionTypeStalled)
		return stalled.Reason == pulumiv1.ReasonStackInUse && says(second, []string{"belongs to the Stack " + s.Name + "/one"})
	})
	s.event(second, pulumiv1.ReasonStackInUse)

	t.Log("it goes as it came, without a destroy")
	s.Must(s.Client.Delete(s.Ctx, second))
	s.AwaitGone(second, "to be gone")
	s.updates("two", 0)

	t.Log("another one goes on by itself when the first is gone, with what the first made")
	third := s.stack("three", "once", onImage, `{spec: {stack: dev}}`)
	s.Await(third, "to say whose the stack is", func() bool { return says(third, []string{"belongs to the Stack " + s.Name + "/one"}) })
	s.Must(s.Client.Delete(s.Ctx, first))
	s.AwaitGone(first, "to be gone")
	gone := time.Now()
	s.Await(s.Workspace("three"), "to be made at once", func() bool { return true })
	if took := time.Since(gone); took > 15*time.Second {
		t.Errorf("it took %s to go on", took)
	}
	s.AwaitReady(third)
	lines, err := s.Shell(s.Ctx, "three", "cat /state/created")
	s.Must(err)
	if lines != "create only\n" {
		t.Errorf("created as often as this has lines, want one:\n%s", lines)
	}
}
