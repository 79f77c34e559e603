package hub

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gantry-operator/gantry/internal/operation"
)

func TestOffer(t *testing.T) {
	w := serve(t, known(), nil)
	expect := func(step string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: error %v, want %v", step, err, want)
		}
	}
	expect("nobody there", w.Offer(demo, "pod-1", op("a")), ErrNotConnected)
	a := w.connect(t, "pod-1", nil)
	expect("another pod", w.Offer(demo, "pod-2", op("a")), ErrNotConnected)
	if err := w.Offer(demo, "pod-1", op("")); err == nil {
		t.Error("an operation without UID is taken")
	}
	expect("first", w.Offer(demo, "pod-1", op("a")), nil)
	expect("again", w.Offer(demo, "pod-1", op("a")), nil)
	expect("a second one", w.Offer(demo, "pod-1", op("b")), ErrBusy)
	if s := w.State(demo, "a"); !s.Offered || s.Progress != nil || s.Result != nil {
		t.Errorf("state %v", s)
	}
	if s := w.State(demo, "b"); s != (State{}) {
		t.Errorf("state of what was refused: %v", s)
	}
	if got := a.next(); !proto.Equal(got.GetOperation(), op("a")) {
		t.Errorf("got %v", got)
	}
	if w.Retire(demo, "pod-1") {
		t.Error("a busy pod was retired")
	}
	a.progress(running("a", 3))
	w.wait(t, "progress", func() bool { return w.State(demo, "a").Progress.GetDone() == 3 })
	a.result(finished("a"))
	w.wait(t, "result", func() bool { return w.State(demo, "a").Result != nil })
	a.progress(running("a", 9))
	w.Recorded(demo, "a")
	if got := a.next(); got.GetRecorded().GetUid() != "a" {
		t.Errorf("got %v", got)
	}
	if s := w.State(demo, "a"); s != (State{}) {
		t.Errorf("state after it was recorded: %v", s)
	}
	expect("from a stale cache", w.Offer(demo, "pod-1", op("a")), nil)
	a.quiet(w, "pod-1")
	a.result(finished("marker"))
	w.wait(t, "result", func() bool { return w.State(demo, "marker").Result != nil })
	for range 2 {
		if !w.Retire(demo, "pod-1") {
			t.Error("an idle pod was not retired")
		}
	}
	if s, ok := w.Session(demo); !ok || !s.Retired {
		t.Errorf("session %v %v, want a retired one", s, ok)
	}
	expect("to a retired pod", w.Offer(demo, "pod-1", op("c")), ErrRetired)
	w.connect(t, "pod-1", nil)
	expect("to a retired pod that came back", w.Offer(demo, "pod-1", op("c")), ErrRetired)
	w.connect(t, "pod-2", nil)
	expect("to the next pod", w.Offer(demo, "pod-2", op("c")), nil)
}

func TestRetireBeforeTheAgentComes(t *testing.T) {
	w := serve(t, known(), nil)
	if !w.Retire(demo, "pod-1") {
		t.Error("a pod whose agent never came was not retired")
	}
	w.connect(t, "pod-1", nil)
	if err := w.Offer(demo, "pod-1", op("a")); !errors.Is(err, ErrRetired) {
		t.Errorf("error %v", err)
	}
}

// TestRestart has a new hub learn from the agents all the old one knew.
func TestRestart(t *testing.T) {
	old := serve(t, known(), nil)
	a := old.connect(t, "pod-1", nil)
	if err := old.Offer(demo, "pod-1", op("run")); err != nil {
		t.Fatal(err)
	}
	a.next()
	old.stop()
	a.ended()

	waiting := func(_ context.Context, workspace types.NamespacedName) []types.NamespacedName {
		return []types.NamespacedName{{Namespace: workspace.Namespace, Name: "queued"}}
	}
	w := serve(t, known(), waiting)
	if s := w.State(demo, "run"); s != (State{}) {
		t.Fatalf("a new hub knows %v", s)
	}
	a = w.connect(t, "pod-1", &operation.Hello{
		PulumiVersion: "3.1.0",
		Running:       []*operation.Progress{running("run", 5)}, Finished: []*operation.Result{finished("past")},
	})
	if s := w.State(demo, "run"); !s.Offered || s.Progress.GetDone() != 5 || s.Result != nil {
		t.Errorf("state of the running one: %v", s)
	}
	if s := w.State(demo, "past"); s.Result.GetOutcome() != operation.Outcome_SUCCEEDED {
		t.Errorf("state of the finished one: %v", s)
	}
	woken := map[string]bool{}
	for range 3 {
		woken[<-w.updates] = true
	}
	for _, name := range []string{"team/update-run", "team/update-past", "team/queued"} {
		if !woken[name] {
			t.Errorf("%s was not woken, only %v", name, woken)
		}
	}
	if err := w.Offer(demo, "pod-1", op("run")); err != nil {
		t.Errorf("offered again: %v", err)
	}
	if w.Retire(demo, "pod-1") {
		t.Error("a pod with a running operation was retired")
	}
	w.Cancel(demo, "run", "the Update is deleted")
	if got := a.next().GetCancel(); got.GetUid() != "run" || got.GetReason() != "the Update is deleted" {
		t.Errorf("got %v", got)
	}
	w.Recorded(demo, "past")
	if got := a.next(); got.GetRecorded().GetUid() != "past" {
		t.Errorf("got %v", got)
	}
}

