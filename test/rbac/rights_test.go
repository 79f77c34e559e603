package rbac

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

const (
	repository = "../.."
	// own is the manager's namespace.
	own = "gantry-system"
)

// right is one verb on one resource. It is granted in one namespace, or everywhere, and on one object, or on all.
type right struct{ namespace, group, resource, name, verb string }

// String is a right as a test's message and a list of exceptions have it.
func (r right) String() string {
	text := r.verb + " " + r.resource
	if r.group != "" {
		text += "." + r.group
	}
	if r.name != "" {
		text += " " + r.name
	}
	if r.namespace != "" {
		text += " in " + r.namespace
	}
	return text
}

// covers tells whether a right allows a request.
func (r right) covers(q request) bool {
	return r.verb == q.Verb && r.group == q.ObjectRef.APIGroup && r.resource == q.resource() &&
		(r.namespace == "" || r.namespace == q.ObjectRef.Namespace) && (r.name == "" || r.name == q.ObjectRef.Name)
}

// rightsOf takes a rule apart.
func rightsOf(namespace string, rules []rbacv1.PolicyRule) []right {
	var all []right
	for _, rule := range rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, name := range names {
					for _, verb := range rule.Verbs {
						all = append(all, right{namespace, group, resource, name, verb})
					}
				}
			}
		}
	}
	return all
}

