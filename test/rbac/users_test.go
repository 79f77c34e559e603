package rbac

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/gantry-operator/gantry/test/apiserver"
)

// install makes the roles of a file, and grants each of the ClusterRoles to the user of its name in the namespace team.
func install(t *testing.T, c client.Client, file string) []rbacv1.ClusterRole {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(repository, "config/rbac", file))
	if err != nil {
		t.Fatal(err)
	}
	var all []rbacv1.ClusterRole
	for document := range strings.SplitSeq(string(content), "\n---\n") {
		var role rbacv1.ClusterRole
		if err := yaml.Unmarshal([]byte(document), &role); err != nil {
			t.Fatal(err)
		}
		if role.Kind != "ClusterRole" {
			continue
		}
		binding := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: role.Name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: role.Name}},
		}
		for _, object := range []client.Object{&role, binding} {
			if err := c.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, role)
	}
	return all
}

// may asks the API server who may do what.
func may(t *testing.T, c client.Client, user, verb, group, resource, namespace string) bool {
	t.Helper()
	resource, subresource, _ := strings.Cut(resource, "/")
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user, ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: verb, Group: group, Resource: resource, Subresource: subresource,
		},
	}}
	if err := c.Create(t.Context(), review); err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

// TestWhoMayDoWhat asks a real API server's authorizer.
func TestWhoMayDoWhat(t *testing.T) {
	_, config := apiserver.Start(t, repository)
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}}); err != nil {
		t.Fatal(err)
	}
	roles := install(t, c, "user_roles.yaml")
	install(t, c, "role.yaml")
	reads, writes := []string{"get", "list", "watch"}, []string{"create", "update", "patch", "delete", "deletecollection"}
	kinds := map[string][]string{"pulumi.com": {"stacks", "programs"}, "auto.pulumi.com": {"workspaces", "updates"}}
	for user, verbs := range map[string][]string{
		"gantry-view": reads, "gantry-edit": slices.Concat(reads, writes), "gantry-admin": slices.Concat(reads, writes), "nobody": nil,
	} {
		for group, resources := range kinds {
			for _, resource := range resources {
				for _, verb := range slices.Concat(reads, writes) {
					if got, want := may(t, c, user, verb, group, resource, "team"), slices.Contains(verbs, verb); got != want {
						t.Errorf("%s may %s %s: %t", user, verb, resource, got)
					}
					for _, part := range []string{"status", "finalizers"} {
						if may(t, c, user, verb, group, resource+"/"+part, "team") {
							t.Errorf("%s may %s %s/%s", user, verb, resource, part)
						}
					}
				}
				if may(t, c, user, "get", group, resource, "elsewhere") {
					t.Errorf("%s may see %s of another namespace", user, resource)
				}
			}
		}
		for _, resource := range []string{"secrets", "pods", "serviceaccounts"} {
			if may(t, c, user, "get", "", resource, "team") || may(t, c, user, "create", "", resource+"/exec", "team") {
				t.Errorf("%s is granted %s", user, resource)
			}
		}
		for _, verb := range []string{"escalate", "bind", "impersonate"} {
			if may(t, c, user, verb, "rbac.authorization.k8s.io", "roles", "team") {
				t.Errorf("%s may %s", user, verb)
			}
		}
	}

	t.Log("what is granted to more people is aggregated to the cluster's own roles")
	aggregated := map[string][]string{"gantry-view": {"view", "edit", "admin"}, "gantry-edit": {"edit", "admin"}, "gantry-admin": {"admin"}}
	if len(roles) != len(aggregated) {
		t.Errorf("there are %d roles for users", len(roles))
	}
	for _, role := range roles {
		for _, to := range []string{"view", "edit", "admin"} {
			label := role.Labels["rbac.authorization.k8s.io/aggregate-to-"+to] == "true"
			if label != slices.Contains(aggregated[role.Name], to) {
				t.Errorf("%s is part of %s: %t", role.Name, to, label)
			}
		}
	}

	t.Log("the manager may get a Secret, and not look for one")
	for verb, want := range map[string]bool{"get": true, "create": true, "patch": true, "delete": true, "list": false, "watch": false, "update": false, "deletecollection": false} {
		if got := may(t, c, "gantry-manager", verb, "", "secrets", "team"); got != want {
			t.Errorf("the manager may %s Secrets: %t", verb, got)
		}
	}
}
