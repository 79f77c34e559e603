// Package references owns what the manager knows of the Secrets and ConfigMaps that Stacks name: whether their content
// changed. It watches the metadata of each of them, and of no other, for as long as a Stack names it, or gets it every now
// and then where it may not watch; it reads the content once per version, keeps nothing of it but keyed digests, and wakes
// the Stacks that name what changed.
package references

import (
	"context"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gantry-operator/gantry/internal/pod"
)

// Summary is what a Stack's inputs are at a time.
type Summary struct {
	// Digests are the inputs' digests, by kind and name: "Secret/credentials".
	Digests map[string]string
	// Missing are those of them without which the Stack's pod does not start, sorted.
	Missing []string
}

// Tracker follows what Stacks name.
type Tracker struct {
	// live reads from the API server.
	live client.Reader
	// metadata watches.
	metadata metadata.Interface
	// key is that of the digests.
	key []byte
	// clock tells when to look again at what may not be watched.
	clock clock.WithTicker
	// mayWatch tells whether the Secrets of a namespace may be listed and watched.
	mayWatch func(ctx context.Context, namespace string) bool

	mu      sync.Mutex
	entries map[object]*entry
	// held are the entries that each Stack names.
	held map[types.NamespacedName][]*entry
	// wake wakes a Stack; nil before somebody wants to be told.
	wake func(stack types.NamespacedName)
	// follow starts to follow an entry; nil while the tracker does not run.
	follow func(*entry)
}

// object names a Secret or ConfigMap.
type object struct{ kind, namespace, name string }

// entry is an object that Stacks name. Its fields are guarded by the tracker's mutex, but for the first two.
type entry struct {
	object
	// reading is held while the object is read, which is done once for all who ask.
	reading sync.Mutex

	stacks map[types.NamespacedName]struct{}
	// stop ends that it is followed.
	stop context.CancelFunc
	// seen is the version that was told last; told counts what was told.
	seen string
	told int
	// known says that content is the object's, as far as anybody knows; version is the one that was read.
	known   bool
	version string
	content content
}

// New makes a tracker that follows nothing yet. The key is that of the digests; mayWatch tells whether the Secrets of a
// namespace may be listed and watched.
func New(live client.Reader, all metadata.Interface, key []byte, now clock.WithTicker, mayWatch func(ctx context.Context, namespace string) bool) *Tracker {
	return &Tracker{
		live: live, metadata: all, key: key, clock: now, mayWatch: mayWatch,
		entries: map[object]*entry{}, held: map[types.NamespacedName][]*entry{},
	}
}

// Notify sets who is told which Stacks to look at again. wake must not block.
func (t *Tracker) Notify(wake func(stack types.NamespacedName)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wake = wake
}

// Start follows what Stacks name until ctx is done, and returns when nothing is followed any more.
func (t *Tracker) Start(ctx context.Context) error {
	var watches sync.WaitGroup
	t.mu.Lock()
	t.follow = func(e *entry) {
		ctx, cancel := context.WithCancel(ctx)
		e.stop = cancel
		watches.Go(func() { t.followOne(ctx, e) })
	}
	for _, e := range t.entries {
		t.follow(e)
	}
	t.mu.Unlock()
	<-ctx.Done()
	t.mu.Lock()
	t.follow = nil
	t.mu.Unlock()
	watches.Wait()
	return nil
}

// Observe makes inputs all that a Stack names, and sums them up. What is known already is not read again.
func (t *Tracker) Observe(ctx context.Context, stack types.NamespacedName, inputs []pod.Input) (Summary, error) {
	summary := Summary{Digests: map[string]string{}}
	for i, e := range t.hold(stack, inputs) {
		content, err := t.contentOf(ctx, e)
		if err != nil {
			return Summary{}, err
		}
		name := inputs[i].Kind + "/" + inputs[i].Name
		digest, missing := content.digest(t.key, inputs[i])
		summary.Digests[name] = digest
		if missing {
			summary.Missing = append(summary.Missing, name)
		}
	}
	slices.Sort(summary.Missing)
	return summary, nil
}

// Forget ends what was held for a Stack that is gone.
func (t *Tracker) Forget(stack types.NamespacedName) { t.hold(stack, nil) }

// Outdate makes what is known of an object be read again, without waiting for its watch.
func (t *Tracker) Outdate(kind string, name types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.entries[object{kind, name.Namespace, name.Name}]; e != nil {
		e.known, e.told = false, e.told+1
	}
}

// hold makes the objects of inputs all that a Stack holds, and answers their entries in the same order.
func (t *Tracker) hold(stack types.NamespacedName, inputs []pod.Input) []*entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	held := make([]*entry, 0, len(inputs))
	for _, input := range inputs {
		o := object{input.Kind, stack.Namespace, input.Name}
		e := t.entries[o]
		if e == nil {
			e = &entry{object: o, stacks: map[types.NamespacedName]struct{}{}}
			t.entries[o] = e
			if t.follow != nil {
				t.follow(e)
			}
		}
		e.stacks[stack] = struct{}{}
		held = append(held, e)
	}
	for _, e := range t.held[stack] {
		if !slices.Contains(held, e) {
			t.release(e, stack)
		}
	}
	t.held[stack] = held
	if len(held) == 0 {
		delete(t.held, stack)
	}
	return held
}

// release takes a Stack off an entry, which ends with the last one.
func (t *Tracker) release(e *entry, stack types.NamespacedName) {
	delete(e.stacks, stack)
	if len(e.stacks) > 0 {
		return
	}
	delete(t.entries, e.object)
	if e.stop != nil {
		e.stop()
	}
}

// saw takes note of a version that the watch told. Whoever knows another one is woken.
func (t *Tracker) saw(e *entry, version string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.seen, e.told = version, e.told+1
	if !e.known || e.version == version {
		return
	}
	e.known = false
	t.wakeAll(e)
}

func (t *Tracker) wakeAll(e *entry) {
	for stack := range e.stacks {
		if t.wake != nil {
			t.wake(stack)
		}
	}
}

// maxReads bounds how often an object that changes all the time is read on end.
const maxReads = 3

// contentOf is an entry's content, which is read if it is not known. The watch may run ahead of what is read, and behind.
func (t *Tracker) contentOf(ctx context.Context, e *entry) (content, error) {
	e.reading.Lock()
	defer e.reading.Unlock()
	for range maxReads {
		t.mu.Lock()
		if e.known {
			defer t.mu.Unlock()
			return e.content, nil
		}
		told := e.told
		t.mu.Unlock()
		version, content, err := t.read(ctx, e.object)
		if err != nil {
			return nil, err
		}
		t.mu.Lock()
		e.version, e.content = version, content
		e.known = e.told == told || e.seen == version
		t.mu.Unlock()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wakeAll(e) // it changed again in the meantime: what was read last will do for now
	return e.content, nil
}

// read reads an object and digests it. No object has no version and no content.
func (t *Tracker) read(ctx context.Context, o object) (version string, _ content, _ error) {
	var found client.Object = &corev1.Secret{}
	if o.kind == pod.KindConfigMap {
		found = &corev1.ConfigMap{}
	}
	err := t.live.Get(ctx, types.NamespacedName{Namespace: o.namespace, Name: o.name}, found)
	if apierrors.IsNotFound(err) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("read %s %s: %w", o.kind, o.name, err)
	}
	return found.GetResourceVersion(), contentOf(t.key, found), nil
}
