package stack

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/kube"
	"github.com/gantry-operator/gantry/internal/kube/kubetest"
)

// TestMissingRightToWriteIsNamed: what the manager may not write for a Stack is said on it, once, and is done when it may.
func TestMissingRightToWriteIsNamed(t *testing.T) {
	newer := func(c *cluster) {
		c.reconcile()
		c.edit(func(s *pulumiv1.Stack) { s.Generation, s.Spec.Refresh = 2, true })
	}
	tests := map[string]struct {
		verb, resource, kind string
		before               func(*cluster)
		says                 string
	}{
		"FinalizerOfTheStack": {verb: "patch", resource: "stacks.pulumi.com", kind: "Stack", says: `may not patch stacks.pulumi.com "demo" in namespace ns`},
		"Workspace":           {verb: "patch", resource: "workspaces.auto.pulumi.com", kind: "Workspace", says: `may not patch workspaces.auto.pulumi.com "demo" in namespace ns`},
		"Update":              {verb: "create", resource: "updates.auto.pulumi.com", kind: "Update", says: "may not create updates.auto.pulumi.com in namespace ns"},
		"OutdatedUpdate":      {verb: "delete", resource: "updates.auto.pulumi.com", kind: "Update", before: newer, says: "may not delete updates.auto.pulumi.com"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, demo(), programOf(greeting))
			if tc.before != nil {
				tc.before(c)
			}
			c.r.Client = kubetest.Refusing{Client: c.client, Verb: tc.verb, Resource: schema.ParseGroupResource(tc.resource), Kind: tc.kind}
			var before string
			for range 5 { // as its own writes wake it
				before = c.stack().ResourceVersion
				if result, err := c.once(); err != nil || result.RequeueAfter != kube.DeniedRetry {
					t.Errorf("it is tried again after %s, error %v", result.RequeueAfter, err)
				}
			}
			if c.stack().ResourceVersion != before {
				t.Error("the status is written without end")
			}
			if got := c.state(); got != "Ready=False/NotReadyInProgress Reconciling=True/PermissionMissing " {
				t.Errorf("conditions: %s", got)
			}
			for _, want := range []string{tc.says, "ServiceAccount gantry-manager of namespace gantry-system"} {
				if got := c.says("Reconciling"); !strings.Contains(got, want) {
					t.Errorf("Reconciling says %q, want %q", got, want)
				}
			}
			if told := c.told(pulumiv1.ReasonPermissionMissing); len(told) != 1 {
				t.Errorf("events: %q", told)
			}
			c.r.Client = c.client
			c.reconcile()
			live := slices.DeleteFunc(c.updates(), func(u autov1alpha1.Update) bool { return !u.DeletionTimestamp.IsZero() })
			if len(live) != 1 || c.state() != "Ready=False/NotReadyInProgress Reconciling=True/StackProcessing " {
				t.Errorf("with the right there are %d Updates, conditions %s", len(live), c.state())
			}
		})
	}
}

// A Flux source that the manager may not read is no source that is not there.
func TestFluxSourceThatMayNotBeRead(t *testing.T) {
	c := newCluster(t, fromFlux())
	denial := kube.Denial{User: kubetest.Manager, Verb: "get", Group: "source.toolkit.fluxcd.io", Resource: "gitrepositories", Name: "app", Namespace: "ns"}
	c.names("", "", failure.NewWaiting(pulumiv1.ReasonPermissionMissing, "Flux source: %s", denial))
	c.reconcile()
	if got := c.state(); got != "Ready=False/NotReadyInProgress Reconciling=True/PermissionMissing " {
		t.Errorf("conditions: %s", got)
	}
	if told := c.told(pulumiv1.ReasonPermissionMissing); len(told) != 1 || !strings.Contains(told[0], `may not get gitrepositories.source.toolkit.fluxcd.io "app" in namespace ns`) {
		t.Errorf("events: %q", told)
	}
}
