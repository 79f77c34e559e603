package references

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/gantry-operator/gantry/internal/pod"
	"github.com/gantry-operator/gantry/test/apiserver"
)

// patience is how long a test waits for what has to come; it is only used up by a failing test.
const patience = 30 * time.Second

// traffic is what a client asked of the API server.
type traffic struct {
	next http.RoundTripper

	mu sync.Mutex
	// reads counts the requests for whole objects.
	reads int
	// looks counts the requests for the metadata of one object by its name.
	looks int
	// watches has the watches that are open, by path and selector.
	watches map[string]int
	// odd are the requests that ask for more than one object.
	odd []string
}

func (r *traffic) RoundTrip(request *http.Request) (*http.Response, error) {
	query, of := request.URL.Query(), request.URL.Path
	named := strings.HasPrefix(query.Get("fieldSelector"), "metadata.name=")
	isWatch := query.Get("watch") != ""
	r.mu.Lock()
	switch {
	case isWatch && named:
		of += " " + query.Get("fieldSelector")
		r.watches[of]++
	case strings.HasSuffix(of, "/secrets") || strings.HasSuffix(of, "/configmaps"):
		if !named || !strings.Contains(request.Header.Get("Accept"), "PartialObjectMetadata") {
			r.odd = append(r.odd, request.URL.String())
		}
	case strings.Contains(request.Header.Get("Accept"), "PartialObjectMetadata"):
		r.looks++
	case strings.Contains(of, "/secrets/") || strings.Contains(of, "/configmaps/"):
		r.reads++
	}
	r.mu.Unlock()
	response, err := r.next.RoundTrip(request)
	if !isWatch {
		return response, err
	}
	closed := func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.watches[of]--; r.watches[of] == 0 {
			delete(r.watches, of)
		}
	}
	if err != nil {
		closed()
		return nil, err
	}
	response.Body = &body{ReadCloser: response.Body, closed: sync.OnceFunc(closed)}
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

// setting is a tracker that runs against an API server, as a user who may do nothing but look at the Secret tok and the
// ConfigMap c of the namespace ns.
type setting struct {
	t       *testing.T
	admin   client.Client
	tracker *Tracker
	traffic *traffic
	clock   *testingclock.FakeClock
	woken   chan types.NamespacedName
	stop    func()
}

// newSetting grants these verbs on the Secret, and says whether the tracker believes that it may watch Secrets.
func newSetting(t *testing.T, mayWatch bool, verbs ...string) *setting {
	t.Helper()
	server, config := apiserver.Start(t, "../..")
	admin, err := client.New(config, client.Options{})
	must(t, err)
	user, err := server.AddUser(envtest.User{Name: "tracker"}, nil)
	must(t, err)
	s := &setting{t: t, admin: admin, traffic: &traffic{watches: map[string]int{}}, woken: make(chan types.NamespacedName, 100), clock: testingclock.NewFakeClock(time.Now())}
	s.create(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ns"}},
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "tracker"}, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"tok"}, Verbs: verbs},
			{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{"c"}, Verbs: []string{"get", "list", "watch"}},
		}},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "tracker"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "tracker"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "tracker"}},
		},
	)
	own := rest.CopyConfig(user.Config())
	own.QPS = -1
	own.Wrap(func(next http.RoundTripper) http.RoundTripper { s.traffic.next = next; return s.traffic })
	httpClient, err := rest.HTTPClientFor(own)
	must(t, err)
	live, err := client.New(own, client.Options{HTTPClient: httpClient})
	must(t, err)
	all, err := metadata.NewForConfigAndClient(own, httpClient)
	must(t, err)
	s.tracker = New(live, all, []byte("key"), s.clock, func(context.Context, string) bool { return mayWatch })
	s.tracker.Notify(func(stack types.NamespacedName) { s.woken <- stack })
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.tracker.Start(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			must(t, err)
		case <-time.After(patience):
			t.Error("the tracker does not end")
		}
	})
	t.Cleanup(s.stop)
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *setting) create(objects ...client.Object) {
	s.t.Helper()
	for _, object := range objects {
		must(s.t, s.admin.Create(s.t.Context(), object))
	}
}

// createSecret makes a Secret and waits until the API server's cache has it too, from which watches begin.
func (s *setting) createSecret(secret *corev1.Secret) {
	s.t.Helper()
	s.create(secret)
	list, cached := &corev1.SecretList{}, &client.ListOptions{Namespace: secret.Namespace, Raw: &metav1.ListOptions{ResourceVersion: "0"}}
	for deadline := time.Now().Add(patience); len(list.Items) == 0; time.Sleep(10 * time.Millisecond) {
		must(s.t, s.admin.List(s.t.Context(), list, cached))
		if time.Now().After(deadline) {
			s.t.Fatal("the API server's cache does not get the Secret")
		}
	}
}

