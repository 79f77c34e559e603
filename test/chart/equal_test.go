package chart

import (
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/gantry-operator/gantry/internal/operator"
)

const manager = "Deployment gantry-manager"

// What is installed with Helm and without grants the same and runs the same.
func TestChartEqualsKustomize(t *testing.T) {
	chart, plain := template(t), kustomize(t)
	delete(plain, "Namespace "+namespace) // Helm makes it, with --create-namespace
	if diff := cmp.Diff(slices.Sorted(maps.Keys(plain)), slices.Sorted(maps.Keys(chart))); diff != "" {
		t.Fatalf("objects (-kustomize +chart):\n%s", diff)
	}
	for key, object := range plain {
		for _, field := range []string{"rules", "roleRef", "subjects"} {
			if diff := cmp.Diff(object.Object[field], chart[key].Object[field]); diff != "" {
				t.Errorf("%s of %s (-kustomize +chart):\n%s", field, key, diff)
			}
		}
		if object.GetKind() == "CustomResourceDefinition" || object.GetKind() == "Service" {
			drop(object.Object, "spec", "selector", "app.kubernetes.io/instance")
			drop(chart[key].Object, "spec", "selector", "app.kubernetes.io/instance")
			if diff := cmp.Diff(object.Object["spec"], chart[key].Object["spec"]); diff != "" {
				t.Errorf("spec of %s (-kustomize +chart):\n%s", key, diff)
			}
		}
		for label, value := range object.GetLabels() {
			if strings.HasPrefix(label, "rbac.authorization.k8s.io/") && chart[key].GetLabels()[label] != value {
				t.Errorf("%s has no label %s=%s in the chart", key, label, value)
			}
		}
	}
}

// The Deployments differ in nothing but labels, images and how the manager is told its defaults.
func TestChartRunsTheSameManager(t *testing.T) {
	plain := as[appsv1.Deployment](t, kustomize(t), manager)
	chart := as[appsv1.Deployment](t, template(t, "--set", "workspaceImage.name=localhost/gantry-pulumi:dev", "--set", "workspaceImage.agentPath=/usr/local/bin/gantry-agent"), manager)
	if diff := cmp.Diff(options(t, plain), options(t, chart), cmpopts.IgnoreUnexported(operator.Options{}), cmpopts.IgnoreFields(operator.Options{}, "Zap"),
		cmpopts.IgnoreFields(operator.Options{}, "ArtifactStoreSize", "ArtifactMaxSize", "GitRepositorySize", "GitMemory")); diff != "" {
		t.Errorf("what the manager is told (-kustomize +chart):\n%s", diff)
	}
	for _, d := range []*appsv1.Deployment{plain, chart} {
		c := &d.Spec.Template.Spec.Containers[0]
		c.Image, c.Args, c.Env = "", nil, slices.DeleteFunc(c.Env, func(e corev1.EnvVar) bool { return !strings.HasPrefix(e.Name, "GO") && e.ValueFrom == nil })
	}
	if diff := cmp.Diff(plain.Spec.Template.Spec, chart.Spec.Template.Spec); diff != "" {
		t.Errorf("the pod (-kustomize +chart):\n%s", diff)
	}
	for name, value := range chart.Spec.Selector.MatchLabels {
		if chart.Spec.Template.Labels[name] != value {
			t.Errorf("the Deployment selects %s=%s, which its pods do not have", name, value)
		}
	}
}

// options are what the manager makes of its container.
func options(t *testing.T, d *appsv1.Deployment) operator.Options {
	t.Helper()
	container := d.Spec.Template.Spec.Containers[0]
	environment := map[string]string{}
	for _, e := range container.Env {
		environment[e.Name] = e.Value
	}
	o, err := operator.ParseOptions(flag.NewFlagSet("manager", flag.ContinueOnError), container.Args, func(name string) string { return environment[name] })
	if err != nil {
		t.Fatalf("the manager refuses what it is told: %v", err)
	}
	return o
}

// drop removes a field that is named by its path.
func drop(object map[string]any, path ...string) {
	for _, name := range path[:len(path)-1] {
		inner, ok := object[name].(map[string]any)
		if !ok {
			return
		}
		object = inner
	}
	delete(object, path[len(path)-1])
}