// TestReconnect has the agent come back to the same hub.
func TestReconnect(t *testing.T) {
	setup := func(t *testing.T, before func(*world, *agent)) *world {
		t.Helper()
		w := serve(t, known(), nil)
		a := w.connect(t, "pod-1", nil)
		if err := w.Offer(demo, "pod-1", op("a")); err != nil {
			t.Fatal(err)
		}
		before(w, a)
		a.leave()
		w.wait(t, "the session ends", func() bool { _, ok := w.Session(demo); return !ok })
		return w
	}
	progressed := func(w *world, a *agent) {
		a.progress(running("a", 2))
		w.wait(t, "progress", func() bool { return w.State(demo, "a").Progress != nil })
	}
	t.Run("StateIsKept", func(t *testing.T) {
		w := setup(t, progressed)
		if s := w.State(demo, "a"); s.Progress.GetDone() != 2 {
			t.Errorf("state %v", s)
		}
		if err := w.Offer(demo, "pod-1", op("b")); !errors.Is(err, ErrNotConnected) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("LostOfferIsSentAgain", func(t *testing.T) {
		w := setup(t, func(*world, *agent) {})
		if got := w.connect(t, "pod-1", nil).next(); got.GetOperation().GetUid() != "a" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("ReceivedOfferIsNot", func(t *testing.T) {
		w := setup(t, func(*world, *agent) {})
		a := w.connect(t, "pod-1", &operation.Hello{Running: []*operation.Progress{running("a", 0)}})
		w.Cancel(demo, "a", "stop")
		if got := a.next(); got.GetCancel().GetUid() != "a" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("ForgottenIsInterrupted", func(t *testing.T) {
		w := setup(t, progressed)
		a := w.connect(t, "pod-1", nil)
		got := w.State(demo, "a").Result
		if got.GetOutcome() != operation.Outcome_INTERRUPTED || got.GetReason() != operation.ReasonAborted || got.GetName() != "update-a" || got.GetEnded() == nil {
			t.Errorf("result %v", got)
		}
		a.quiet(w, "pod-1")
	})
	t.Run("CancelWaits", func(t *testing.T) {
		w := setup(t, progressed)
		w.Cancel(demo, "a", "deleted")
		w.Cancel(demo, "a", "deleted again")
		a := w.connect(t, "pod-1", &operation.Hello{Running: []*operation.Progress{running("a", 2)}})
		if got := a.next().GetCancel(); got.GetReason() != "deleted" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("RecordedWaits", func(t *testing.T) {
		w := setup(t, func(w *world, a *agent) {
			a.result(finished("a"))
			w.wait(t, "result", func() bool { return w.State(demo, "a").Result != nil })
		})
		w.Recorded(demo, "a")
		a := w.connect(t, "pod-1", &operation.Hello{Finished: []*operation.Result{finished("a")}})
		if got := a.next(); got.GetRecorded().GetUid() != "a" {
			t.Errorf("got %v", got)
		}
		if s := w.State(demo, "a"); s != (State{}) {
			t.Errorf("state %v", s)
		}
	})
	t.Run("NextPodStartsAnew", func(t *testing.T) {
		w := setup(t, progressed)
		a := w.connect(t, "pod-2", nil)
		if s := w.State(demo, "a"); s != (State{}) {
			t.Errorf("state %v of an operation that was given to another pod", s)
		}
		a.quiet(w, "pod-2")
	})
	t.Run("ResultOutlivesItsPod", func(t *testing.T) {
		w := setup(t, func(w *world, a *agent) {
			a.result(finished("a"))
			w.wait(t, "result", func() bool { return w.State(demo, "a").Result != nil })
		})
		w.Gone(demo, "pod-1")
		w.connect(t, "pod-2", nil)
		if w.State(demo, "a").Result == nil {
			t.Error("a result was lost that is not recorded")
		}
		if err := w.Offer(demo, "pod-2", op("b")); err != nil {
			t.Errorf("the old result keeps the new pod busy: %v", err)
		}
		w.connect(t, "pod-1", nil)
		if w.State(demo, "a").Result != nil {
			t.Error("a result that nobody records is kept for ever")
		}
	})
}

// TestGone checks that nothing is left of a pod that is gone.
func TestGone(t *testing.T) {
	w := serve(t, known(), nil)
	a := w.connect(t, "pod-1", nil)
	if err := w.Offer(demo, "pod-1", op("a")); err != nil {
		t.Fatal(err)
	}
	w.Gone(demo, "pod-0")
	if _, ok := w.Session(demo); !ok {
		t.Error("the end of another pod ended the session")
	}
	w.Gone(demo, "pod-1")
	a.ended()
	if _, ok := w.Session(demo); ok {
		t.Error("a pod that is gone has a session")
	}
	if s := w.State(demo, "a"); s != (State{}) {
		t.Errorf("state %v", s)
	}
	w.Retire(demo, "pod-2")
	w.Gone(demo, "pod-2")
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.desks) != 0 {
		t.Errorf("%d Workspaces are remembered without reason", len(w.desks))
	}
}

// TestBoundedClaims has an agent claim to know more operations than a pod can have.
func TestBoundedClaims(t *testing.T) {
	w := serve(t, known(), nil)
	hello := &operation.Hello{}
	for i := range 10 * mostJobs {
		hello.Finished = append(hello.Finished, finished(strconv.Itoa(i)))
	}
	w.connect(t, "pod-1", hello)
	w.mu.Lock()
	defer w.mu.Unlock()
	if got := len(w.desks[demo].jobs); got != mostJobs {
		t.Errorf("%d operations are kept, want %d", got, mostJobs)
	}
}

// TestLargeResult sends outputs far above what a Secret holds: they have to arrive, so that the user is told.
func TestLargeResult(t *testing.T) {
	w := serve(t, known(), nil)
	a := w.connect(t, "pod-1", nil)
	large := finished("a")
	large.Outputs = map[string]*operation.Output{"blob": {Json: []byte(`"` + strings.Repeat("x", 12<<20) + `"`)}}
	a.result(large)
	w.wait(t, "the result", func() bool { return w.State(demo, "a").Result != nil })
}

// TestRetireOrOffer runs both at once: a pod that is retired has no operation, in whatever order they come.
func TestRetireOrOffer(t *testing.T) {
	h := serve(t, known(), nil).Hub
	retired := 0
	for i := range 2000 {
		name := types.NamespacedName{Namespace: "race", Name: strconv.Itoa(i)}
		h.mu.Lock()
		h.desk(name).attach(newSession(), "pod", &operation.Hello{}, h.clock.Now())
		h.mu.Unlock()
		var both sync.WaitGroup
		var offered error
		var gone bool
		begin := make(chan struct{})
		both.Go(func() { <-begin; offered = h.Offer(name, "pod", op("a")) })
		both.Go(func() { <-begin; gone = h.Retire(name, "pod") })
		close(begin)
		both.Wait()
		if (offered == nil) == gone {
			t.Fatalf("round %d: offer %v, retired %v: exactly one has to win", i, offered, gone)
		}
		if gone {
			retired++
			if !errors.Is(offered, ErrRetired) || h.State(name, "a").Offered {
				t.Fatalf("round %d: offer %v to a retired pod", i, offered)
			}
		}
	}
	t.Logf("retired in %d of 2000 rounds", retired)
}

// TestFetches follows who may fetch the source of an operation: its pod's Workspace, until it is over.
func TestFetches(t *testing.T) {
	w := serve(t, known(), nil)
	a := w.connect(t, "pod-1", nil)
	with := op("a")
	with.Source = &operation.Source{From: &operation.Source_Artifact{Artifact: &operation.Artifact{Digest: "sha256:1"}}}
	if w.Fetches(demo, "sha256:1") {
		t.Error("before the offer")
	}
	if err := w.Offer(demo, "pod-1", with); err != nil {
		t.Fatal(err)
	}
	other := types.NamespacedName{Namespace: "team", Name: "other"}
	if !w.Fetches(demo, "sha256:1") || w.Fetches(demo, "sha256:2") || w.Fetches(demo, "") || w.Fetches(other, "sha256:1") {
		t.Error("an operation entitles its Workspace to its source, and to nothing else")
	}
	if got := w.Sources(); !slices.Equal(got, []string{"sha256:1"}) {
		t.Errorf("the sources of operations under way are %v", got)
	}
	a.result(finished("a"))
	w.wait(t, "result", func() bool { return w.State(demo, "a").Result != nil })
	if w.Fetches(demo, "sha256:1") || len(w.Sources()) != 0 {
		t.Error("after the end")
	}
}
