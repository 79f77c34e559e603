package flux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/artifact"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/source"
)

// patience is how long a test waits for what has to come; it is only used up by a failing test.
const patience = 30 * time.Second

// shelf is a store and the servers of all artifacts.
type shelf struct {
	mu     sync.Mutex
	stored map[string]bool
	// tries are the URLs that were asked, in order; answers is what they say, nil where there is nothing else to say.
	tries   []string
	answers map[string]error
	// full makes the store fail.
	full error
	// hold keeps every answer back while it is not closed; nil does not.
	hold chan struct{}
	// most is how many were asked at once.
	asked, most int
}

func (s *shelf) Fetch(ctx context.Context, a Artifact, dir string) (string, error) {
	s.mu.Lock()
	s.tries = append(s.tries, a.URL)
	s.asked++
	s.most = max(s.most, s.asked)
	hold, err := s.hold, s.answers[a.URL]
	s.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	s.mu.Lock()
	s.asked--
	s.mu.Unlock()
	if err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "digest"), []byte(a.Digest), 0o600)
}

func (s *shelf) PutDir(_ context.Context, dir string) (string, error) {
	digest, err := os.ReadFile(filepath.Join(dir, "digest"))
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := "stored " + string(digest)
	s.stored[stored] = true
	return stored, errors.Join(err, s.full)
}

func (s *shelf) Has(digest string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stored[digest]
}

func (s *shelf) asks(url string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, tried := range s.tries {
		if tried == url {
			n++
		}
	}
	return n
}

func (s *shelf) answer(url string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[url] = err
}

// tracking is a tracker that runs.
type tracking struct {
	t       *testing.T
	shelf   *shelf
	clock   *clocktesting.FakeClock
	tracker *Tracker
	woken   chan types.NamespacedName
	stop    func()
}

func newTracking(t *testing.T) *tracking {
	t.Helper()
	k := &tracking{
		t: t, shelf: &shelf{stored: map[string]bool{}, answers: map[string]error{}},
		clock: clocktesting.NewFakeClock(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)), woken: make(chan types.NamespacedName, 1000),
	}
	k.tracker = NewTracker(k.shelf, k.shelf, k.clock, testr.New(t), filepath.Join(t.TempDir(), "scratch"))
	k.tracker.Notify("Stack", func(name types.NamespacedName) { k.woken <- name })
	k.start()
	return k
}

func (k *tracking) start() {
	k.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- k.tracker.Start(ctx) }()
	k.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			must(k.t, err)
		case <-time.After(patience):
			k.t.Error("the tracker does not end")
		}
	})
	k.t.Cleanup(k.stop)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func consumer(name string) source.Consumer {
	return source.Consumer{Kind: "Stack", NamespacedName: types.NamespacedName{Namespace: "ns", Name: name}}
}

// waits observes and expects to have to wait, for a reason.
func (k *tracking) waits(name string, a Artifact, reason, words string) {
	k.t.Helper()
	_, err := k.tracker.Observe(consumer(name), a)
	if waiting, ok := failure.AsWaiting(err); !ok || waiting.Reason != reason || !strings.Contains(err.Error(), words) {
		k.t.Fatalf("got %v, want to wait: %s, %q", err, reason, words)
	}
}

// has observes and expects the revision.
func (k *tracking) has(name string, a Artifact) {
	k.t.Helper()
	got, err := k.tracker.Observe(consumer(name), a)
	want := source.Revision{Revision: a.Revision, Digest: "stored " + a.Digest, Content: a.Digest}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		k.t.Fatalf("error %v, revision (-want +got):\n%s", err, diff)
	}
}

