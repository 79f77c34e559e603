package metrics_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/metrics"
)

// TestSuspendedIsNotFailing: nobody is to be woken for a Stack that a person suspended.
func TestSuspendedIsNotFailing(t *testing.T) {
	suspended := stack("suspended", pulumiv1.StackStatus{LastUpdate: &pulumiv1.LastUpdate{State: pulumiv1.FailedStackState}})
	suspended.Spec.Suspend = true
	c := cluster(t, suspended)
	objects := metrics.NewObjects(func(list client.ObjectList) error { return c.List(t.Context(), list) })
	want := `
# HELP stacks_failing 1 if the Stack's last update failed, else 0.
# TYPE stacks_failing gauge
stacks_failing{name="suspended",namespace="team"} 0
`
	if err := testutil.CollectAndCompare(objects, strings.NewReader(want), metrics.NameStacksFailing); err != nil {
		t.Error(err)
	}
}