func stackNamed(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "ns", Name: name}
}

// observe has a Stack name the inputs, and expects so many reads for it.
func (s *setting) observe(stack string, reads int, inputs ...pod.Input) Summary {
	s.t.Helper()
	s.traffic.mu.Lock()
	before := s.traffic.reads
	s.traffic.mu.Unlock()
	summary, err := s.tracker.Observe(s.t.Context(), stackNamed(stack), inputs)
	must(s.t, err)
	s.traffic.mu.Lock()
	defer s.traffic.mu.Unlock()
	if got := s.traffic.reads - before; got != reads {
		s.t.Errorf("Stack %s is observed by %d reads, want %d", stack, got, reads)
	}
	return summary
}

// wakes waits until the Stacks were woken, in any order.
func (s *setting) wakes(stacks ...string) {
	s.t.Helper()
	want := map[types.NamespacedName]bool{}
	for _, stack := range stacks {
		want[stackNamed(stack)] = true
	}
	for len(want) > 0 {
		select {
		case stack := <-s.woken:
			delete(want, stack)
		case <-time.After(patience):
			s.t.Fatalf("not woken: %v", want)
		}
	}
}

// watching waits until the open watches are those.
func (s *setting) watching(want ...string) {
	s.t.Helper()
	wanted := map[string]int{}
	for _, name := range want {
		wanted[name] = 1
	}
	var diff string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		s.traffic.mu.Lock()
		diff = cmp.Diff(wanted, s.traffic.watches)
		s.traffic.mu.Unlock()
		if diff == "" {
			return
		}
	}
	s.t.Fatalf("open watches (-want +got):\n%s", diff)
}

const (
	watchOfTok = "/api/v1/namespaces/ns/secrets metadata.name=tok"
	watchOfC   = "/api/v1/namespaces/ns/configmaps metadata.name=c"
)

func tok() pod.Input {
	return pod.Input{Reference: pod.Reference{Kind: "Secret", Name: "tok"}, Required: true, Keys: map[string]bool{"a": true}}
}

func c() pod.Input {
	return pod.Input{Reference: pod.Reference{Kind: "ConfigMap", Name: "c"}, Required: true, Whole: true}
}

// TestTracker runs against a real API server, as a user who may not list or watch anything but by name.
func TestTracker(t *testing.T) {
	s := newSetting(t, true, "get", "list", "watch")
	secret := secretOf("tok", "a", "1", "b", "1")
	s.createSecret(secret)

	first := s.observe("one", 2, tok(), c())
	s.watching(watchOfTok, watchOfC)
	if diff := cmp.Diff([]string{"ConfigMap/c"}, first.Missing); diff != "" || first.Digests["ConfigMap/c"] != Absent {
		t.Fatalf("digests %v, missing (-want +got):\n%s", first.Digests, diff)
	}
	if again := s.observe("one", 0, tok(), c()); !cmp.Equal(first, again) {
		t.Errorf("the same again is %v, want %v", again, first)
	}
	if other := s.observe("two", 0, tok()); other.Digests["Secret/tok"] != first.Digests["Secret/tok"] || len(other.Missing) > 0 {
		t.Errorf("another Stack sees %v, want %v", other, first)
	}
	s.watching(watchOfTok, watchOfC)

	t.Log("what was missing comes")
	s.create(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "c"}, Data: map[string]string{"k": "v"}})
	s.wakes("one")
	if got := s.observe("one", 1, tok(), c()); len(got.Missing) > 0 || got.Digests["ConfigMap/c"] == Absent {
		t.Errorf("with the ConfigMap there it is %v", got)
	}

	t.Log("a label is no change, nor is a key that nobody uses")
	secret.Labels = map[string]string{"l": "1"}
	must(t, s.admin.Update(t.Context(), secret))
	s.wakes("one", "two")
	got := s.observe("one", 1, tok(), c())
	if got.Digests["Secret/tok"] != first.Digests["Secret/tok"] {
		t.Error("a label changes the digest")
	}
	secret.Data["b"] = []byte("2")
	must(t, s.admin.Update(t.Context(), secret))
	s.wakes("one", "two")
	if got = s.observe("two", 1, tok()); got.Digests["Secret/tok"] != first.Digests["Secret/tok"] {
		t.Error("a key that is not used changes the digest")
	}
	secret.Data["a"] = []byte("2")
	must(t, s.admin.Update(t.Context(), secret))
	s.wakes("one", "two")
	if got = s.observe("two", 1, tok()); got.Digests["Secret/tok"] == first.Digests["Secret/tok"] {
		t.Error("another value has the same digest")
	}
	s.observe("one", 0, tok(), c())

	t.Log("what is gone is missing")
	must(t, s.admin.Delete(t.Context(), secret))
	s.wakes("one", "two")
	if got = s.observe("two", 1, tok()); got.Digests["Secret/tok"] != Absent || len(got.Missing) != 1 {
		t.Errorf("without the Secret it is %v", got)
	}

	t.Log("a watch ends with the last Stack that names its object")
	s.observe("one", 0, c())
	s.watching(watchOfTok, watchOfC)
	s.tracker.Forget(stackNamed("two"))
	s.watching(watchOfC)
	s.tracker.Forget(stackNamed("one"))
	s.watching()
	if len(s.tracker.entries) != 0 || len(s.tracker.held) != 0 {
		t.Errorf("%d objects are remembered of %d Stacks that are gone", len(s.tracker.entries), len(s.tracker.held))
	}

	t.Log("the end of the tracker ends the watches")
	s.observe("three", 1, c())
	s.watching(watchOfC)
	s.stop()
	s.watching()
	if len(s.traffic.odd) > 0 {
		t.Errorf("more than one object was asked for, or more than metadata: %q", s.traffic.odd)
	}
}

