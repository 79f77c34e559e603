package stack

import (
	"strings"
	"testing"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/yaml"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// A source that cannot be fetched stalls its Stack, which says which field to replace; nothing is run for it.
func TestSourcesThatAreNotSupported(t *testing.T) {
	cases := map[string]struct{ spec, field string }{
		"Flux": {"fluxSource: {sourceRef: {apiVersion: source.toolkit.fluxcd.io/v1, kind: GitRepository, name: a}}", "spec.fluxSource"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, demo(func(s *pulumiv1.Stack) {
				s.Spec = pulumiv1.StackSpec{}
				if err := yaml.Unmarshal([]byte("stack: dev\n"+tc.spec), &s.Spec); err != nil {
					t.Fatal(err)
				}
			}))
			c.reconcile()
			stalled := apimeta.FindStatusCondition(c.stack().Status.Conditions, "Stalled")
			if stalled == nil || stalled.Reason != pulumiv1.ReasonSpecInvalid || !strings.Contains(stalled.Message, tc.field) ||
				!strings.Contains(stalled.Message, "not supported by this version") {
				t.Errorf("Stalled is %+v, want SpecInvalid that names %s", stalled, tc.field)
			}
			if n := len(c.updates()); n != 0 {
				t.Errorf("%d Updates were made", n)
			}
		})
	}
}