// wakes waits until these are woken, in whatever order, and no other.
func (k *tracking) wakes(names ...string) {
	k.t.Helper()
	want, got := map[string]bool{}, map[string]bool{}
	for _, name := range names {
		want[name] = true
	}
	for range names {
		select {
		case name := <-k.woken:
			got[name.Name] = true
		case <-time.After(patience):
			k.t.Fatalf("woken are %v, want %v", got, want)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		k.t.Fatalf("woken (-want +got):\n%s", diff)
	}
}

// later lets the time pass that a try waits for, and expects these to be woken by it.
func (k *tracking) later(d time.Duration, names ...string) {
	k.t.Helper()
	for deadline := time.Now().Add(patience); len(k.woken) < len(names); {
		k.clock.Step(d)
		// The tracker may just have read the time to wait from, so that the step comes too late for it.
		for pause := time.Now().Add(time.Second); len(k.woken) < len(names) && time.Now().Before(pause); {
			time.Sleep(time.Millisecond)
		}
		if time.Now().After(deadline) {
			k.t.Fatal("the time that passes wakes nobody")
		}
	}
	k.wakes(names...)
}

func artifactOf(name string) Artifact {
	return Artifact{URL: "http://h/" + name, Digest: "sha256:" + name, Revision: "main@" + name}
}

func TestTrackerFetchesOnceForAll(t *testing.T) {
	k := newTracking(t)
	k.shelf.hold = make(chan struct{})
	names := []string{"one", "two", "three"}
	for _, name := range names {
		k.waits(name, artifactOf("a"), pulumiv1.ReasonStackProcessing, `fetching revision "main@a"`)
	}
	close(k.shelf.hold)
	k.wakes(names...)
	for _, name := range names {
		k.has(name, artifactOf("a"))
	}
	k.has("late", artifactOf("a"))
	other := artifactOf("a")
	other.URL, other.Revision = "http://other/a", "v1@a"
	k.has("elsewhere", other)
	if diff := cmp.Diff([]string{"http://h/a"}, k.shelf.tries); diff != "" {
		t.Errorf("tries (-want +got):\n%s", diff)
	}
}

func TestTrackerFollowsNewArtifacts(t *testing.T) {
	k := newTracking(t)
	k.waits("one", artifactOf("a"), pulumiv1.ReasonStackProcessing, "fetching")
	k.wakes("one")
	k.has("one", artifactOf("a"))
	k.waits("one", artifactOf("b"), pulumiv1.ReasonStackProcessing, "fetching")
	k.wakes("one")
	k.has("one", artifactOf("b"))

	t.Log("the same files under another revision are there already")
	again := artifactOf("b")
	again.Revision = "main@c"
	k.has("one", again)

	k.tracker.Forget(consumer("one"))
	if len(k.tracker.content)+len(k.tracker.held) != 0 {
		t.Errorf("of nobody %d contents are remembered, %d consumers", len(k.tracker.content), len(k.tracker.held))
	}
}

func TestTrackerRetries(t *testing.T) {
	k := newTracking(t)
	down := failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "no route")
	k.shelf.answer("http://h/a", down)
	k.waits("one", artifactOf("a"), pulumiv1.ReasonStackProcessing, "fetching")
	k.wakes("one")
	for tries, wait := range []time.Duration{0, 6 * time.Second, 11 * time.Second, 22 * time.Second} {
		if tries > 0 {
			k.later(wait, "one")
		}
		for range 3 { // to look does not try again
			k.waits("one", artifactOf("a"), pulumiv1.ReasonSourceUnavailable, "no route")
		}
		if n := k.shelf.asks("http://h/a"); n != tries+1 {
			t.Fatalf("asked %d times, want %d", n, tries+1)
		}
	}
	k.shelf.answer("http://h/a", nil)
	k.later(44*time.Second, "one")
	k.has("one", artifactOf("a"))
}

func TestTrackerLeavesWhatCannotBeUsed(t *testing.T) {
	k := newTracking(t)
	k.shelf.answer("http://h/a", failure.NewTerminal(pulumiv1.ReasonSourceInvalid, "a bomb"))
	k.waits("one", artifactOf("a"), pulumiv1.ReasonStackProcessing, "fetching")
	k.wakes("one")
	_, err := k.tracker.Observe(consumer("one"), artifactOf("a"))
	if terminal, ok := failure.AsTerminal(err); !ok || terminal.Reason != pulumiv1.ReasonSourceInvalid {
		t.Fatalf("got %v, want SourceInvalid", err)
	}

	t.Log("a new artifact is another matter")
	k.waits("one", artifactOf("b"), pulumiv1.ReasonStackProcessing, "fetching")
	k.wakes("one")
	k.has("one", artifactOf("b"))

	t.Log("and so is the same one, when what was in the way may have gone")
	_, _ = k.tracker.Observe(consumer("one"), artifactOf("a"))
	k.shelf.answer("http://h/a", nil)
	k.wakes("one")
	k.has("one", artifactOf("a"))
	if n := k.shelf.asks("http://h/a"); n != 2 {
		t.Errorf("asked %d times, want 2", n)
	}
}

// Who names the digest of another's artifact, and a place where that is not, harms nobody but himself.
func TestTrackerKeepsPlacesApart(t *testing.T) {
	k := newTracking(t)
	wrong := artifactOf("a")
	wrong.URL = "http://elsewhere/a"
	k.shelf.answer(wrong.URL, failure.NewTerminal(pulumiv1.ReasonSourceInvalid, "another digest"))
	k.waits("bad", wrong, pulumiv1.ReasonStackProcessing, "fetching")
	k.wakes("bad")
	k.waits("good", artifactOf("a"), pulumiv1.ReasonStackProcessing, "fetching")
	k.wakes("bad", "good")
	k.has("good", artifactOf("a"))
}

