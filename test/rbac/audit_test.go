package rbac

import (
	"bufio"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// request is what the API server's audit log has of one.
type request struct {
	Verb, RequestURI string
	ObjectRef        struct{ APIGroup, Resource, Subresource, Namespace, Name string }
	Annotations      map[string]string
}

// denied tells a request that the roles do not allow from one that something else refuses, such as a quota.
func (r request) denied() bool { return r.Annotations["authorization.k8s.io/decision"] == "forbid" }

// resource is the resource as a rule names it.
func (r request) resource() string {
	if r.ObjectRef.Subresource == "" {
		return r.ObjectRef.Resource
	}
	return r.ObjectRef.Resource + "/" + r.ObjectRef.Subresource
}

// byName tells whether a request is for one object that is named.
func (r request) byName() bool {
	if r.Verb != "list" && r.Verb != "watch" && r.Verb != "deletecollection" {
		return r.ObjectRef.Name != "" || r.Verb == "create"
	}
	parsed, err := url.Parse(r.RequestURI)
	if err != nil {
		return false
	}
	selector := parsed.Query().Get("fieldSelector")
	return strings.HasPrefix(selector, "metadata.name=") && !strings.Contains(selector, ",")
}

// pries tells whether a request is for more of Secrets and ConfigMaps than one that is named. Secrets are not even listed by
// their names: the roles do not allow it.
func (r request) pries() bool {
	switch {
	case r.ObjectRef.APIGroup != "":
		return false
	case r.ObjectRef.Resource == "secrets":
		return !r.byName() || r.Verb == "list" || r.Verb == "watch"
	default:
		return r.ObjectRef.Resource == "configmaps" && !r.byName()
	}
}

// readLog reads the audit log of a folder, with what was rotated.
func readLog(t *testing.T, folder string) []request {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "audit*.log"))
	if err != nil || len(names) == 0 {
		t.Fatalf("there is no audit log in %s (error %v): the cluster is from before it had one. Run `make cluster-down`, and `make e2e` again", folder, err)
	}
	var all []request
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var r request
			if json.Unmarshal(lines.Bytes(), &r) == nil && r.ObjectRef.Resource != "" {
				all = append(all, r)
			}
		}
		file.Close()
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}
