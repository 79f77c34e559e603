package flux

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/test/apiserver"
)

const group = "source.toolkit.fluxcd.io"

// watches are those that a client has open, by path and selector.
type watches struct {
	next http.RoundTripper

	mu   sync.Mutex
	open map[string]int
	gets int
}

func (w *watches) RoundTrip(request *http.Request) (*http.Response, error) {
	query := request.URL.Query()
	of := request.URL.Path + " " + query.Get("fieldSelector")
	isWatch := query.Get("watch") != ""
	if strings.Contains(request.URL.Path, "/namespaces/") && query.Get("fieldSelector") == "" {
		w.mu.Lock()
		w.gets++
		w.mu.Unlock()
	}
	response, err := w.next.RoundTrip(request)
	if !isWatch || err != nil || response.StatusCode != http.StatusOK {
		return response, err
	}
	w.mu.Lock()
	w.open[of]++
	w.mu.Unlock()
	response.Body = &body{ReadCloser: response.Body, closed: sync.OnceFunc(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.open[of]--; w.open[of] == 0 {
			delete(w.open, of)
		}
	})}
	return response, nil
}

type body struct {
	io.ReadCloser
	closed func()
}

func (b *body) Close() error {
	b.closed()
	return b.ReadCloser.Close()
}

// scene are Sources that run against an API server, as a user who may look at two kinds in the namespace ns.
type scene struct {
	t       *testing.T
	admin   client.Client
	sources *Sources
	watches *watches
	woken   chan types.NamespacedName
	stop    func()
}

func newScene(t *testing.T) *scene {
	t.Helper()
	server, config := apiserver.Start(t, "../../..")
	kinds := runtime.NewScheme()
	must(t, scheme.AddToScheme(kinds))
	must(t, apiextensionsv1.AddToScheme(kinds))
	admin, err := client.New(config, client.Options{Scheme: kinds})
	must(t, err)
	user, err := server.AddUser(envtest.User{Name: "manager"}, nil)
	must(t, err)
	s := &scene{t: t, admin: admin, watches: &watches{open: map[string]int{}}, woken: make(chan types.NamespacedName, 100)}
	s.create(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ns"}},
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "manager"}, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{group}, Resources: []string{"gitrepositories", "buckets"}, Verbs: []string{"get", "list", "watch"}},
			{APIGroups: []string{group}, Resources: []string{"helmcharts"}, Verbs: []string{"get"}},
		}},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "manager"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "manager"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "manager"}},
		},
	)
	own := rest.CopyConfig(user.Config())
	own.QPS = -1
	own.Wrap(func(next http.RoundTripper) http.RoundTripper { s.watches.next = next; return s.watches })
	httpClient, err := rest.HTTPClientFor(own)
	must(t, err)
	mapper, err := apiutil.NewDynamicRESTMapper(own, httpClient)
	must(t, err)
	all, err := dynamic.NewForConfigAndClient(own, httpClient)
	must(t, err)
	s.sources = NewSources(all, mapper)
	s.sources.Notify("Stack", func(stack types.NamespacedName) { s.woken <- stack })
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.sources.Start(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			must(t, err)
		case <-time.After(patience):
			t.Error("the watches do not end")
		}
	})
	t.Cleanup(s.stop)
	return s
}

func (s *scene) create(objects ...client.Object) {
	s.t.Helper()
	for _, object := range objects {
		must(s.t, s.admin.Create(s.t.Context(), object))
	}
}

// install installs a kind that has a status, and waits until it is served.
func (s *scene) install(kind, plural string, scope apiextensionsv1.ResourceScope) *apiextensionsv1.CustomResourceDefinition {
	s.t.Helper()
	anything := &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: new(true)}
	crd := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: plural + "." + group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: group, Scope: scope,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Kind: kind, ListKind: kind + "List", Plural: plural, Singular: strings.ToLower(kind)},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true, Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: anything},
			}},
		},
	}
	s.create(crd)
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind + "List"})
	s.eventually(kind+" to be served", func() bool { return s.admin.List(s.t.Context(), list) == nil })
	return crd
}

func (s *scene) eventually(what string, done func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// source makes an object that is a source.
func (s *scene) source(kind, name string) *unstructured.Unstructured {
	s.t.Helper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind})
	object.SetNamespace("ns")
	object.SetName(name)
	s.create(object)
	return object
}

