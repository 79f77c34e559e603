package operator

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// TestKubeconfigOfAnotherStackIsKept has a real API server take the copy, under the roles that are shipped: what it
// thinks of an object of its own shows nowhere else.
func TestKubeconfigOfAnotherStackIsKept(t *testing.T) {
	c := startCluster(t)
	c.start("only")
	giver := &pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "cluster"}, Spec: pulumiv1.StackSpec{Stack: "dev"}}
	app := &pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "app"}, Spec: pulumiv1.StackSpec{
		Stack: "dev", Kubeconfig: &pulumiv1.KubeconfigSource{
			Type: pulumiv1.KubeconfigStackOutput, StackRef: &pulumiv1.StackOutput{Name: "cluster", Output: "kubeconfig"},
		},
	}}
	c.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}}, app, giver)
	giver.Status = pulumiv1.StackStatus{
		Outputs: map[string]apiextensionsv1.JSON{"kubeconfig": {Raw: []byte(
			`{"clusters":[{"name":"far","cluster":{"server":"https://far"}}],"contexts":[{"name":"far","context":{"cluster":"far"}}]}`)}},
		LastUpdate: &pulumiv1.LastUpdate{Name: "cluster-1", Type: autov1alpha1.UpUpdate, State: pulumiv1.SucceededStackState, LastResyncTime: metav1.Now()},
	}
	eventually(t, "the output is given", func() bool {
		status := giver.Status
		if !c.get(giver, "team", "cluster") {
			return false
		}
		giver.Status = status
		return c.Status().Update(t.Context(), giver) == nil
	})
	kept := &corev1.Secret{}
	eventually(t, "the copy is kept", func() bool { return c.get(kept, "team", "app-kubeconfig") && len(kept.Data["kubeconfig"]) > 0 })
	if len(kept.Finalizers) != 1 || len(kept.OwnerReferences) != 1 || *kept.OwnerReferences[0].BlockOwnerDeletion {
		t.Errorf("its finalizers are %v, its owners %v", kept.Finalizers, kept.OwnerReferences)
	}
	eventually(t, "an Update is made with it", func() bool {
		return c.get(app, "team", "app") && app.Status.CurrentUpdate != nil && app.Status.CurrentUpdate.Inputs["Secret/app-kubeconfig"] != ""
	})
	if err := c.Delete(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the copy may go with its Stack", func() bool {
		return !c.get(app, "team", "app") && (!c.get(kept, "team", "app-kubeconfig") || !slices.Contains(kept.Finalizers, "gantry.pulumi.com/kubeconfig"))
	})
}
