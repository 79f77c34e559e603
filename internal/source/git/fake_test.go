package git

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/testr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/git/client"
)

// hosts are git hosts whose repositories, by URL, have one commit or a failure. It notes what is asked of them.
type hosts struct {
	mu      sync.Mutex
	commits map[string]string
	errs    map[string]error
	// takes is how long polls and fetches of a URL take.
	takes, fetchTakes map[string]time.Duration
	// polls and fetches are those so far; a fetch is named by URL and commit.
	polls, fetches map[string]int
	inFlight       map[string]int
	most           map[string]int
	// made counts the fetches that succeeded, by all that makes them different.
	made map[string]int
	// wanted tells whether a poll is somebody's; nil if nobody asks.
	wanted func(key string) bool
	// wrong is what must not happen.
	wrong  []string
	pruned []func(client.Remote) bool
}

func (h *hosts) Resolve(ctx context.Context, r client.Remote, ref string) (string, error) {
	key := r.URL + " " + ref
	h.begin(ctx, "poll", key+r.Credential.Password)
	defer h.end("poll", key+r.Credential.Password)
	if err := pause(ctx, h.duration(h.takes, r.URL)); err != nil {
		return "", client.NewError(client.Unreachable, "ended", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.polls[key]++
	if err := h.errs[r.URL]; err != nil {
		return "", err
	}
	if r.Credential.Password == "wrong" {
		return "", client.NewError(client.Denied, "the host denies it", nil)
	}
	return h.commits[r.URL], nil
}

func (h *hosts) Checkout(ctx context.Context, r client.Remote, commit string, s client.Selection, dir string) (string, error) {
	h.begin(ctx, "fetch", r.URL+r.Credential.Password)
	defer h.end("fetch", r.URL+r.Credential.Password)
	if err := pause(ctx, h.duration(h.fetchTakes, r.URL)); err != nil {
		return "", client.NewError(client.Unreachable, "ended", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fetches[r.URL+" "+commit]++
	if err := errors.Join(h.errs[r.URL], h.errs[r.URL+" "+commit]); err != nil {
		return "", err
	}
	h.made[fmt.Sprint(r.URL, r.Credential.Password, s.Paths, commit)]++
	return "tree of " + commit, os.WriteFile(filepath.Join(dir, "file"), []byte(commit), 0o600)
}

func (h *hosts) Prune(keep func(client.Remote) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pruned = append(h.pruned, keep)
}

func (h *hosts) duration(of map[string]time.Duration, url string) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return of[url] + time.Millisecond // nothing ends before the test waits
}

// slow has polls and fetches of a URL take that long.
func (h *hosts) slow(url string, polls, fetches time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.takes[url], h.fetchTakes[url] = polls, fetches
}

// polled is how often the branch main of a URL was.
func (h *hosts) polled(url string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.polls[url+" main"]
}

func (h *hosts) begin(ctx context.Context, kind, key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inFlight[kind+" "+key]++
	h.inFlight[kind]++
	if h.inFlight[kind+" "+key] > 1 {
		h.wrong = append(h.wrong, "two at once: "+kind+" "+key)
	}
	if kind == "poll" && ctx.Err() == nil && h.wanted != nil && !h.wanted(key) {
		h.wrong = append(h.wrong, "nobody wants: "+kind+" "+key)
	}
	h.most[kind] = max(h.most[kind], h.inFlight[kind])
}

func (h *hosts) end(kind, key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inFlight[kind+" "+key]--
	h.inFlight[kind]--
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (h *hosts) push(url, commit string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.commits[url] = commit
}

func (h *hosts) fail(url string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.errs[url] = err
}

// count is how many polls there were.
func (h *hosts) count() (polls int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for n := range maps.Values(h.polls) {
		polls += n
	}
	return polls
}

// archives keep what is put into them.
type archives struct {
	mu   sync.Mutex
	has  map[string]bool
	puts int
	err  error
}

func (a *archives) PutDir(_ context.Context, dir string) (string, error) {
	content, err := os.ReadFile(filepath.Join(dir, "file"))
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := errors.Join(err, a.err); err != nil {
		return "", err
	}
	a.puts++
	a.has["sha256:"+string(content)] = true
	return "sha256:" + string(content), nil
}

func (a *archives) Has(digest string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.has[digest]
}

func (a *archives) lose(digest string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.has, digest)
}

// requests counts requests by operation and result.
type requests struct {
	mu sync.Mutex
	by map[string]int
}

func (r *requests) GitRequested(operation, result string, _ time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.by[operation+" "+result]++
}

// world is a tracker that runs in a bubble of its own time.
type world struct {
	*testing.T
	*Tracker
	fake     *hosts
	archives *archives
	requests *requests
	dir      string
	mu       sync.Mutex
	woken    []string
	stop     func()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		T: t, dir: t.TempDir(),
		fake: &hosts{
			commits: map[string]string{}, errs: map[string]error{}, takes: map[string]time.Duration{}, fetchTakes: map[string]time.Duration{},
			polls: map[string]int{}, fetches: map[string]int{}, inFlight: map[string]int{}, made: map[string]int{}, most: map[string]int{},
		},
		archives: &archives{has: map[string]bool{}}, requests: &requests{by: map[string]int{}},
	}
	var log logr.Logger
	if testing.Verbose() {
		log = testr.New(t)
	}
	w.Tracker = New(Options{
		Client: w.fake, Store: w.archives, Recorder: w.requests, Clock: clock.RealClock{}, Log: log,
		Dir: filepath.Join(w.dir, "git"), Polls: 8, Fetches: 2,
	})
	w.Notify("Stack", func(name types.NamespacedName) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.woken = append(w.woken, name.Name)
	})
	return w
}

// start runs the tracker until stop, or the test's end.
func (w *world) start() {
	w.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Start(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.Error(err)
		}
	})
}

