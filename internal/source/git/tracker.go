package git

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/git/client"
)

// Client talks to git hosts.
type Client interface {
	Resolve(ctx context.Context, r client.Remote, ref string) (commit string, err error)
	Checkout(ctx context.Context, r client.Remote, commit string, s client.Selection, dir string) (content string, err error)
	Prune(keep func(r client.Remote) bool)
}

// Store keeps archives.
type Store interface {
	PutDir(ctx context.Context, dir string) (digest string, err error)
	Has(digest string) bool
}

// Recorder measures. The result is the kind of the failure, or success.
type Recorder interface {
	GitRequested(operation, result string, took time.Duration)
}

// Options are what a Tracker needs.
type Options struct {
	Client   Client
	Store    Store
	Recorder Recorder
	Clock    clock.WithTicker
	Log      logr.Logger
	// Dir is where commits are checked out before they are archived. What is in it is removed at the start.
	Dir string
	// Polls and Fetches are how many of each run at the same time.
	Polls, Fetches int
}

// Tracker follows repositories. All it knows is in memory and comes back with the next answers to Observe.
type Tracker struct {
	Options
	// key is that of the credentials' fingerprints.
	key []byte
	// woken tells Start to look again.
	woken chan struct{}

	mu            sync.Mutex
	subscriptions map[source.Consumer]*subscription
	follows       map[followKey]*follow
	polls         map[pollKey]*poll
	fetches       map[archiveKey]*fetch
	hosts         map[string]*host
	// archives are those that were made, as far as they are still in the store.
	archives map[archiveKey]source.Revision
	// wake is who wakes the consumers of a kind.
	wake map[string]func(types.NamespacedName)
	// released says that something is followed no more since the client was last told.
	released bool
}

// pollKey tells what is polled.
type pollKey struct {
	remote
	ref string
}

// New makes a Tracker that does nothing before Start.
func New(o Options) *Tracker {
	key := make([]byte, 32)
	rand.Read(key)
	return &Tracker{
		Options: o, key: key, woken: make(chan struct{}, 1),
		subscriptions: map[source.Consumer]*subscription{}, follows: map[followKey]*follow{}, polls: map[pollKey]*poll{},
		fetches: map[archiveKey]*fetch{}, hosts: map[string]*host{}, archives: map[archiveKey]source.Revision{},
		wake: map[string]func(types.NamespacedName){},
	}
}

// Notify sets who is told which consumers of a kind to look at again. wake must not block.
func (t *Tracker) Notify(kind string, wake func(types.NamespacedName)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wake[kind] = wake
}

// Observe makes the request all that a consumer follows, and answers what is known of it. It never waits for a host: the
// consumer is woken when the answer changes. The error is a *failure.WaitingError while there is nothing yet or what
// hinders may pass, a *failure.TerminalError where a person has to act, and a *StaleError beside the last Revision that
// was known.
func (t *Tracker) Observe(consumer source.Consumer, r Request) (source.Revision, error) {
	where, err := locate(r.Remote.URL)
	if err != nil {
		t.Forget(consumer)
		return source.Revision{}, failure.NewTerminal(pulumiv1.ReasonSpecInvalid, "%w", err)
	}
	key := followKey{
		remote: remote{where.url, r.Remote.Credential.Fingerprint(t.key)}, ref: r.Ref, commit: r.Commit, selection: selectionKey(r.Selection),
	}
	if r.Commit != "" {
		key.ref = ""
	}
	for {
		said := t.subscribe(consumer, key, where, r)
		if said.revision.Digest == "" || t.Store.Has(said.revision.Digest) {
			return said.revision, said.err
		}
		t.lost(consumer, said.revision.Digest)
	}
}

// Forget ends what was followed for a consumer that is gone.
func (t *Tracker) Forget(consumer source.Consumer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.subscriptions[consumer]; s != nil {
		delete(t.subscriptions, consumer)
		t.leave(consumer, s)
		t.look()
	}
}

// Poke polls all that is followed of a repository, given as client.URL's Key, as something was pushed there. Of a host
// that fails it follows up one push only until the host is tried again anyway.
func (t *Tracker) Poke(repository string) (known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.Clock.Now()
	for _, p := range t.polls {
		if p.repository != repository || len(p.follows) == 0 {
			continue
		}
		known = true
		if p.host.failures > 0 {
			if p.host.poked {
				continue
			}
			p.host.poked = true
		}
		p.ask(now)
	}
	t.look()
	return known
}

// Count tells how many refs are followed, and how many of them could not be polled the last time.
func (t *Tracker) Count() (followed, failing int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.polls {
		if len(p.follows) == 0 {
			continue
		}
		followed++
		if p.err != nil || p.ends == 0 && p.host.failures > 0 {
			failing++
		}
	}
	return followed, failing
}

// look makes Start look again.
func (t *Tracker) look() {
	select {
	case t.woken <- struct{}{}:
	default:
	}
}

// settle wakes the consumers of a follow whose answer is another one than they were told.
func (t *Tracker) settle(f *follow) {
	for consumer, s := range f.consumers {
		now := s.answer()
		if now.same(s.told) {
			continue
		}
		s.told = now
		if wake := t.wake[consumer.Kind]; wake != nil {
			wake(consumer.NamespacedName)
		}
	}
}
