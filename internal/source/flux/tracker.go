package flux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/artifact"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/schedule"
	"github.com/gantry-operator/gantry/internal/source"
)

// Store keeps archives by their digest.
type Store interface {
	// PutDir stores the files of a directory and answers the digest of their archive.
	PutDir(ctx context.Context, dir string) (digest string, err error)
	// Has tells whether an archive is there.
	Has(digest string) bool
}

// Getter gets an artifact and answers the directory, below dir, with its files.
type Getter interface {
	Fetch(ctx context.Context, a Artifact, dir string) (files string, err error)
}

// Tracker gets the artifacts that are asked for into the store, in the background and each once, however many ask.
type Tracker struct {
	getter  Getter
	store   Store
	clock   clock.WithTicker
	log     logr.Logger
	scratch string

	mu      sync.Mutex
	content map[string]*content
	// held is what each consumer asked for last.
	held map[source.Consumer]*download
	// wake tells consumers, by their kind.
	wake map[string]func(types.NamespacedName)
	// queue has the digests to get; nil while the tracker does not run.
	queue workqueue.TypedDelayingInterface[string]
}

// content is what a digest stands for. Its fields are guarded by the tracker's mutex.
type content struct {
	// stored is the digest of the archive in the store, if it is known to be there.
	stored string
	// downloads are the places it may be had from, by their URLs. A failure is that of one place: whoever names a digest
	// that is another's, and a wrong place for it, harms nobody but himself.
	downloads map[string]*download
}

// download is a place that a content may be had from.
type download struct {
	Artifact
	consumers map[source.Consumer]struct{}
	// err is why the last try failed; failures counts those in a row, and due is when to try again.
	err      error
	failures int64
	due      time.Time
}

const (
	// workers is how many artifacts are fetched at the same time.
	workers = 8
	// longestWait is the longest time between two tries to get an artifact.
	longestWait = 5 * time.Minute
	// invalidWait is the time after which an artifact is tried again that cannot be used. It is its source that has to
	// name another one; but what came may have been the answer of a proxy that was in the way.
	invalidWait = time.Hour
)

// NewTracker makes a tracker that fetches nothing yet. What it fetches goes through the directory scratch, which is its own.
func NewTracker(getter Getter, store Store, now clock.WithTicker, log logr.Logger, scratch string) *Tracker {
	return &Tracker{
		getter: getter, store: store, clock: now, log: log, scratch: scratch,
		content: map[string]*content{}, held: map[source.Consumer]*download{}, wake: map[string]func(types.NamespacedName){},
	}
}

// Notify sets who is told which consumers of a kind to look at again. wake must not block.
func (t *Tracker) Notify(kind string, wake func(types.NamespacedName)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wake[kind] = wake
}

// Known says that a record names an archive of the store for a content, so that it need not be fetched. It is for a
// content that is observed next.
func (t *Tracker) Known(content, digest string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.contentOf(content); c.stored == "" && t.store.Has(digest) {
		c.stored = digest
	}
}

// Observe makes an artifact what a consumer follows, and answers its revision once it is in the store. It never waits
// for the network: an artifact that is being fetched, or cannot be for now, is a *failure.WaitingError, one that cannot
// be used a *failure.TerminalError; the consumer is woken when there is something new to say.
func (t *Tracker) Observe(consumer source.Consumer, a Artifact) (source.Revision, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.hold(consumer, a)
	c := t.content[a.Digest]
	if c.stored != "" && t.store.Has(c.stored) {
		return source.Revision{Revision: a.Revision, Digest: c.stored, Content: a.Digest}, nil
	}
	c.stored = ""
	if d.err != nil {
		return source.Revision{}, d.err
	}
	if t.queue != nil {
		t.queue.Add(a.Digest)
	}
	return source.Revision{}, failure.NewWaiting(pulumiv1.ReasonStackProcessing, "fetching revision %q", a.Revision)
}

// Forget ends what was followed for a consumer.
func (t *Tracker) Forget(consumer source.Consumer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.release(consumer)
}

// contentOf finds or makes what a digest stands for.
func (t *Tracker) contentOf(digest string) *content {
	c := t.content[digest]
	if c == nil {
		c = &content{downloads: map[string]*download{}}
		t.content[digest] = c
	}
	return c
}

// hold makes an artifact all that a consumer follows.
func (t *Tracker) hold(consumer source.Consumer, a Artifact) *download {
	if d := t.held[consumer]; d != nil && d.URL == a.URL && d.Digest == a.Digest {
		return d
	}
	c := t.contentOf(a.Digest)
	d := c.downloads[a.URL]
	if d == nil {
		d = &download{Artifact: a, consumers: map[source.Consumer]struct{}{}}
		c.downloads[a.URL] = d
	}
	d.consumers[consumer] = struct{}{}
	t.release(consumer)
	t.held[consumer] = d
	return d
}

