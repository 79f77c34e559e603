package compat

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// configured is a Stack with so many values of so many bytes.
func (c *controllers) configured(name string, values, size int) *unstructured.Unstructured {
	c.t.Helper()
	config := map[string]any{}
	for i := range values {
		config[fmt.Sprintf("key-%d", i)] = strings.Repeat("v", size)
	}
	large := object(c.t, c.namespace, "{apiVersion: pulumi.com/v1, kind: Stack, metadata: {name: "+name+"}}")
	large.Object["spec"] = map[string]any{"stack": "dev", "config": config}
	if err := c.client.Create(c.t.Context(), large); err != nil {
		c.t.Fatal(err)
	}
	return large
}

// TestLargeConfiguration: a MiB of configuration runs, and many keys that the API server takes in a Stack but not in its
// Workspace, where it notes more of each, are told.
func TestLargeConfiguration(t *testing.T) {
	c := newControllers(t)
	one := c.configured("one", 1, 1<<20)
	c.reconcile(one)
	c.says(one, autov1alpha1.ConditionTypeReconciling, pulumiv1.ReasonStackProcessing)
	workspace := &autov1alpha1.Workspace{}
	if err := c.client.Get(t.Context(), client.ObjectKeyFromObject(one), workspace); err != nil {
		t.Fatal(err)
	}
	if got := len(workspace.Spec.Stacks[0].Config[0].Value.Raw); got != 1<<20+2 {
		t.Errorf("the value has %d bytes in the Workspace", got)
	}
	c.othersGoOn()

	many := c.configured("many", 20000, 40)
	c.reconcile(many)
	c.says(many, autov1alpha1.ConditionTypeStalled, pulumiv1.ReasonSpecInvalid, "spec.config: ", "larger than the API server keeps", "configRef")
	c.othersGoOn()
}

// TestLargeOutputs: outputs that fit into their Secret, but not into the status beside a large spec, are left out there.
func TestLargeOutputs(t *testing.T) {
	c := newControllers(t)
	large := c.configured("large", 1, 1<<20)
	c.reconcile(large)
	updates := &autov1alpha1.UpdateList{}
	if err := c.client.List(t.Context(), updates, client.InNamespace(c.namespace)); err != nil || len(updates.Items) != 1 {
		t.Fatalf("%d Updates, error %v", len(updates.Items), err)
	}
	update := &updates.Items[0]
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: autov1alpha1.OutputsSecretName(update.Name)},
		Data:       map[string][]byte{"small": []byte(`"s"`), "large": []byte(`"` + strings.Repeat("l", 900<<10) + `"`)},
	}
	if err := c.client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	update.Status = autov1alpha1.UpdateStatus{Outputs: secret.Name, PodUID: "pod", Conditions: []metav1.Condition{
		{Type: autov1alpha1.UpdateConditionTypeComplete, Status: metav1.ConditionTrue, Reason: "Updated", LastTransitionTime: metav1.Now()},
	}}
	if err := c.client.Status().Update(t.Context(), update); err != nil {
		t.Fatal(err)
	}
	c.reconcile(large)
	read := &pulumiv1.Stack{}
	if err := c.client.Get(t.Context(), client.ObjectKeyFromObject(large), read); err != nil {
		t.Fatal(err)
	}
	if !meta.IsStatusConditionTrue(read.Status.Conditions, autov1alpha1.ConditionTypeReady) {
		t.Errorf("conditions %+v", read.Status.Conditions)
	}
	if got := string(read.Status.Outputs["small"].Raw) + string(read.Status.Outputs["large"].Raw); got != `"s""[too large: see the Secret with the outputs]"` {
		t.Errorf("outputs %.200s", got)
	}
}

// TestNullIsNoValue: a value that is null is as one that is not there.
func TestNullIsNoValue(t *testing.T) {
	c := newControllers(t)
	stack := object(t, c.namespace, `{apiVersion: pulumi.com/v1, kind: Stack, metadata: {name: nulls}, spec: {stack: dev, config: {a: null, b: {c: null}, d: [null]}}}`)
	if err := c.client.Create(t.Context(), stack); err != nil {
		t.Fatal(err)
	}
	c.reconcile(stack)
	workspace := object(t, c.namespace, `{apiVersion: auto.pulumi.com/v1alpha1, kind: Workspace, metadata: {name: nulls}}`)
	c.reconcile(workspace)
	if stalled := meta.FindStatusCondition(c.states(workspace), autov1alpha1.ConditionTypeStalled); stalled != nil {
		t.Errorf("the Workspace is stalled: %s", stalled.Message)
	}
	const want = `[{"key":"b","secret":false,"value":{"c":null}},{"key":"d","secret":false,"value":[null]}]`
	stacks, _, err := unstructured.NestedSlice(reread(t.Context(), t, c.client, workspace).Object, "spec", "stacks")
	if err != nil || len(stacks) != 1 {
		t.Fatalf("stacks %v, error %v", stacks, err)
	}
	if got := encoded(t, stacks[0].(map[string]any)["config"]); got != want {
		t.Errorf("config %s, want %s", got, want)
	}
}
