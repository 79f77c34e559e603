package workspace

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/conditions/conditionstest"
)

func ptr[T any](v T) *T { return &v }

// TestStatusOfEveryPlan asks the tools that users have, of the status of every step there is.
func TestStatusOfEveryPlan(t *testing.T) {
	for name, tc := range planCases() {
		t.Run(name, func(t *testing.T) {
			o := observed(tc.change)
			o.Workspace.Spec.ServiceTemplate = &autov1alpha1.EmbeddedServiceTemplate{}
			step := Plan(o, start().Add(tc.now))
			o.Workspace.Status = statusOf(&o, step, start())
			conditionstest.Reconciled(t, o.Workspace)
			if !meta.IsStatusConditionTrue(o.Workspace.Status.Conditions, autov1alpha1.ConditionTypeFieldsIgnored) {
				t.Errorf("no word of what is ignored: %+v", o.Workspace.Status.Conditions)
			}
		})
	}
}

// TestAddressIsEmpty: what PKO had there is gone, since nothing dials into a pod.
func TestAddressIsEmpty(t *testing.T) {
	o := observed(func(o *Observed) { o.Workspace.Status.Address = "demo-workspace.team:50051" })
	if got := statusOf(&o, Plan(o, start()), start()).Address; got != "" {
		t.Errorf("the address is %q", got)
	}
}

func TestIgnoredFields(t *testing.T) {
	cases := map[string]struct {
		spec autov1alpha1.WorkspaceSpec
		want []string
	}{
		"None": {spec: autov1alpha1.WorkspaceSpec{
			Local:      &autov1alpha1.LocalSource{Dir: "/app"},
			Kubeconfig: &autov1alpha1.KubeconfigSource{Type: autov1alpha1.KubeconfigSecret, SecretRef: &autov1alpha1.SecretKey{Name: "s", Key: "k"}},
			Stacks:     []autov1alpha1.WorkspaceStack{{Name: "dev", Create: ptr(true), SecretsProvider: ptr("passphrase")}, {Name: "prod", SecretsProvider: ptr("")}},
		}},
		"Service": {
			spec: autov1alpha1.WorkspaceSpec{ServiceTemplate: &autov1alpha1.EmbeddedServiceTemplate{}},
			want: []string{"spec.serviceTemplate: there is no Service"},
		},
		"SecondSource": {
			spec: autov1alpha1.WorkspaceSpec{Local: &autov1alpha1.LocalSource{}, ProjectInfo: &autov1alpha1.ProjectInfo{}},
			want: []string{"spec.projectInfo: spec.local is the source"},
		},
		"AllSources": {
			spec: autov1alpha1.WorkspaceSpec{
				Git: &autov1alpha1.GitSource{}, Flux: &autov1alpha1.FluxSource{}, Local: &autov1alpha1.LocalSource{}, ProjectInfo: &autov1alpha1.ProjectInfo{},
			},
			want: []string{"spec.flux: spec.git is the source", "spec.local: spec.git", "spec.projectInfo: spec.git"},
		},
		"Kubeconfig": {
			spec: autov1alpha1.WorkspaceSpec{Kubeconfig: &autov1alpha1.KubeconfigSource{Type: autov1alpha1.KubeconfigNone, SecretRef: &autov1alpha1.SecretKey{}}},
			want: []string{"spec.kubeconfig.secretRef: "},
		},
		"SecretsProvider": {
			spec: autov1alpha1.WorkspaceSpec{Stacks: []autov1alpha1.WorkspaceStack{{Name: "dev", Create: ptr(false), SecretsProvider: ptr("awskms:///x")}}},
			want: []string{"spec.stacks[dev].secretsProvider: "},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := ignored(&tc.spec)
			equal := cmp.Comparer(func(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) })
			if diff := cmp.Diff(tc.want, got, equal); diff != "" {
				t.Errorf("ignored (-want +got):\n%s", diff)
			}
		})
	}
}

// TestIgnoredFieldsAreToldOnce is about the condition and its event.
func TestIgnoredFieldsAreToldOnce(t *testing.T) {
	ws := workspaceObject()
	ws.Spec.ServiceTemplate = &autov1alpha1.EmbeddedServiceTemplate{}
	w := newWorld(t, ws)
	find := func() (message string) {
		for _, c := range w.status().Conditions {
			if c.Type == autov1alpha1.ConditionTypeFieldsIgnored && c.Status == "True" && c.Reason == autov1alpha1.ReasonNoEffect {
				message = c.Message
			}
		}
		return message
	}
	for range 2 {
		w.reconcile()
	}
	if !strings.HasPrefix(find(), "spec.serviceTemplate: ") {
		t.Errorf("the condition says %q", find())
	}
	if len(w.recorder.events) != 1 || !strings.HasPrefix(w.recorder.events[0], "Warning FieldsIgnored: spec.serviceTemplate") {
		t.Errorf("events %q", w.recorder.events)
	}
	w.change(ws, func() { ws.Spec.ServiceTemplate = nil })
	w.after(time.Second).reconcile()
	if find() != "" {
		t.Errorf("the condition still says %q", find())
	}
}
