package operator

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

func TestWatchNamespaces(t *testing.T) {
	cases := map[string]struct {
		reason string
		args   []string
		env    map[string]string
		want   []string
		pko    string
		err    string
	}{
		"All":           {reason: "by default", pko: "pulumi-kubernetes-operator"},
		"Some":          {reason: "each once, and PKO is not looked for where nothing may be looked at", args: []string{"--watch-namespaces=b, a,b,"}, want: []string{"a", "b"}},
		"Environment":   {reason: "it wins, as ever", args: []string{"--watch-namespaces=a"}, env: map[string]string{"WATCH_NAMESPACES": "c"}, want: []string{"c"}},
		"PKOIsThere":    {reason: "where PKO is may be one of them", args: []string{"--watch-namespaces=a,pulumi-kubernetes-operator"}, want: []string{"a", "pulumi-kubernetes-operator"}, pko: "pulumi-kubernetes-operator"},
		"PKOIsNamed":    {reason: "who names it has granted the right", args: []string{"--watch-namespaces=a", "--pko-namespace=p"}, want: []string{"a"}, pko: "p"},
		"NoName":        {reason: "a namespace has a name", args: []string{"--watch-namespaces=A_b"}, err: `"A_b" is not the name of a namespace`},
		"Elsewhere":     {reason: "a destroy runs where the manager may look", args: []string{"--watch-namespaces=a", "--destroy-namespace=d"}, err: `"d" has to be one of --watch-namespaces`},
		"ElsewhereToo":  {reason: "as here", args: []string{"--watch-namespaces=a,d", "--destroy-namespace=d"}, want: []string{"a", "d"}},
		"ElsewhereMore": {reason: "and everywhere is anywhere", args: []string{"--destroy-namespace=d"}, pko: "pulumi-kubernetes-operator"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o, err := parse(tc.args, tc.env)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("%s: error %v, want %q", tc.reason, err, tc.err)
				}
				return
			}
			if err != nil || !slices.Equal(o.WatchNamespaces, tc.want) || o.PKONamespace != tc.pko {
				t.Errorf("%s: %q, PKO in %q, error %v", tc.reason, o.WatchNamespaces, o.PKONamespace, err)
			}
		})
	}
}

// onlyIn takes the manager's rights in the whole cluster away, but for reviews, and gives it the rest in some namespaces, as the
// chart does.
func (c *cluster) onlyIn(namespaces ...string) {
	c.t.Helper()
	role := &rbacv1.ClusterRole{}
	if !c.get(role, "", "gantry-manager") {
		c.t.Fatal("there is no role of the manager")
	}
	isReview := func(rule rbacv1.PolicyRule) bool {
		return slices.Contains([]string{"authentication.k8s.io", "authorization.k8s.io"}, rule.APIGroups[0])
	}
	within := slices.DeleteFunc(slices.Clone(role.Rules), isReview)
	role.Rules = slices.DeleteFunc(role.Rules, func(rule rbacv1.PolicyRule) bool { return !isReview(rule) })
	if err := c.Update(c.t.Context(), role); err != nil {
		c.t.Fatal(err)
	}
	for _, namespace := range namespaces {
		meta := metav1.ObjectMeta{Namespace: namespace, Name: "gantry-manager-stacks"}
		c.create(&rbacv1.Role{ObjectMeta: meta, Rules: within}, &rbacv1.RoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "gantry-system", Name: "gantry-manager"}},
		})
	}
}

// TestOnlySomeNamespaces runs a manager without a right in the whole cluster but reviews. That start's cleanup finds no right
// missing in its log is part of the test.
func TestOnlySomeNamespaces(t *testing.T) {
	c := startCluster(t)
	for _, name := range []string{"team", "other", "bare"} {
		c.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "default"}})
	}
	c.onlyIn("team")
	for _, namespace := range []string{"other", "team"} {
		c.create(
			&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "tok"}, StringData: map[string]string{"a": "1"}},
			&pulumiv1.Program{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "demo"}, Program: pulumiv1.ProgramSpec{
				JSON: apiextensionsv1.JSON{Raw: []byte(`{"outputs":{"answer":42}}`)},
			}},
			&pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "demo"}, Spec: pulumiv1.StackSpec{
				Stack: "dev", ProgramRef: &pulumiv1.ProgramReference{Name: "demo"}, DestroyOnFinalize: true,
				EnvRefs: map[string]pulumiv1.ResourceRef{"TOKEN": {
					SelectorType: pulumiv1.ResourceRefSecret, SecretRef: &pulumiv1.SecretSelector{Name: "tok", Key: "a"},
				}},
			}},
		)
	}
	r := c.start("some", "--watch-namespaces=bare,gone,team")
	stack := &pulumiv1.Stack{}
	eventually(t, "an Update is made in the namespace that is watched", func() bool {
		return c.get(stack, "team", "demo") && stack.Status.CurrentUpdate != nil && c.only("team") != nil
	})
	eventually(t, "its pod is made", func() bool { return c.get(&corev1.Pod{}, "team", "demo-workspace-0") })
	for _, namespace := range []string{"bare", "gone"} {
		if text := `"namespace":"` + namespace + `"`; !strings.Contains(r.said(), "is left alone") || !strings.Contains(strings.ReplaceAll(r.said(), " ", ""), text) {
			t.Errorf("the log does not say that namespace %s is left alone", namespace)
		}
	}
	if found := c.get(stack, "other", "demo"); !found || len(stack.Finalizers) > 0 || len(stack.Status.Conditions) > 0 {
		t.Errorf("the Stack of the other namespace has %v and %+v", stack.Finalizers, stack.Status)
	}

	t.Log("a namespace that is being deleted is told by a role in that namespace alone")
	c.create(&pulumiv1.Stack{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "old", Finalizers: []string{pulumiv1.Finalizer}},
		Spec: pulumiv1.StackSpec{
			Stack: "old", ProgramRef: &pulumiv1.ProgramReference{Name: "demo"}, DestroyOnFinalize: true,
			Prerequisites: []pulumiv1.PrerequisiteRef{{Name: "never"}},
		},
	})
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}}, &pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "old"}},
	} {
		if err := c.Delete(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the Stack says that its namespace is being deleted", func() bool {
		return c.get(stack, "team", "old") && slices.ContainsFunc(stack.Status.Conditions, func(condition metav1.Condition) bool {
			return condition.Status == metav1.ConditionTrue && condition.Reason == pulumiv1.ReasonNamespaceTerminating
		})
	})
}
