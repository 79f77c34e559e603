package e2e

import (
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// TestDestroyInReverseOrder deletes a Stack before the one that needs it: the other one is destroyed first.
func TestDestroyInReverseOrder(t *testing.T) {
	t.Parallel()
	s := begin(t, "reverse")
	s.mayManageConfigMaps()
	base, foundation := s.applied("base")
	app, house := s.applied("app", `{spec: {prerequisites: [{name: base}]}}`)

	t.Log("alone, it waits for the one that needs it, and says so")
	s.Must(s.Client.Delete(s.Ctx, base))
	s.Await(base, "to say who needs it", func() bool {
		return says(base, []string{pulumiv1.ReasonDependentsExist, `"app". Delete these too`})
	})
	s.stays(foundation)

	t.Log("together, the one that is needed goes last")
	s.Must(s.Patch(s.Ctx, house, `{metadata: {finalizers: ["`+holder+`"]}}`))
	s.Must(s.Client.Delete(s.Ctx, app))
	s.Await(house, "to be on its way out", func() bool { return house.DeletionTimestamp != nil })
	s.Await(base, "to say whom it waits for", func() bool {
		return says(base, []string{pulumiv1.ReasonDependentsExist, "waiting for Stacks that need this one", `"app"`})
	})
	s.stays(foundation)
	s.Must(s.Patch(s.Ctx, house, `{metadata: {finalizers: null}}`))
	began := time.Now()
	s.AwaitGone(app, "to be gone first")
	s.AwaitGone(base, "to be gone after it")
	if err := s.Client.Get(s.Ctx, s.Key("base"), foundation); !apierrors.IsNotFound(err) {
		t.Errorf("the ConfigMap is still there when its Stack is gone: %v", err)
	}
	t.Logf("both were gone %s after the last obstacle was", time.Since(began).Round(time.Millisecond))

	t.Log("those that need each other do not wait for each other")
	left, _ := s.applied("left")
	right, _ := s.applied("right", `{spec: {prerequisites: [{name: left}]}}`)
	s.Must(s.Patch(s.Ctx, left, `{spec: {prerequisites: [{name: right}]}}`))
	for _, stack := range []*pulumiv1.Stack{left, right} {
		s.Must(s.Client.Delete(s.Ctx, stack))
	}
	for _, stack := range []*pulumiv1.Stack{left, right} {
		s.AwaitGone(stack, "to be gone though the other one needs it")
	}
}
