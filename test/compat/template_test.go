package compat

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// What a template or a reference gave a Workspace goes when they are taken out of the Stack. The API server turns an
// object that an apply empties into a null, and then refuses the null.
func TestWhatAStackGivesItsWorkspaceComesAndGoes(t *testing.T) {
	c := newControllers(t)
	full := `
  envRefs: {TOKEN: {type: Secret, secret: {name: tok, key: a}}}
  kubeconfig: {type: Secret, secretRef: {name: other, key: config}}
  workspaceTemplate:
    metadata: {labels: {a: b}, annotations: {c: d}}
    spec:
      resources: {limits: {cpu: "1"}}
      serviceTemplate: {metadata: {labels: {a: b}}}
      podTemplate: {metadata: {labels: {a: b}, annotations: {c: d}}, spec: {containers: [{name: pulumi}]}}
`
	empty := `
  kubeconfig: {}
  workspaceTemplate:
    metadata: {labels: {}, annotations: {}}
    spec: {resources: {limits: {}}, serviceTemplate: {metadata: {}}, podTemplate: {metadata: {labels: {}, annotations: {}}, spec: {containers: [{name: pulumi}]}}}
`
	partial := "\n  workspaceTemplate: {spec: {resources: {}, podTemplate: {metadata: {labels: {a: b}}, spec: {containers: [{name: pulumi}]}}}}\n"
	key := types.NamespacedName{Namespace: c.namespace, Name: "template"}
	head := "apiVersion: pulumi.com/v1\nkind: Stack\nmetadata: {name: template}\nspec:\n  stack: dev"
	stack := create(t.Context(), t, c.client, object(t, c.namespace, head))
	for i, spec := range []string{full, "", full, empty, partial, full, partial, ""} {
		change := object(t, c.namespace, head+spec)
		stack = reread(t.Context(), t, c.client, stack)
		stack.Object["spec"] = change.Object["spec"]
		if err := c.client.Update(t.Context(), stack); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		for range 4 { // the Update that waits gives way first
			c.reconcile(stack)
		}
		read := &pulumiv1.Stack{}
		get(t, c.client, key, read)
		if stalled := meta.FindStatusCondition(read.Status.Conditions, autov1alpha1.ConditionTypeStalled); stalled != nil {
			t.Fatalf("step %d: %s", i, stalled.Message)
		}
		workspace := &autov1alpha1.Workspace{}
		get(t, c.client, key, workspace)
		isFull := spec == full
		if (workspace.Spec.Inputs != "") != isFull || (workspace.Spec.ServiceTemplate != nil) != isFull || (len(workspace.Spec.Env) > 0) != isFull ||
			(workspace.Spec.Kubeconfig != nil && workspace.Spec.Kubeconfig.SecretRef != nil) != isFull || (len(workspace.Spec.Resources.Limits) > 0) != isFull || (workspace.Labels["a"] == "b") != isFull {
			t.Errorf("step %d: the Workspace is %+v", i, workspace.Spec)
		}
		if template := workspace.Spec.PodTemplate; isFull && template.Metadata.Annotations["c"] != "d" || !isFull && template != nil && len(template.Metadata.Annotations) > 0 {
			t.Errorf("step %d: the template is %+v", i, template)
		}
	}
	if err := client.IgnoreNotFound(c.client.Delete(t.Context(), stack)); err != nil {
		t.Fatal(err)
	}
}
