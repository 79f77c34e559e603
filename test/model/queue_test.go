package model

import (
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// queue is a controller's work queue. It hands out an item only when the world says so, and the world can see what is in
// it. Like the library's own, it has an item once, at the soonest of the times that were asked for.
type queue struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request] // what nobody here calls

	name    string
	limiter workqueue.TypedRateLimiter[reconcile.Request]
	arrived chan<- struct{}

	mu    sync.Mutex
	items map[reconcile.Request]item
	made  int

	give chan reconcile.Request
	done chan struct{}
	stop chan struct{}
	once sync.Once
}

// item is when something is due, and in which order it came.
type item struct {
	due   time.Time
	order int
}

func newQueue(name string, limiter workqueue.TypedRateLimiter[reconcile.Request], arrived chan<- struct{}) *queue {
	return &queue{
		name: name, limiter: limiter, arrived: arrived, items: map[reconcile.Request]item{},
		give: make(chan reconcile.Request), done: make(chan struct{}), stop: make(chan struct{}),
	}
}

func (q *queue) Add(request reconcile.Request) { q.AddAfter(request, 0) }

func (q *queue) AddAfter(request reconcile.Request, after time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	due := time.Now().Add(after)
	if old, ok := q.items[request]; ok && !due.Before(old.due) {
		return
	}
	q.made++
	q.items[request] = item{due, q.made}
	select {
	case q.arrived <- struct{}{}:
	default:
	}
}

func (q *queue) AddRateLimited(request reconcile.Request) {
	q.AddAfter(request, q.limiter.When(request))
}
func (q *queue) Forget(request reconcile.Request) { q.limiter.Forget(request) }
func (q *queue) NumRequeues(request reconcile.Request) int {
	return q.limiter.NumRequeues(request)
}

// Get waits until the world hands out an item.
func (q *queue) Get() (reconcile.Request, bool) {
	select {
	case request := <-q.give:
		return request, false
	case <-q.stop:
		return reconcile.Request{}, true
	}
}

// Done tells the world that the item is dealt with.
func (q *queue) Done(reconcile.Request) {
	select {
	case q.done <- struct{}{}:
	case <-q.stop:
	}
}

func (q *queue) ShutDown() { q.once.Do(func() { close(q.stop) }) }

// ready are the items that are due, in the order in which they came.
func (q *queue) ready() []reconcile.Request {
	q.mu.Lock()
	defer q.mu.Unlock()
	var first *reconcile.Request
	for request, i := range q.items {
		if !i.due.After(time.Now()) && (first == nil || i.order < q.items[*first].order) {
			first = &request
		}
	}
	if first == nil {
		return nil
	}
	return []reconcile.Request{*first}
}

// next is when the next item is due; ok says whether there is one.
func (q *queue) next() (due time.Time, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, i := range q.items {
		if !ok || i.due.Before(due) {
			due, ok = i.due, true
		}
	}
	return due, ok
}

// has tells whether an item is there, due or not.
func (q *queue) has(request reconcile.Request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, ok := q.items[request]
	return ok
}

// run hands out an item and waits until it is dealt with.
func (q *queue) run(request reconcile.Request) {
	q.mu.Lock()
	delete(q.items, request)
	q.mu.Unlock()
	q.give <- request
	<-q.done
}