func TestTrackerMovesOnFromWhatVanished(t *testing.T) {
	k := newTracking(t)
	k.shelf.answer("http://h/a", failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "404"))
	k.waits("one", artifactOf("a"), pulumiv1.ReasonStackProcessing, "fetching")
	k.wakes("one")
	moved := artifactOf("a")
	moved.URL = "http://h/moved"
	k.waits("one", moved, pulumiv1.ReasonStackProcessing, "fetching")
	k.wakes("one")
	k.has("one", moved)
}

func TestTrackerKnowsRecords(t *testing.T) {
	k := newTracking(t)
	k.shelf.stored["stored sha256:a"] = true
	k.tracker.Known("sha256:a", "stored sha256:a")
	k.has("one", artifactOf("a"))
	k.tracker.Known("sha256:b", "swept long ago")
	k.waits("one", artifactOf("b"), pulumiv1.ReasonStackProcessing, "fetching")
	k.wakes("one")
	k.has("one", artifactOf("b"))
	if diff := cmp.Diff([]string{"http://h/b"}, k.shelf.tries); diff != "" {
		t.Errorf("tries (-want +got):\n%s", diff)
	}
}

func TestTrackerFetchesAgainWhatTheStoreLost(t *testing.T) {
	k := newTracking(t)
	k.waits("one", artifactOf("a"), pulumiv1.ReasonStackProcessing, "fetching")
	k.wakes("one")
	k.shelf.mu.Lock()
	clear(k.shelf.stored)
	k.shelf.mu.Unlock()
	k.waits("one", artifactOf("a"), pulumiv1.ReasonStackProcessing, "fetching")
	k.wakes("one")
	k.has("one", artifactOf("a"))
}

func TestTrackerTellsWhatTheStoreSays(t *testing.T) {
	k := newTracking(t)
	k.shelf.full = errors.New("no space left on device")
	k.waits("one", artifactOf("a"), pulumiv1.ReasonStackProcessing, "fetching")
	k.wakes("one")
	k.waits("one", artifactOf("b"), pulumiv1.ReasonStackProcessing, "fetching")
	k.wakes("one")
	k.waits("one", artifactOf("b"), pulumiv1.ReasonSourceUnavailable, "no space left on device")
}

func TestTrackerRefusesWhatTheStoreRefuses(t *testing.T) {
	for name, refusal := range map[string]error{"TooLarge": &artifact.TooLargeError{}, "Invalid": &artifact.InvalidError{}} {
		t.Run(name, func(t *testing.T) {
			k := newTracking(t)
			k.shelf.full = fmt.Errorf("store: %w", refusal)
			k.waits("one", artifactOf("a"), pulumiv1.ReasonStackProcessing, "fetching")
			k.wakes("one")
			_, err := k.tracker.Observe(consumer("one"), artifactOf("a"))
			if terminal, ok := failure.AsTerminal(err); !ok || terminal.Reason != pulumiv1.ReasonSourceInvalid {
				t.Errorf("got %v, want SourceInvalid", err)
			}
		})
	}
}

func TestTrackerIsBounded(t *testing.T) {
	k := newTracking(t)
	k.shelf.hold = make(chan struct{})
	var names []string
	for i := range 3 * workers {
		name := strings.Repeat("n", i+1)
		names = append(names, name)
		k.waits(name, artifactOf(name), pulumiv1.ReasonStackProcessing, "fetching")
	}
	close(k.shelf.hold)
	k.wakes(names...)
	if k.shelf.most > workers {
		t.Errorf("%d were fetched at once", k.shelf.most)
	}
}

// What is asked for before the start is fetched then; what a manager left that was killed is removed.
func TestTrackerStarts(t *testing.T) {
	k := newTracking(t)
	k.stop()
	k.waits("one", artifactOf("a"), pulumiv1.ReasonStackProcessing, "fetching")
	left := filepath.Join(k.tracker.scratch, "left")
	must(t, os.MkdirAll(left, 0o700))
	k.start()
	k.wakes("one")
	k.has("one", artifactOf("a"))
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was left is still there: %v", err)
	}
	if entries, err := os.ReadDir(k.tracker.scratch); err != nil || len(entries) != 0 {
		t.Errorf("there are left %v, %v", entries, err)
	}
}

// A download that is under way ends with the tracker, and is no failure.
func TestTrackerEnds(t *testing.T) {
	k := newTracking(t)
	k.shelf.hold = make(chan struct{})
	k.waits("one", artifactOf("a"), pulumiv1.ReasonStackProcessing, "fetching")
	for deadline := time.Now().Add(patience); k.shelf.asks("http://h/a") == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is fetched")
		}
	}
	k.stop()
	k.waits("one", artifactOf("a"), pulumiv1.ReasonStackProcessing, "fetching")
}
