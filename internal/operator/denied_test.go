package operator

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// without takes a right from the manager's role, and answers what gives it back.
func (c *cluster) without(verb, resource string) (restore func()) {
	c.t.Helper()
	role := &rbacv1.ClusterRole{}
	if !c.get(role, "", "gantry-manager") {
		c.t.Fatal("there is no role of the manager")
	}
	before := role.DeepCopy().Rules
	for i := range role.Rules {
		if slices.Contains(role.Rules[i].Resources, resource) {
			role.Rules[i].Verbs = slices.DeleteFunc(role.Rules[i].Verbs, func(v string) bool { return v == verb })
		}
	}
	if err := c.Update(c.t.Context(), role); err != nil {
		c.t.Fatal(err)
	}
	return func() {
		c.get(role, "", "gantry-manager")
		role.Rules = before
		if err := c.Update(c.t.Context(), role); err != nil {
			c.t.Fatal(err)
		}
	}
}

// TestMissingPermissionIsNamed takes rights away at a real API server: the object that needs one says which.
func TestMissingPermissionIsNamed(t *testing.T) {
	c := startCluster(t)
	c.create(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "default"}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "tok"}, StringData: map[string]string{"a": "1"}},
		&pulumiv1.Program{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "demo"}, Program: pulumiv1.ProgramSpec{
			JSON: apiextensionsv1.JSON{Raw: []byte(`{"outputs":{"answer":42}}`)},
		}},
	)
	mayCreatePods, mayGetSecrets := c.without("create", "pods"), c.without("get", "secrets")
	c.start("denied")
	stack := &pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "demo"}, Spec: pulumiv1.StackSpec{
		Stack: "dev", ProgramRef: &pulumiv1.ProgramReference{Name: "demo"},
		EnvRefs: map[string]pulumiv1.ResourceRef{"TOKEN": {
			SelectorType: pulumiv1.ResourceRefSecret, SecretRef: &pulumiv1.SecretSelector{Name: "tok", Key: "a"},
		}},
	}}
	c.create(stack)
	says := func(all []metav1.Condition, parts ...string) bool {
		found := meta.FindStatusCondition(all, autov1alpha1.ConditionTypeReconciling)
		return found != nil && found.Status == metav1.ConditionTrue && !slices.ContainsFunc(parts, func(part string) bool {
			return !strings.Contains(found.Reason+" "+found.Message, part)
		})
	}
	eventually(t, "the Stack says what may not be read", func() bool {
		return c.get(stack, "team", "demo") && says(stack.Status.Conditions, pulumiv1.ReasonPermissionMissing,
			`may not get secrets "tok" in namespace team`, "ServiceAccount gantry-manager of namespace gantry-system")
	})
	mayGetSecrets()
	stack.Spec.Refresh = true // somebody touches it, so that the test need not wait a minute
	if err := c.Update(t.Context(), stack); err != nil {
		t.Fatal(err)
	}
	workspace := &autov1alpha1.Workspace{}
	eventually(t, "the Workspace says that its pod may not be made", func() bool {
		return c.get(workspace, "team", "demo") && says(workspace.Status.Conditions, "PermissionMissing", "may not create pods in namespace team")
	})
	eventually(t, "the Stack says so too", func() bool {
		return c.get(stack, "team", "demo") && says(stack.Status.Conditions, "may not create pods in namespace team")
	})
	mayCreatePods()
	eventually(t, "the pod is made when the right is there", func() bool {
		return c.get(&corev1.Pod{}, "team", autov1alpha1.PodName("demo"))
	})
}