// release takes a consumer off what it followed, which is forgotten with the last one.
func (t *Tracker) release(consumer source.Consumer) {
	d := t.held[consumer]
	if d == nil {
		return
	}
	delete(t.held, consumer)
	delete(d.consumers, consumer)
	if len(d.consumers) > 0 {
		return
	}
	c := t.content[d.Digest]
	delete(c.downloads, d.URL)
	if len(c.downloads) == 0 {
		delete(t.content, d.Digest)
	}
}

// NeedLeaderElection says that only the leader fetches.
func (t *Tracker) NeedLeaderElection() bool { return true }

// Start fetches until ctx is done, and returns when nothing is under way any more.
func (t *Tracker) Start(ctx context.Context) error {
	// What is there is of a manager that was killed.
	if err := errors.Join(os.RemoveAll(t.scratch), os.MkdirAll(t.scratch, 0o700)); err != nil {
		return fmt.Errorf("make a place for artifacts: %w", err)
	}
	queue := workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[string]{Clock: t.clock})
	t.mu.Lock()
	t.queue = queue
	for digest := range t.content {
		queue.Add(digest)
	}
	t.mu.Unlock()
	var running sync.WaitGroup
	for range workers {
		running.Go(func() { t.work(ctx, queue) })
	}
	<-ctx.Done()
	t.mu.Lock()
	t.queue = nil
	t.mu.Unlock()
	queue.ShutDown()
	running.Wait()
	return nil
}

// work gets one content after another.
func (t *Tracker) work(ctx context.Context, queue workqueue.TypedDelayingInterface[string]) {
	for {
		digest, end := queue.Get()
		if end {
			return
		}
		for d := t.next(digest); d != nil && ctx.Err() == nil; d = t.next(digest) {
			stored, err := t.get(ctx, *d)
			t.record(ctx, *d, stored, err)
		}
		queue.Done(digest)
	}
}

// next is where to try next to get a content; nil if there is nothing to try now.
func (t *Tracker) next(digest string) *Artifact {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.content[digest]
	if c == nil || t.queue == nil || (c.stored != "" && t.store.Has(c.stored)) {
		return nil
	}
	c.stored = ""
	var first *download
	for _, d := range c.downloads {
		if first == nil || d.due.Before(first.due) {
			first = d
		}
	}
	if wait := first.due.Sub(t.clock.Now()); wait > 0 {
		t.queue.AddAfter(digest, wait)
		return nil
	}
	return &first.Artifact
}

// get fetches an artifact and stores it.
func (t *Tracker) get(ctx context.Context, a Artifact) (stored string, err error) {
	dir, err := os.MkdirTemp(t.scratch, "")
	if err != nil {
		return "", fmt.Errorf("make a place for the artifact: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	files, err := t.getter.Fetch(ctx, a, dir)
	if err != nil {
		return "", err
	}
	return t.store.PutDir(ctx, files)
}

// record keeps how a try ended, and wakes those for whom that is news.
func (t *Tracker) record(ctx context.Context, a Artifact, stored string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.content[a.Digest]
	if c == nil || (err != nil && ctx.Err() != nil) {
		return // nobody wants it any more, or the manager ends
	}
	if err == nil {
		c.stored = stored
		for _, d := range c.downloads {
			d.err, d.failures, d.due = nil, 0, time.Time{}
			t.wakeAll(d)
		}
		return
	}
	d := c.downloads[a.URL]
	if d == nil {
		return
	}
	t.log.Info("An artifact cannot be had", "digest", a.Digest, "error", err.Error())
	d.err = explained(err)
	d.failures++
	wait := schedule.Backoff{Base: 5 * time.Second, Factor: 2, Cap: longestWait}.After(d.failures)
	if errors.As(d.err, new(*failure.TerminalError)) {
		wait = invalidWait
	}
	d.due = t.clock.Now().Add(schedule.Jitter(wait, a.URL))
	t.wakeAll(d)
}

func (t *Tracker) wakeAll(d *download) {
	for consumer := range d.consumers {
		if wake := t.wake[consumer.Kind]; wake != nil {
			wake(consumer.NamespacedName)
		}
	}
}

// explained is a failure that a Stack can tell of.
func explained(err error) error {
	switch {
	case errors.As(err, new(*failure.TerminalError)), errors.As(err, new(*failure.WaitingError)):
		return err
	case errors.As(err, new(*artifact.TooLargeError)), errors.As(err, new(*artifact.InvalidError)):
		return failure.NewTerminal(pulumiv1.ReasonSourceInvalid, "the artifact cannot be used: %w", err)
	}
	return failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "the artifact cannot be stored: %w", err)
}
