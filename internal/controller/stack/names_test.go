package stack

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// TestAnyNameOfAStack takes Stacks of every length through a deployment and a deletion. A template that changes the
// labels of the Update changes nothing.
func TestAnyNameOfAStack(t *testing.T) {
	for name, stackName := range map[string]string{
		"Dots": "a.b", "LongestOfPKO": strings.Repeat("a", 42), "OneMore": strings.Repeat("a", 43),
		"LongerThanALabel": strings.Repeat("a", 64), "Longest": strings.Repeat("a.b-c", 51)[:253],
	} {
		t.Run(name, func(t *testing.T) {
			long := types.NamespacedName{Namespace: key.Namespace, Name: stackName}
			c := newCluster(t, programOf(greeting), demo(func(s *pulumiv1.Stack) {
				s.Name = stackName
				s.Spec.UpdateTemplate = &pulumiv1.UpdateTemplate{Metadata: &pulumiv1.TemplateObjectMeta{Labels: map[string]string{pulumiv1.LabelStackName: "mine"}}}
			}))
			reconcile := func() {
				t.Helper()
				for range 3 {
					if _, err := c.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: long}); err != nil {
						t.Fatal(err)
					}
				}
			}
			reconcile()
			workspace := &autov1alpha1.Workspace{}
			if err := c.client.Get(t.Context(), types.NamespacedName{Namespace: long.Namespace, Name: pulumiv1.WorkspaceName(stackName)}, workspace); err != nil {
				t.Fatal(err)
			}
			if got := workspace.Labels[pulumiv1.LabelStackName]; got != autov1alpha1.LabelValue(stackName) || workspace.OwnerReferences[0].Name != stackName {
				t.Errorf("the Workspace has the label %q and the owner %q", got, workspace.OwnerReferences[0].Name)
			}
			updates := c.updates()
			if len(updates) != 1 || !strings.HasPrefix(updates[0].Name, workspace.Name+"-") || updates[0].Spec.WorkspaceName != workspace.Name {
				t.Fatalf("updates: %+v", updates)
			}
			c.finish("", nil)
			reconcile()
			stack := &pulumiv1.Stack{}
			if err := c.client.Get(t.Context(), long, stack); err != nil {
				t.Fatal(err)
			}
			if last := stack.Status.LastUpdate; last == nil || last.State != pulumiv1.SucceededStackState || last.Name != updates[0].Name {
				t.Errorf("lastUpdate: %+v", last)
			}
			if err := c.client.Delete(t.Context(), stack); err != nil {
				t.Fatal(err)
			}
			reconcile()
			if err := c.client.Get(t.Context(), long, stack); client.IgnoreNotFound(err) != nil || err == nil {
				t.Errorf("the Stack is still there (%v)", err)
			}
			for _, update := range c.updates() {
				for _, finalizer := range update.Finalizers {
					if finalizer == pulumiv1.Finalizer {
						t.Errorf("Update %s can never go", update.Name)
					}
				}
			}
		})
	}
}
