package notify

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	eventv1 "github.com/fluxcd/pkg/apis/event/v1beta1"
	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// controller is the event server of a notification controller: it takes what that takes, refuses the same event a second time,
// and keeps what an Alert is made of.
type controller struct {
	mu     sync.Mutex
	seen   map[string]bool
	alerts chan eventv1.Event
	// broken is how often it fails before it works; asked, how often it was asked.
	broken, asked int
	bad           []string
}

func (c *controller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	if c.broken > 0 {
		c.broken--
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	body, err := io.ReadAll(r.Body)
	var event eventv1.Event
	if err != nil || json.Unmarshal(body, &event) != nil || r.Method != http.MethodPost {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.validate(event)
	group := event.InvolvedObject.GroupVersionKind().Group
	passed := map[string]string{}
	for key, value := range event.Metadata {
		for _, prefix := range []string{group + "/", eventv1.Group + "/"} {
			if short, ok := strings.CutPrefix(key, prefix); ok {
				passed[short] = value
			}
		}
	}
	event.Metadata = passed
	object := event.InvolvedObject
	key := strings.Join([]string{object.Kind, object.Namespace, object.Name, event.Message, passed[eventv1.MetaRevisionKey], passed[eventv1.MetaTokenKey]}, "/")
	if c.seen[key] {
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	c.seen[key] = true
	w.WriteHeader(http.StatusAccepted)
	c.alerts <- event
}

// validate notes what the event's definition forbids.
func (c *controller) validate(event eventv1.Event) {
	object := event.InvolvedObject
	for name, value := range map[string]string{
		"apiVersion": object.APIVersion, "kind": object.Kind, "namespace": object.Namespace, "name": object.Name,
		"message": event.Message, "reason": event.Reason, "reportingController": event.ReportingController,
	} {
		if value == "" {
			c.bad = append(c.bad, "no "+name)
		}
	}
	if event.Severity != eventv1.EventSeverityInfo && event.Severity != eventv1.EventSeverityError && event.Severity != eventv1.EventSeverityTrace {
		c.bad = append(c.bad, "severity "+event.Severity)
	}
	if len(event.Message) > 39000 || event.Timestamp.IsZero() {
		c.bad = append(c.bad, "message or timestamp")
	}
}

// begin starts a Poster that posts to a double.
func begin(t *testing.T, double *controller) *Poster {
	t.Helper()
	double.seen, double.alerts = map[string]bool{}, make(chan eventv1.Event, mostWaiting)
	server := httptest.NewServer(double)
	clock := clocktesting.NewFakeClock(noon)
	p := New(server.URL, "gantry-0", clock, logr.Discard())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Start(ctx) }()
	turning := make(chan struct{})
	go func() { // whoever waits for the clock waits no longer
		defer close(turning)
		for ctx.Err() == nil {
			if clock.HasWaiters() {
				clock.Step(time.Second)
			}
			time.Sleep(time.Millisecond)
		}
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		<-turning
		server.Close()
		if len(double.bad) > 0 {
			t.Errorf("the events have %q", double.bad)
		}
	})
	return p
}

func stack(change func(*pulumiv1.Stack)) *pulumiv1.Stack {
	s := &pulumiv1.Stack{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "app", UID: "uid", ResourceVersion: "7", Annotations: map[string]string{
			"event.toolkit.fluxcd.io/cluster": "one", "kubectl.kubernetes.io/last-applied-configuration": "{}",
		}},
		Spec: pulumiv1.StackSpec{Stack: "org/app/dev", GitSource: pulumiv1.GitSource{Branch: "main"}},
	}
	change(s)
	return s
}

func none(*pulumiv1.Stack) {}

const commit = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func TestPost(t *testing.T) {
	double := &controller{}
	p := begin(t, double)
	p.Post(stack(none), corev1.EventTypeWarning, pulumiv1.EventStackUpdateFailure, "up failed: urn:a: boom", commit)
	got := <-double.alerts
	want := eventv1.Event{
		InvolvedObject: corev1.ObjectReference{APIVersion: "pulumi.com/v1", Kind: "Stack", Namespace: "team", Name: "app", UID: "uid", ResourceVersion: "7"},
		Severity:       "error", Timestamp: metav1.NewTime(noon), Message: "up failed: urn:a: boom", Reason: "StackUpdateFailure",
		Metadata:            map[string]string{"revision": "main@sha1:" + commit, "stack": "org/app/dev", "cluster": "one"},
		ReportingController: "gantry", ReportingInstance: "gantry-0",
	}
	got.Timestamp = metav1.NewTime(got.Timestamp.UTC().Truncate(time.Hour))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	p.Post(stack(none), corev1.EventTypeNormal, pulumiv1.EventStackCreated, "up succeeded", "3")
	if got := <-double.alerts; got.Severity != eventv1.EventSeverityInfo || got.Metadata["revision"] != "3" {
		t.Errorf("a success is %+v", got)
	}
}

// TestTrouble: what passes is tried again, what was told a moment ago is not, and neither holds up what comes next.
func TestTrouble(t *testing.T) {
	double := &controller{broken: tries - 1}
	p := begin(t, double)
	say := func(note string) { p.Post(stack(none), corev1.EventTypeNormal, "R", note, "") }
	say("first")
	if got := <-double.alerts; got.Message != "first" {
		t.Errorf("told is %q", got.Message)
	}
	say("first")
	say("second")
	if got := <-double.alerts; got.Message != "second" {
		t.Errorf("told is %q", got.Message)
	}
	double.mu.Lock()
	asked := double.asked
	double.broken = tries
	double.mu.Unlock()
	if asked != tries+2 {
		t.Errorf("it was asked %d times: what it refuses is told again", asked)
	}
	say("lost")
	say("third")
	if got := <-double.alerts; got.Message != "third" {
		t.Errorf("told is %q", got.Message)
	}
}

// TestNobodyWaits: with nobody there to take events, any number of them holds up nobody, and a bounded number waits.
func TestNobodyWaits(t *testing.T) {
	dropped := 0
	log := funcr.New(func(_, _ string) { dropped++ }, funcr.Options{Verbosity: 1})
	p := New("http://127.0.0.1:1/", "gantry-0", clocktesting.NewFakeClock(noon), log)
	for range 2 * mostWaiting {
		p.Post(stack(none), corev1.EventTypeNormal, "R", "note", "")
	}
	if len(p.waiting) != mostWaiting || dropped != mostWaiting {
		t.Errorf("%d wait, %d are dropped", len(p.waiting), dropped)
	}
}

func TestCheckAddress(t *testing.T) {
	for address, good := range map[string]bool{
		"http://notification-controller.flux-system.svc.cluster.local./": true, "https://notify.example:8443/x": true,
		"": true, "notification-controller": false, "ftp://host/": false, "http://": false, "http://user:secret@host/": false, "http://ho st/": false,
	} {
		if err := CheckAddress(address); (err == nil) != good {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestFluxRevision(t *testing.T) {
	cases := map[string]struct {
		branch, revision, want string
	}{
		"Branch":  {"main", commit, "main@sha1:" + commit},
		"Ref":     {"refs/heads/main", commit, "main@sha1:" + commit},
		"Commit":  {"", commit, "sha1:" + commit},
		"Flux":    {"", "main@sha1:" + commit, "main@sha1:" + commit},
		"Program": {"", "3", "3"},
		"None":    {"", "", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := fluxRevision(stack(func(s *pulumiv1.Stack) { s.Spec.Branch = tc.branch }), tc.revision); got != tc.want {
				t.Errorf("the revision is %q, want %q", got, tc.want)
			}
		})
	}
}
