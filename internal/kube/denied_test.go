package kube_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gantry-operator/gantry/internal/kube"
)

const account = "system:serviceaccount:gantry-system:gantry-manager"

func TestDenied(t *testing.T) {
	refused := func(resource, name, words string) error {
		return fmt.Errorf("do it: %w", apierrors.NewForbidden(schema.GroupResource{Resource: resource}, name, errors.New(words)))
	}
	cases := map[string]struct {
		err   error
		want  kube.Denial
		words string
	}{
		"Secret": {
			refused("secrets", "tok", `User "`+account+`" cannot get resource "secrets" in API group "" in the namespace "team"`),
			kube.Denial{User: account, Verb: "get", Resource: "secrets", Name: "tok", Namespace: "team"},
			`the manager may not get secrets "tok" in namespace team: grant ServiceAccount gantry-manager of namespace gantry-system the verb "get" on secrets there by a Role or ClusterRole`,
		},
		"WithWhy": {
			refused("pods", "", `User "`+account+`" cannot create resource "pods" in API group "" in the namespace "team": RBAC: clusterrole.rbac.authorization.k8s.io "x" not found`),
			kube.Denial{User: account, Verb: "create", Resource: "pods", Namespace: "team"},
			`the manager may not create pods in namespace team`,
		},
		"Status": {
			refused("stacks", "s", `User "`+account+`" cannot patch resource "stacks/status" in API group "pulumi.com" in the namespace "team"`),
			kube.Denial{User: account, Verb: "patch", Group: "pulumi.com", Resource: "stacks/status", Name: "s", Namespace: "team"},
			`the verb "patch" on stacks/status.pulumi.com there`,
		},
		"Cluster": {
			refused("tokenreviews", "", `User "jane" cannot create resource "tokenreviews" in API group "authentication.k8s.io" at the cluster scope`),
			kube.Denial{User: "jane", Verb: "create", Group: "authentication.k8s.io", Resource: "tokenreviews"},
			`in the whole cluster: grant user "jane" the verb "create" on tokenreviews.authentication.k8s.io there by a ClusterRole`,
		},
		"Quota":    {err: refused("pods", "p", "exceeded quota: small")},
		"NotFound": {err: apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, `User "a" cannot get resource "pods" in API group ""`)},
		"Nothing":  {},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, ok := kube.Denied(tc.err)
			if diff := cmp.Diff(tc.want, got); diff != "" || ok != (tc.words != "") {
				t.Fatalf("%t (-want +got):\n%s", ok, diff)
			}
			if ok && !strings.Contains(got.String(), tc.words) {
				t.Errorf("it says %q, want %q", got, tc.words)
			}
		})
	}
}
