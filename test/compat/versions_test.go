package compat

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	pulumiv1alpha1 "github.com/gantry-operator/gantry/api/pulumi/v1alpha1"
)

// A write through the older version must not take away what only the newer one is expected to hold: without
// status.applied, say, a destroy would be left out.
func TestBothVersionsOfStackAreOneObject(t *testing.T) {
	c, namespace := connect(t)
	create(t.Context(), t, c, object(t, namespace, `{apiVersion: pulumi.com/v1alpha1, kind: Stack, metadata: {name: s}, spec: {stack: dev, config: {a: {b: [1]}}}}`))
	key := types.NamespacedName{Namespace: namespace, Name: "s"}
	stack := &pulumiv1.Stack{}
	get(t, c, key, stack)
	if got := string(stack.Spec.Config.Raw); got != `{"a":{"b":[1]}}` {
		t.Errorf("config through v1 is %s", got)
	}
	stack.Status = pulumiv1.StackStatus{
		ObservedGeneration: 1, Applied: new(true), ObservedReconcileRequest: "r",
		Outputs:    map[string]apiextensionsv1.JSON{"none": {Raw: []byte("null")}, "some": {Raw: []byte(`{"a":[null]}`)}},
		LastUpdate: &pulumiv1.LastUpdate{Name: "u", State: pulumiv1.SucceededStackState},
		Conditions: []metav1.Condition{{Type: "Ready", Status: "True", Reason: "R", LastTransitionTime: metav1.Unix(0, 0)}},
	}
	want := stack.Status.DeepCopy()
	if err := c.Status().Update(t.Context(), stack); err != nil {
		t.Fatal(err)
	}
	old := &pulumiv1alpha1.Stack{}
	get(t, c, key, old)
	old.Spec.Stack = "prod"
	if err := c.Update(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	get(t, c, key, stack)
	if stack.Spec.Stack != "prod" {
		t.Errorf("stack through v1 is %q, want what was written through v1alpha1", stack.Spec.Stack)
	}
	// Null is read as no bytes.
	want.Outputs["none"] = apiextensionsv1.JSON{}
	if diff := cmp.Diff(*want, stack.Status); diff != "" {
		t.Errorf("status after a write through v1alpha1, -want +got:\n%s", diff)
	}
}

// Objects that the server stores and Go's types do not hold, beside one that is as it should be.
func TestOddObjectsDoNotHideOthers(t *testing.T) {
	c, namespace := connect(t)
	odd := `{env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: "1e1.5"}}}], resources: {limits: {cpu: "1e1.5"}}, image: kept}`
	for _, manifest := range []string{
		`{apiVersion: pulumi.com/v1, kind: Stack, metadata: {name: odd}, spec: {stack: kept, prerequisites: [{name: a, requirement: {succeededWithinDuration: yesterday}}], workspaceTemplate: {spec: ` + odd + `}}}`,
		`{apiVersion: pulumi.com/v1, kind: Stack, metadata: {name: plain}, spec: {stack: dev}}`,
		`{apiVersion: auto.pulumi.com/v1alpha1, kind: Workspace, metadata: {name: odd}, spec: ` + odd + `}`,
		`{apiVersion: auto.pulumi.com/v1alpha1, kind: Workspace, metadata: {name: plain}, spec: {}}`,
		`{apiVersion: auto.pulumi.com/v1alpha1, kind: Update, metadata: {name: odd}, spec: {ttlAfterCompleted: forever}}`,
	} {
		create(t.Context(), t, c, object(t, namespace, manifest))
	}
	status := object(t, namespace, `{apiVersion: auto.pulumi.com/v1alpha1, kind: Update, metadata: {name: odd}, status: {startTime: "2026-01-02t03:04:05z", message: kept}}`)
	if err := c.Status().Patch(t.Context(), status, client.Merge); err != nil {
		t.Fatal(err)
	}

	stacks, workspaces, updates := &pulumiv1.StackList{}, &autov1alpha1.WorkspaceList{}, &autov1alpha1.UpdateList{}
	for _, list := range []client.ObjectList{stacks, workspaces, updates} {
		if err := c.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
			t.Fatalf("list: %v", err)
		}
	}
	if len(stacks.Items) != 2 || len(workspaces.Items) != 2 || len(updates.Items) != 1 {
		t.Fatalf("%d stacks, %d workspaces, %d updates", len(stacks.Items), len(workspaces.Items), len(updates.Items))
	}
	stack, workspace, update := stacks.Items[0], workspaces.Items[0], updates.Items[0]
	if stack.Spec.Unreadable == "" || stack.Spec.Stack != "kept" || stack.Spec.WorkspaceTemplate != nil {
		t.Errorf("the odd stack reads %+v", stack.Spec)
	}
	if workspace.Spec.Unreadable == "" || workspace.Spec.Image != "kept" || workspace.Spec.Env != nil {
		t.Errorf("the odd workspace reads %+v", workspace.Spec)
	}
	if update.Spec.Unreadable != "" || update.Status.StartTime != nil || update.Status.Message != "kept" {
		t.Errorf("the odd update reads %+v", update)
	}
	if stacks.Items[1].Spec.Unreadable != "" || workspaces.Items[1].Spec.Unreadable != "" {
		t.Error("a plain object is unreadable")
	}
}

// Templates take all that PKO's take, under strict validation.
func TestTemplatesTakeWholeObjects(t *testing.T) {
	c, namespace := connect(t)
	create(t.Context(), t, c, object(t, namespace, `
apiVersion: pulumi.com/v1
kind: Stack
metadata: {name: whole}
spec:
  stack: dev
  workspaceTemplate:
    apiVersion: auto.pulumi.com/v1alpha1
    kind: Workspace
    metadata: {name: x, generateName: y, finalizers: [a], ownerReferences: [{uid: z}], labels: {l: v}, creationTimestamp: "2026-01-02T03:04:05Z"}
    spec:
      projectInfo: {name: p}
      git: {shallow: false, auth: {githubApp: {appID: {key: k}}}}
      env: [{name: A, value: "1"}, {name: A, value: "2"}]
      stacks: [{config: [{value: 1}, {value: {a: b}}]}, {name: a}, {name: a}]
    status: {address: a, conditions: [{type: Ready}], observedGeneration: 3}
  updateTemplate:
    apiVersion: auto.pulumi.com/v1alpha1
    kind: Update
    metadata: {name: x, annotations: {a: b}}
    spec: {parallel: 1, message: m, ttlAfterCompleted: 1h}
    status: {message: m, projectInfo: {name: n}}`))
	stack := &pulumiv1.Stack{}
	get(t, c, types.NamespacedName{Namespace: namespace, Name: "whole"}, stack)
	if stack.Spec.Unreadable != "" {
		t.Fatal(stack.Spec.Unreadable)
	}
	template := stack.Spec.WorkspaceTemplate
	if diff := cmp.Diff(map[string]string{"l": "v"}, template.Metadata.Labels); diff != "" {
		t.Errorf("labels, -want +got:\n%s", diff)
	}
	if len(template.Spec.Stacks) != 3 || len(template.Spec.Env) != 2 || template.Spec.Git.Shallow == nil || *template.Spec.Git.Shallow {
		t.Errorf("template reads %+v", template.Spec)
	}
}
