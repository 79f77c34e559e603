package hub

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
)

// pending is a set of names that somebody has yet to deal with. Adding never blocks; a name that is added twice before
// it is taken is taken once.
type pending struct {
	mu    sync.Mutex
	names map[types.NamespacedName]struct{}
	ready chan struct{}
}

func newPending() *pending {
	return &pending{names: map[types.NamespacedName]struct{}{}, ready: make(chan struct{}, 1)}
}

// add puts a name in.
func (p *pending) add(name types.NamespacedName) {
	p.mu.Lock()
	p.names[name] = struct{}{}
	p.mu.Unlock()
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// next takes a name out, waiting for one until ctx is done.
func (p *pending) next(ctx context.Context) (name types.NamespacedName, ok bool) {
	for {
		if name, ok := p.take(); ok {
			return name, true
		}
		select {
		case <-p.ready:
		case <-ctx.Done():
			return types.NamespacedName{}, false
		}
	}
}

// take takes any name out.
func (p *pending) take() (name types.NamespacedName, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name := range p.names {
		delete(p.names, name)
		return name, true
	}
	return types.NamespacedName{}, false
}

// waker tells a controller, through a channel, which objects to look at. Nothing it is asked to tell gets lost, and
// asking never blocks, however slow the controller is.
type waker[T any, P interface {
	*T
	client.Object
}] struct {
	pending *pending
	out     chan event.GenericEvent
	every   time.Duration

	mu sync.Mutex
	// paced has the names that were told less than every ago; true means that there was more since then.
	paced map[types.NamespacedName]bool
}

func newWaker[T any, P interface {
	*T
	client.Object
}](every time.Duration) *waker[T, P] {
	return &waker[T, P]{pending: newPending(), out: make(chan event.GenericEvent), every: every, paced: map[types.NamespacedName]bool{}}
}

// now tells the name at once.
func (w *waker[T, P]) now(name types.NamespacedName) {
	w.pending.add(name)
}

// soon tells the name at once if that was not done a short while ago, else when that while is over.
func (w *waker[T, P]) soon(name types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, paced := w.paced[name]; paced {
		w.paced[name] = true
		return
	}
	w.pace(name)
}

// pace tells the name and starts its while. w.mu is held.
func (w *waker[T, P]) pace(name types.NamespacedName) {
	w.paced[name] = false
	w.pending.add(name)
	time.AfterFunc(w.every, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.paced[name] {
			w.pace(name)
			return
		}
		delete(w.paced, name)
	})
}

// pump sends what is pending until ctx is done.
func (w *waker[T, P]) pump(ctx context.Context) {
	for {
		name, ok := w.pending.next(ctx)
		if !ok {
			return
		}
		object := P(new(T))
		object.SetNamespace(name.Namespace)
		object.SetName(name.Name)
		select {
		case w.out <- event.GenericEvent{Object: object}:
		case <-ctx.Done():
			return
		}
	}
}
