package notify

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
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

// receiver is told of events.
type receiver struct {
	told chan eventv1.Event
	mu   sync.Mutex
	// answers are those to come before all are well; asked is how often it was asked.
	answers []int
	asked   int
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if len(r.answers) > 0 {
		w.WriteHeader(r.answers[0])
		r.answers = r.answers[1:]
		return
	}
	var event eventv1.Event
	if err := json.NewDecoder(request.Body).Decode(&event); err != nil || request.Method != http.MethodPost {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	r.told <- event
}

// next sets the next answers, and returns how often it was asked before.
func (r *receiver) next(answers ...int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers = answers
	return r.asked
}

// begin starts a Poster that posts to a receiver.
func begin(t *testing.T) (*Poster, *receiver) {
	t.Helper()
	r := &receiver{told: make(chan eventv1.Event, mostWaiting)}
	server := httptest.NewServer(r)
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
	})
	return p, r
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

// TestPost says what is posted; what Flux's notification controller makes of it is for the story of the notifications.
func TestPost(t *testing.T) {
	p, r := begin(t)
	p.Post(stack(none), corev1.EventTypeWarning, pulumiv1.EventStackUpdateFailure, "up failed: urn:a: boom", commit)
	got := <-r.told
	want := eventv1.Event{
		InvolvedObject: corev1.ObjectReference{APIVersion: "pulumi.com/v1", Kind: "Stack", Namespace: "team", Name: "app", UID: "uid", ResourceVersion: "7"},
		Severity:       "error", Timestamp: metav1.NewTime(noon), Message: "up failed: urn:a: boom", Reason: "StackUpdateFailure",
		Metadata:            map[string]string{"pulumi.com/revision": "main@sha1:" + commit, "pulumi.com/stack": "org/app/dev", "event.toolkit.fluxcd.io/cluster": "one"},
		ReportingController: "gantry", ReportingInstance: "gantry-0",
	}
	got.Timestamp = metav1.NewTime(got.Timestamp.UTC().Truncate(time.Hour))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	p.Post(stack(none), corev1.EventTypeNormal, pulumiv1.EventStackCreated, "up succeeded", "3")
	if got := <-r.told; got.Severity != eventv1.EventSeverityInfo || got.Metadata["pulumi.com/revision"] != "3" {
		t.Errorf("a success is %+v", got)
	}
}

// TestTrouble: what passes is tried again, what was told a moment ago is not, and neither holds up what comes next.
func TestTrouble(t *testing.T) {
	cases := map[string]struct {
		answers []int
		// asked is how often it is asked for two events, told is which of them it takes.
		asked int
		told  []string
	}{
		"Passes":    {answers: []int{500, 503}, asked: 4, told: []string{"first", "second"}},
		"Stays":     {answers: []int{500, 500, 500}, asked: 4, told: []string{"second"}},
		"Repeated":  {answers: []int{429}, asked: 2, told: []string{"second"}},
		"Refused":   {answers: []int{400}, asked: 2, told: []string{"second"}},
		"Elsewhere": {answers: []int{301}, asked: 2, told: []string{"second"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p, r := begin(t)
			r.next(tc.answers...)
			for _, note := range []string{"first", "second"} {
				p.Post(stack(none), corev1.EventTypeNormal, "R", note, "")
			}
			for _, want := range tc.told {
				if got := <-r.told; got.Message != want {
					t.Errorf("told is %q, want %q", got.Message, want)
				}
			}
			if asked := r.next(); asked != tc.asked {
				t.Errorf("it was asked %d times, want %d", asked, tc.asked)
			}
		})
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
