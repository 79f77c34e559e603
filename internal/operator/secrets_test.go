package operator

import (
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// byNameOnly narrows the manager's role: it may get the Secrets, and get, list and watch the ConfigMaps, of these names, and
// no others, which the API server grants only to who asks for one object.
func (c *cluster) byNameOnly(names ...string) {
	c.t.Helper()
	role := &rbacv1.ClusterRole{}
	if !c.get(role, "", "gantry-manager") {
		c.t.Fatal("there is no role of the manager")
	}
	narrowed := 0
	for i := range role.Rules {
		rule := &role.Rules[i]
		switch {
		case slices.Equal(rule.Resources, []string{"secrets"}):
			if slices.Contains(rule.Verbs, "list") || slices.Contains(rule.Verbs, "watch") {
				c.t.Errorf("the manager may %v Secrets", rule.Verbs)
			}
		case slices.Equal(rule.Resources, []string{"configmaps"}):
		default:
			continue
		}
		rule.ResourceNames = names
		narrowed++
	}
	if narrowed != 2 {
		c.t.Fatalf("%d rules are about Secrets and ConfigMaps", narrowed)
	}
	// A right to create cannot be narrowed to names.
	role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create"}})
	if err := c.Update(c.t.Context(), role); err != nil {
		c.t.Fatal(err)
	}
}

// TestOnlyReferencedSecretsAreRead runs a manager that may look at nothing but what its Stack names, by name.
func TestOnlyReferencedSecretsAreRead(t *testing.T) {
	c := startCluster(t)
	c.byNameOnly("tok", "settings")
	c.start("only")
	c.create(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "default"}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "tok"}, StringData: map[string]string{"a": "1"}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "bystander"}, StringData: map[string]string{"a": "1"}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "settings"}, Data: map[string]string{"k": "1"}},
		&pulumiv1.Program{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "demo"}, Program: pulumiv1.ProgramSpec{
			JSON: apiextensionsv1.JSON{Raw: []byte(`{"outputs":{"answer":42}}`)},
		}},
		&pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "demo"}, Spec: pulumiv1.StackSpec{
			Stack: "dev", ProgramRef: &pulumiv1.ProgramReference{Name: "demo"},
			EnvRefs: map[string]pulumiv1.ResourceRef{"TOKEN": {
				SelectorType: pulumiv1.ResourceRefSecret, SecretRef: &pulumiv1.SecretSelector{Name: "tok", Key: "a"},
			}},
			ConfigRef: map[string]pulumiv1.ConfigMapRef{"k": {Name: "settings", Key: "k"}},
		}},
	)
	stack := &pulumiv1.Stack{}
	underWay := func() *pulumiv1.CurrentUpdate {
		found, update := c.get(stack, "team", "demo"), c.only("team")
		if !found || stack.Status.CurrentUpdate == nil || update == nil || update.Name != stack.Status.CurrentUpdate.Name {
			return nil
		}
		return stack.Status.CurrentUpdate
	}
	eventually(t, "an Update is made", func() bool { return underWay() != nil })
	first := stack.Status.CurrentUpdate
	if names := slices.Sorted(maps.Keys(first.Inputs)); !slices.Equal(names, []string{"ConfigMap/settings", "Secret/tok"}) {
		t.Fatalf("its inputs are %v", names)
	}
	was := first
	for _, object := range []client.Object{
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "tok"}, StringData: map[string]string{"a": "2"}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "settings"}, Data: map[string]string{"k": "2"}},
	} {
		if err := c.Update(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another Update takes its place", func() bool { now := underWay(); return now != nil && now.Name != was.Name })
		if maps.Equal(was.Inputs, stack.Status.CurrentUpdate.Inputs) {
			t.Errorf("%s has the inputs of %s", stack.Status.CurrentUpdate.Name, was.Name)
		}
		was = stack.Status.CurrentUpdate
	}
}