// What the manager wrote itself is read again before the watch tells of it.
func TestOutdate(t *testing.T) {
	s := newSetting(t, true, "get", "list", "watch")
	s.createSecret(secretOf("tok", "a", "1"))
	s.observe("one", 1, tok())
	s.tracker.Outdate("Secret", types.NamespacedName{Namespace: "ns", Name: "tok"})
	s.observe("one", 1, tok())
	s.tracker.Outdate("Secret", types.NamespacedName{Namespace: "ns", Name: "unknown"})
}

// pass lets time pass, as soon as somebody waits for it, until a Stack is woken.
func (s *setting) pass(most time.Duration, stacks ...string) {
	s.t.Helper()
	for passed := time.Duration(0); len(s.woken) < len(stacks); passed += time.Second {
		if passed > most {
			s.t.Fatalf("nobody is woken in %s", most)
		}
		for deadline := time.Now().Add(patience); !s.clock.HasWaiters(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				s.t.Fatal("nobody looks again")
			}
		}
		s.traffic.mu.Lock()
		looks := s.traffic.looks
		s.traffic.mu.Unlock()
		s.clock.Step(time.Second)
		if s.clock.HasWaiters() {
			continue
		}
		// A look begins: what it finds is told before the next wait.
		for deadline := time.Now().Add(patience); !s.clock.HasWaiters() && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		s.traffic.mu.Lock()
		if s.traffic.looks == looks {
			s.t.Error("the time for a look has passed without one")
		}
		s.traffic.mu.Unlock()
	}
	s.wakes(stacks...)
}

// TestSecretsAreNotWatchedWithoutTheRight: by default the manager may get Secrets and nothing else.
func TestSecretsAreNotWatchedWithoutTheRight(t *testing.T) {
	for name, believes := range map[string]bool{"AndKnowsIt": false, "AndLearnsIt": true} {
		t.Run(name, func(t *testing.T) {
			s := newSetting(t, believes, "get")
			secret := secretOf("tok", "a", "1")
			s.createSecret(secret)
			first := s.observe("one", 1, tok())

			t.Log("a change is seen within seconds where the Secret is new to the tracker")
			secret.Data["a"] = []byte("2")
			must(t, s.admin.Update(t.Context(), secret))
			s.pass(12*time.Second, "one")
			second := s.observe("one", 1, tok())
			if cmp.Equal(first, second) {
				t.Error("another value has the same digest")
			}
			s.observe("one", 0, tok())

			t.Log("that it is gone is seen, and that it comes")
			must(t, s.admin.Delete(t.Context(), secret))
			s.pass(12*time.Second, "one")
			if got := s.observe("one", 1, tok()); len(got.Missing) != 1 {
				t.Errorf("without the Secret it is %v", got)
			}
			s.createSecret(secretOf("tok", "a", "2"))
			s.pass(20*time.Second, "one")
			if got := s.observe("one", 1, tok()); !cmp.Equal(got, second) {
				t.Errorf("the same again is %v, want %v", got, second)
			}
			s.tracker.Forget(stackNamed("one"))
			s.stop()
			s.watching()
			if !believes && len(s.traffic.odd) > 0 {
				t.Errorf("more than one object was asked for: %q", s.traffic.odd)
			}
		})
	}
}

func TestPollPause(t *testing.T) {
	for name, tc := range map[string]struct {
		same   time.Duration
		absent bool
		want   time.Duration
	}{
		"New":       {0, false, pollLeast},
		"AMinute":   {time.Minute, false, 6 * time.Second},
		"Long":      {24 * time.Hour, false, pollMost},
		"Absent":    {24 * time.Hour, true, pollAbsent},
		"AbsentNew": {0, true, pollLeast},
	} {
		if got := pollPause(tc.same, tc.absent); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}