// serve gives a source an artifact, as its controller does: with a time that changes whenever it looks.
func (s *scene) serve(object *unstructured.Unstructured, revision, at string) {
	s.t.Helper()
	object.Object["status"] = map[string]any{
		"conditions": []any{map[string]any{"type": "Ready", "status": "True", "reason": "Succeeded", "message": "at " + at}},
		"artifact":   map[string]any{"url": "http://h/" + revision, "digest": "sha256:" + sha256Hex, "revision": revision, "lastUpdateTime": at},
	}
	must(s.t, s.admin.Status().Update(s.t.Context(), object))
}

func reference(kind, name string) Reference {
	return Reference{schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind}, types.NamespacedName{Namespace: "ns", Name: name}}
}

// revision is what a consumer is told of a source; the text of a failure to wait for.
func (s *scene) revision(name string, ref Reference) string {
	s.t.Helper()
	object, err := s.sources.Get(s.t.Context(), consumer(name), ref)
	if err == nil {
		var a Artifact
		if a, err = ArtifactOf(object); err == nil {
			return a.Revision
		}
	}
	if waiting, ok := failure.AsWaiting(err); !ok || (waiting.Reason != pulumiv1.ReasonSourceUnavailable && waiting.Reason != pulumiv1.ReasonPermissionMissing) {
		s.t.Fatalf("got %v, want to wait for the source", err)
	}
	return err.Error()
}

func (s *scene) says(name string, ref Reference, words string) {
	s.t.Helper()
	if got := s.revision(name, ref); !strings.Contains(got, words) {
		s.t.Fatalf("%s is told %q, want %q", name, got, words)
	}
}

// wakes waits until these are woken.
func (s *scene) wakes(names ...string) {
	s.t.Helper()
	left := map[string]bool{}
	for _, name := range names {
		left[name] = true
	}
	for len(left) > 0 {
		select {
		case name := <-s.woken:
			delete(left, name.Name)
		case <-time.After(patience):
			s.t.Fatalf("not woken: %v", left)
		}
	}
}

// watching waits until there are these watches and no others.
func (s *scene) watching(want ...string) {
	s.t.Helper()
	expected := map[string]int{}
	for _, of := range want {
		expected[fmt.Sprintf("/apis/%s/v1/namespaces/ns/%s", group, of)] = 1
	}
	diff := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		s.watches.mu.Lock()
		diff = cmp.Diff(expected, s.watches.open)
		s.watches.mu.Unlock()
		if diff == "" {
			return
		}
	}
	s.t.Fatalf("watches (-want +got):\n%s", diff)
}

const (
	watchOfDemo  = "gitrepositories metadata.name=demo"
	watchOfOther = "buckets metadata.name=other"
)