// granted is what the manager is granted as it is shipped.
func granted(t *testing.T) []right {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(repository, "config/rbac/role.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var all []right
	for document := range strings.SplitSeq(string(content), "\n---\n") {
		var role rbacv1.Role
		if err := yaml.UnmarshalStrict([]byte(document), &role); err != nil {
			t.Fatal(err)
		}
		all = append(all, rightsOf(role.Namespace, role.Rules)...)
	}
	return all
}

// compare finds what is wrong between rights and requests. excused are rights that no request shows, with the reason.
func compare(rights []right, requests []request, excused map[string]string) []string {
	var wrong []string
	used, seen := map[right]bool{}, map[string]bool{}
	say := func(what string) {
		if !seen[what] {
			wrong = append(wrong, what)
		}
		seen[what] = true
	}
	for _, q := range requests {
		// What is granted is refused only while the roles are taken away from a manager that still runs, as at the end of
		// an installation.
		if q.denied() && !slices.ContainsFunc(rights, func(r right) bool { return r.covers(q) }) {
			say(fmt.Sprintf("a right is missing: %s %s.%s in %q", q.Verb, q.resource(), q.ObjectRef.APIGroup, q.ObjectRef.Namespace))
		}
		if q.pries() {
			say(fmt.Sprintf("more than one named object is asked for: %s %s", q.Verb, q.RequestURI))
		}
		// What is allowed in the manager's namespace anyway is no use of what is granted everywhere.
		near := slices.IndexFunc(rights, func(r right) bool { return r.namespace != "" && r.covers(q) })
		if near < 0 {
			near = slices.IndexFunc(rights, func(r right) bool { return r.covers(q) })
		}
		if near >= 0 {
			used[rights[near]] = true
		}
	}
	known := map[string]bool{}
	for _, r := range rights {
		text := r.String()
		known[text] = true
		if !used[r] && excused[text] == "" {
			say("nobody used it: " + text)
		}
	}
	for _, text := range slices.Sorted(maps.Keys(excused)) {
		if !known[text] {
			say("it is excused and not granted: " + text)
		}
	}
	return wrong
}

// excuses are the rights that not every run of the stories shows, why they are granted, and what else proves it.
func excuses() map[string]string {
	const (
		owners = "asked for by the admission plugin OwnerReferencesPermissionEnforcement alone, where a cluster has that"
		charts = "the stories have no such source: test/flux follows one at a real API server"
	)
	return map[string]string{
		"update stacks/finalizers.pulumi.com":          owners,
		"update workspaces/finalizers.auto.pulumi.com": owners,
		// The API server asks whether a server-side apply may create, and has it in the log as a patch.
		"create workspaces.auto.pulumi.com":                "an apply that makes the object needs it",
		"delete secrets":                                   "the fourth snapshot, and a kubeconfig that is named no more: internal/controller/update TestOnlyTheNewestSnapshotsAreKept",
		"patch secrets in " + own:                          "certificates are renewed after months: internal/certificate",
		"create subjectaccessreviews.authorization.k8s.io": "asked for when somebody reads metrics: internal/operator TestManagers",
		"get helmcharts.source.toolkit.fluxcd.io":          charts,
		"list helmcharts.source.toolkit.fluxcd.io":         charts,
		"watch helmcharts.source.toolkit.fluxcd.io":        charts,
	}
}

// TestEveryRightIsUsed is for after the stories of the cluster: `make test` tells them all, and then runs this.
func TestEveryRightIsUsed(t *testing.T) {
	folder := os.Getenv("GANTRY_AUDIT")
	if folder == "" {
		t.Skip("SKIPPED: no audit log. Run `make e2e`, then `make rbac`.")
	}
	requests := readLog(t, folder)
	if len(requests) == 0 {
		t.Fatal("the manager asked for nothing")
	}
	t.Logf("%d requests since the cluster was started", len(requests))
	for _, wrong := range compare(granted(t), requests, excuses()) {
		t.Error(wrong)
	}
}

func TestCompare(t *testing.T) {
	rights := []right{
		{"", "", "secrets", "", "get"}, {"", "", "configmaps", "", "watch"}, {own, "", "secrets", "", "get"},
		{"", "pulumi.com", "stacks/status", "", "patch"}, {"", "coordination.k8s.io", "leases", "l", "get"},
	}
	all := func() []request {
		return []request{
			asked("get", "/api/v1/namespaces/team/secrets/s", "", "secrets", "", "team", "s"),
			asked("watch", "/api/v1/namespaces/team/configmaps?fieldSelector=metadata.name%3Dc&watch=true", "", "configmaps", "", "team", "c"),
			asked("get", "/api/v1/namespaces/gantry-system/secrets/s", "", "secrets", "", own, "s"),
			asked("patch", "/apis/pulumi.com/v1/namespaces/team/stacks/s/status", "pulumi.com", "stacks", "status", "team", "s"),
			asked("get", "/l", "coordination.k8s.io", "leases", "", "pko", "l"),
		}
	}
	forbidden := asked("list", "/api/v1/namespaces/team/pods", "", "pods", "", "team", "")
	forbidden.Annotations = map[string]string{"authorization.k8s.io/decision": "forbid"}
	leaving := asked("get", "/l", "coordination.k8s.io", "leases", "", "pko", "l")
	leaving.Annotations = forbidden.Annotations
	quota := asked("get", "/api/v1/namespaces/team/secrets/s", "", "secrets", "", "team", "s")
	quota.Annotations = map[string]string{"authorization.k8s.io/decision": "allow"}
	cases := map[string]struct {
		requests []request
		rights   []right
		excused  map[string]string
		want     []string
	}{
		"Equal":           {all(), rights, nil, nil},
		"OneTooMany":      {all()[1:], rights, nil, []string{"nobody used it: get secrets"}},
		"OneTooFew":       {append(all(), forbidden), rights, nil, []string{`a right is missing: list pods. in "team"`}},
		"ToldOnce":        {append(all(), forbidden, forbidden), rights, nil, []string{`a right is missing: list pods. in "team"`}},
		"Uninstalled":     {append(all(), leaving), rights, nil, nil},
		"RefusedByQuota":  {append(all(), quota), rights, nil, nil},
		"OnlyInItsOwn":    {slices.Delete(all(), 0, 1), rights, nil, []string{"nobody used it: get secrets"}},
		"OnlyElsewhere":   {slices.Delete(all(), 2, 3), rights, nil, []string{"nobody used it: get secrets in gantry-system"}},
		"AnotherLease":    {slices.Replace(all(), 4, 5, asked("get", "/l", "coordination.k8s.io", "leases", "", "pko", "other")), rights, nil, []string{"nobody used it: get leases.coordination.k8s.io l"}},
		"WithoutStatus":   {slices.Replace(all(), 3, 4, asked("patch", "/s", "pulumi.com", "stacks", "", "team", "s")), rights, nil, []string{"nobody used it: patch stacks/status.pulumi.com"}},
		"Excused":         {all(), append(slices.Clone(rights), right{verb: "update", resource: "x"}), map[string]string{"update x": "why"}, nil},
		"ExcuseTooMany":   {all(), rights, map[string]string{"get secrets": "why", "update x": "why"}, []string{"it is excused and not granted: update x"}},
		"ListOfSecrets":   {append(all(), asked("list", "/api/v1/secrets", "", "secrets", "", "", "")), rights, nil, []string{"more than one named object is asked for: list /api/v1/secrets"}},
		"ListOfOne":       {append(all(), asked("list", "/api/v1/namespaces/a/secrets?fieldSelector=metadata.name%3Ds", "", "secrets", "", "a", "s")), rights, nil, []string{"more than one named object is asked for: list /api/v1/namespaces/a/secrets?fieldSelector=metadata.name%3Ds"}},
		"WatchOfAllMaps":  {append(all(), asked("watch", "/api/v1/configmaps?watch=true", "", "configmaps", "", "", "")), rights, nil, []string{"more than one named object is asked for: watch /api/v1/configmaps?watch=true"}},
		"WatchByLabel":    {append(all(), asked("watch", "/api/v1/configmaps?fieldSelector=type%3Dx", "", "configmaps", "", "", "")), rights, nil, []string{"more than one named object is asked for: watch /api/v1/configmaps?fieldSelector=type%3Dx"}},
		"AnothersSecrets": {append(all(), asked("list", "/apis/x/secrets", "x", "secrets", "", "", "")), rights, nil, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, compare(tc.rights, tc.requests, tc.excused)); diff != "" {
				t.Errorf("what is wrong (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNoRightToLookForSecrets: not even a role of its own namespace lets the manager find Secrets that it cannot name.
func TestNoRightToLookForSecrets(t *testing.T) {
	for _, r := range granted(t) {
		if r.verb == "*" || r.resource == "*" || r.group == "*" {
			t.Errorf("a right without a bound: %s", r)
		}
		if r.resource == "secrets" && !slices.Contains([]string{"get", "create", "patch", "delete"}, r.verb) {
			t.Errorf("the manager may %s", r)
		}
	}
}

func asked(verb, uri, group, resource, subresource, namespace, name string) request {
	r := request{Verb: verb, RequestURI: uri}
	r.ObjectRef.APIGroup, r.ObjectRef.Resource, r.ObjectRef.Subresource = group, resource, subresource
	r.ObjectRef.Namespace, r.ObjectRef.Name = namespace, name
	return r
}
