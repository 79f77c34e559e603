package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// What runs is canceled; the Stack is suspended, is asked to run, and is not; it is resumed and runs once; it is deleted while it is
// suspended, and is destroyed when it is resumed.
func TestCancelSuspendResume(t *testing.T) {
	t.Parallel()
	s := begin(t, "suspend")
	stack, update := s.halfway("suspend", `{spec: {destroyOnFinalize: true}}`)
	stop, asked := "stop", "2026-11-22T12:00:00Z"
	began := time.Now()
	s.Must(s.Annotate(s.Ctx, stack, pulumiv1.AnnotationCancelRequest, &stop))
	s.AwaitGone(update, "to be canceled and gone")
	s.Await(stack, "to be held back", func() bool {
		return stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeStalled).Reason == pulumiv1.ReasonUpdateCanceled
	})
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s: the operation was not canceled", took)
	}
	if told := s.event(stack, pulumiv1.EventCancelRequested); !strings.Contains(told, `"stop", set with "`) || !strings.Contains(told, "cancels up "+update.Name) {
		t.Errorf("the event is %q", told)
	}

	t.Log("suspended, it runs nothing, whatever is asked for")
	s.Must(s.Patch(s.Ctx, stack, `{spec: {suspend: true}}`))
	s.hurry()
	s.Must(s.Annotate(s.Ctx, stack, pulumiv1.AnnotationRequestedAt, &asked))
	s.Await(stack, "to be suspended", func() bool {
		return stack.Status.ObservedGeneration == stack.Generation && stage.Condition(stack.Status.Conditions, "Ready").Reason == pulumiv1.ReasonSuspended
	})
	s.never(stack, 3*time.Second, func() error {
		if stack.Status.CurrentUpdate != nil {
			return fmt.Errorf("%s begins", stack.Status.CurrentUpdate.Name)
		}
		return nil
	})

	t.Log("resumed, it runs once")
	s.Must(s.Patch(s.Ctx, stack, `{spec: {suspend: false}}`))
	s.Await(stack, "to have run", func() bool { return stage.Ready(stack) && stack.Status.LastHandledReconcileAt == asked })
	s.updates("suspend", 1)
	lines, err := s.Shell(s.Ctx, "suspend", "cat /state/created && if [ -e /state/.pulumi/locks ]; then find /state/.pulumi/locks -type f; fi")
	s.Must(err)
	if lines != "create first\ncreate second\n" {
		t.Errorf("what was made, and locks that are left:\n%s", lines)
	}

	t.Log("suspended in line with its spec it stays Ready; deleted, it waits")
	s.Must(s.Patch(s.Ctx, stack, `{spec: {suspend: true}}`))
	s.Await(stack, "to be suspended", func() bool {
		return stage.Ready(stack) && stage.Condition(stack.Status.Conditions, pulumiv1.ConditionTypeSuspended).Status == "True"
	})
	s.Must(s.Client.Delete(s.Ctx, stack))
	s.Await(stack, "to say what it waits for", func() bool {
		return strings.Contains(stage.Condition(stack.Status.Conditions, "Ready").Message, pulumiv1.AnnotationAbandon+"=true")
	})
	s.updates("suspend", 1)
	s.Must(s.Patch(s.Ctx, stack, `{spec: {suspend: false}}`))
	s.AwaitGone(stack, "to be destroyed and gone")
	s.event(stack, pulumiv1.EventStackDestroyed)
}