// inBubble runs a test with a running tracker, in which time passes only when everybody waits.
func inBubble(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		test(w)
		w.stop()
		left, err := filepath.Glob(filepath.Join(w.dir, "git", "*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %q, %v", left, err)
		}
		w.fake.mu.Lock()
		defer w.fake.mu.Unlock()
		for _, wrong := range w.fake.wrong {
			t.Error(wrong)
		}
	})
}

func stackNamed(name string) source.Consumer {
	return source.Consumer{Kind: "Stack", NamespacedName: types.NamespacedName{Namespace: "ns", Name: name}}
}

// wakes are the Stacks that were woken since the last time, sorted, each once.
func (w *world) wakes() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	woken := slices.Compact(slices.Sorted(slices.Values(w.woken)))
	w.woken = nil
	return woken
}

// after lets the time pass and everything come to rest.
func after(d time.Duration) {
	time.Sleep(d + 10*time.Millisecond)
	synctest.Wait()
}

const (
	urlA = "https://one.example/a"
	urlB = "https://one.example/b"
	urlC = "https://two.example/c"
)

// branch is a request for a branch.
func branch(url string) Request {
	return Request{Remote: client.Remote{URL: url}, Ref: "main", Every: time.Minute}
}

func pinned(url, commit string) Request {
	return Request{Remote: client.Remote{URL: url}, Commit: commit}
}

// sees has a Stack observe, and compares what it is told in a few words: "" for nothing, the commit, and the error's
// kind and text.
func (w *world) sees(stack string, r Request, want string) {
	w.Helper()
	if got := told(w.Observe(stackNamed(stack), r)); got != want {
		w.Errorf("Stack %s is told %q, want %q", stack, got, want)
	}
}

func told(revision source.Revision, err error) string {
	text := revision.Revision
	if revision.Revision != "" && (revision.Digest != "sha256:"+revision.Revision || revision.Content != "tree of "+revision.Revision) {
		text = fmt.Sprintf("inconsistent: %+v", revision)
	}
	var stale *StaleError
	switch {
	case err == nil:
		return text
	case errors.As(err, &stale) && stale.Pending:
		return text + " pending: " + err.Error()
	case errors.As(err, &stale):
		return text + " stale: " + err.Error()
	}
	if terminal, is := failure.AsTerminal(err); is {
		return text + "terminal " + terminal.Reason + ": " + err.Error()
	}
	if errors.As(err, new(*FetchingError)) {
		text += "close, "
	}
	if waiting, is := failure.AsWaiting(err); is {
		return text + "waiting " + waiting.Reason + ": " + err.Error()
	}
	return text + "error: " + err.Error()
}

func (w *world) wakesAre(want ...string) {
	w.Helper()
	if diff := cmp.Diff(want, w.wakes()); diff != "" {
		w.Errorf("woken (-want +got):\n%s", diff)
	}
}

func (w *world) pollsAre(url string, want int) {
	w.Helper()
	w.fake.mu.Lock()
	defer w.fake.mu.Unlock()
	if got := w.fake.polls[url+" main"]; got != want {
		w.Errorf("%d polls of %s, want %d", got, url, want)
	}
}

func (w *world) fetchesAre(want map[string]int) {
	w.Helper()
	w.fake.mu.Lock()
	defer w.fake.mu.Unlock()
	if diff := cmp.Diff(want, w.fake.fetches); diff != "" {
		w.Errorf("fetches (-want +got):\n%s", diff)
	}
}