func TestSources(t *testing.T) {
	s := newScene(t)

	t.Log("a kind that is not installed is waited for")
	demo := reference("GitRepository", "demo")
	s.says("one", demo, "kind GitRepository of source.toolkit.fluxcd.io/v1, which spec.fluxSource.sourceRef names, is not installed")
	s.watching()

	t.Log("and found when it is")
	crd := s.install("GitRepository", "gitrepositories", apiextensionsv1.NamespaceScoped)
	s.eventually("the kind to be known", func() bool { return strings.Contains(s.revision("one", demo), "is not there") })
	s.says("one", demo, `GitRepository "demo" is not there: create it in namespace "ns"`)
	s.watching(watchOfDemo)

	t.Log("so is another version of a kind that is")
	old := demo
	old.Version = "v1beta2"
	s.says("old", old, "kind GitRepository of source.toolkit.fluxcd.io/v1beta2")

	t.Log("an object that is made, and gets an artifact, wakes who asked")
	object := s.source("GitRepository", "demo")
	s.wakes("one")
	s.says("one", demo, "no artifact yet")
	s.says("two", demo, "no artifact yet")
	s.serve(object, "main@a", "2026-11-22T01:00:00Z")
	s.wakes("one", "two")
	s.says("one", demo, "main@a")
	s.watching(watchOfDemo)

	t.Log("what changes nothing wakes nobody, and what is watched is not read")
	s.watches.mu.Lock()
	gets := s.watches.gets
	s.watches.mu.Unlock()
	s.serve(object, "main@a", "2026-11-22T02:00:00Z")
	s.serve(object, "main@b", "2026-11-22T03:00:00Z")
	s.wakes("one", "two")
	s.says("one", demo, "main@b")
	if len(s.woken) > 0 {
		t.Errorf("%d were woken for a change that is none", len(s.woken))
	}
	s.watches.mu.Lock()
	if s.watches.gets != gets {
		t.Errorf("%d reads of what is watched", s.watches.gets-gets)
	}
	s.watches.mu.Unlock()

	t.Log("each kind is watched from the first who names it to the last")
	s.install("Bucket", "buckets", apiextensionsv1.NamespaceScoped)
	other := reference("Bucket", "other")
	s.eventually("the kind to be known", func() bool { return strings.Contains(s.revision("two", other), "is not there") })
	s.watching(watchOfDemo, watchOfOther)
	s.sources.Forget(consumer("one"))
	s.watching(watchOfOther)
	s.sources.Forget(consumer("two"))
	s.sources.Forget(consumer("old"))
	s.watching()
	if len(s.sources.objects)+len(s.sources.held) != 0 {
		t.Errorf("of nobody %d objects are remembered, %d consumers", len(s.sources.objects), len(s.sources.held))
	}

	t.Log("a source that is deleted is waited for, and so is its kind")
	s.says("one", demo, "main@b")
	s.watching(watchOfDemo)
	must(t, s.admin.Delete(t.Context(), object))
	s.wakes("one")
	s.says("one", demo, "is not there")
	must(t, s.admin.Delete(t.Context(), crd))
	s.eventually("the kind to be gone", func() bool { return strings.Contains(s.revision("one", demo), "not installed") })
	for len(s.woken) > 0 {
		<-s.woken
	}
	s.install("GitRepository", "gitrepositories", apiextensionsv1.NamespaceScoped)
	s.serve(s.source("GitRepository", "demo"), "main@c", "2026-11-22T04:00:00Z")
	s.eventually("the source to be back", func() bool { return s.revision("one", demo) == "main@c" })
	s.watching(watchOfDemo)

	t.Log("the end ends the watches")
	s.stop()
	s.watching()
}

func TestSourcesThatMayNotBeSeen(t *testing.T) {
	s := newScene(t)
	s.install("OCIRepository", "ocirepositories", apiextensionsv1.NamespaceScoped)
	s.install("HelmChart", "helmcharts", apiextensionsv1.NamespaceScoped)
	s.install("ClusterSource", "clustersources", apiextensionsv1.ClusterScoped)

	t.Log("of one that may not be read the verb and the resource are named")
	hidden := reference("OCIRepository", "hidden")
	s.eventually("the kind to be known", func() bool { return !strings.Contains(s.revision("one", hidden), "not installed") })
	_, err := s.sources.Get(t.Context(), consumer("one"), hidden)
	if waiting, ok := failure.AsWaiting(err); !ok || waiting.Reason != pulumiv1.ReasonPermissionMissing || !strings.Contains(err.Error(), `ocirepositories.source.toolkit.fluxcd.io "hidden" in namespace ns: grant user "manager" the verb "`) {
		t.Errorf("got %v, want PermissionMissing", err)
	}

	t.Log("of one that may be read and not watched too")
	chart := reference("HelmChart", "chart")
	s.serve(s.source("HelmChart", "chart"), "1.0", "2026-11-22T01:00:00Z")
	s.eventually("the refusal of the watch", func() bool {
		return strings.Contains(s.revision("two", chart), `may not list helmcharts.source.toolkit.fluxcd.io`)
	})
	s.wakes("two")

	t.Log("a grant heals it")
	role := &rbacv1.Role{}
	must(t, s.admin.Get(t.Context(), types.NamespacedName{Namespace: "ns", Name: "manager"}, role))
	role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{"helmcharts"}, Verbs: []string{"list", "watch"}})
	must(t, s.admin.Update(t.Context(), role))
	s.wakes("two")
	s.eventually("the source to be seen", func() bool { return s.revision("two", chart) == "1.0" })

	t.Log("a kind without namespaces is no source")
	_, err = s.sources.Get(t.Context(), consumer("three"), reference("ClusterSource", "demo"))
	if terminal, ok := failure.AsTerminal(err); !ok || terminal.Reason != pulumiv1.ReasonSpecInvalid {
		t.Errorf("got %v, want SpecInvalid", err)
	}
}
