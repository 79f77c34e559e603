package model

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gantry-operator/gantry/internal/hub/identity"
	"github.com/gantry-operator/gantry/internal/source"
)

// mostAtOnce is how much may happen at one moment, and how often something within a second, before it runs in circles.
const mostAtOnce = 3000

// world is all there is. Whatever happens in it happens one after the other, in an order that the world chooses.
type world struct {
	store     *store
	archives  archives
	artifacts *archives
	host      gitHost
	inputs    inputs
	manager   *manager
	agents    map[types.UID]*agent
	// programs are those that end the same way each time.
	programs map[types.NamespacedName]int
	log      logr.Logger
	// random chooses what happens next; nil takes what comes first.
	random *rand.Rand

	mu sync.Mutex
	// plans are what happens by itself in time.
	plans []plan
	made  int
	// arrived says that a queue got an item.
	arrived  chan struct{}
	sweeping bool

	// writes counts those of managers. The one that is dieAt writes away is the last of this manager's life, and is done or
	// not; next is what happens just before the write that is nextAt away.
	writes   int
	dieAt    int
	dieAfter bool
	next     *incident
	nextAt   int

	truth
	// wrong is what went wrong first, and rule the same without the names: two histories that break the same rule show
	// the same fault.
	wrong, rule string
}

// plan is something that happens at a time.
type plan struct {
	due   time.Time
	order int
	do    func()
}

func newWorld(log logr.Logger) *world {
	w := &world{
		store: newStore(), archives: archives{kept: map[string]bool{}}, agents: map[types.UID]*agent{}, programs: map[types.NamespacedName]int{}, log: log,
		arrived: make(chan struct{}, 1), truth: newTruth(),
	}
	w.artifacts = &w.archives
	w.host = gitHost{archives: &w.archives, wake: map[string]func(types.NamespacedName){}, followed: map[source.Consumer]bool{}}
	w.inputs = inputs{store: w.store, held: map[types.NamespacedName]bool{}}
	w.store.changed = w.saw
	w.manager = startManager(w)
	return w
}

// fail notes what is wrong first.
func (w *world) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wrong == "" {
		w.wrong, w.rule = fmt.Sprintf(format, args...), format
	}
}

// after plans something.
func (w *world) after(d time.Duration, do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.made++
	w.plans = append(w.plans, plan{time.Now().Add(d), w.made, do})
}

// due takes the next plan whose time has come out of the list; nil if there is none.
func (w *world) due() func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := -1
	for i, p := range w.plans {
		if !p.due.After(time.Now()) && (first < 0 || p.order < w.plans[first].order) {
			first = i
		}
	}
	if first < 0 {
		return nil
	}
	do := w.plans[first].do
	w.plans = slices.Delete(w.plans, first, first+1)
	return do
}

// options are all that may happen now.
func (w *world) options() []func() {
	var all []func()
	w.mu.Lock()
	planned := slices.ContainsFunc(w.plans, func(p plan) bool { return !p.due.After(time.Now()) })
	w.mu.Unlock()
	if planned {
		all = append(all, func() { w.due()() })
	}
	for _, kind := range w.manager.caches.behind() {
		all = append(all, func() { w.manager.caches.catchUp(kind) })
	}
	for _, uid := range slices.Sorted(maps.Keys(w.agents)) {
		if a := w.agents[uid]; a.mail() {
			all = append(all, a.read)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.manager.queues)) {
		q := w.manager.queues[name]
		for _, request := range q.ready() {
			all = append(all, func() { q.run(request) })
		}
	}
	return all
}

// rest lets happen what happens without time passing.
func (w *world) rest() {
	for range mostAtOnce {
		synctest.Wait()
		if w.manager.dead.Load() {
			w.restart()
			continue
		}
		all := w.options()
		if len(all) == 0 || w.wrong != "" {
			return
		}
		choice := 0
		if w.random != nil {
			choice = w.random.IntN(len(all))
		}
		all[choice]()
	}
	w.fail("the controllers never come to rest")
}

// pass lets time pass, and happen what happens in it.
func (w *world) pass(d time.Duration) {
	end, since, rounds := time.Now().Add(d), time.Now(), 0
	for w.wrong == "" {
		w.rest()
		if rounds++; time.Since(since) >= time.Second {
			since, rounds = time.Now(), 0
		}
		if rounds > mostAtOnce {
			w.fail("the controllers run in circles")
		}
		next := w.soonest(end)
		if !next.After(time.Now()) {
			if !end.After(time.Now()) {
				return
			}
			continue
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-timer.C:
		case <-w.arrived:
			timer.Stop()
		}
	}
}

// soonest is when something happens next, or the given time if nothing does before.
func (w *world) soonest(end time.Time) time.Time {
	for _, q := range w.manager.queues {
		if due, ok := q.next(); ok && due.Before(end) {
			end = due
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.plans {
		if p.due.Before(end) {
			end = p.due
		}
	}
	return end
}

// restart ends the manager and starts another one. The agents notice, after they have read what it sent them.
func (w *world) restart() {
	w.manager.end()
	for _, uid := range slices.Sorted(maps.Keys(w.agents)) {
		a := w.agents[uid]
		for a.wire != nil && len(a.wire.down) > 0 {
			a.take(<-a.wire.down)
		}
		a.hangUp()
	}
	w.manager = startManager(w)
}

// close ends everything.
func (w *world) close() {
	for _, a := range w.agents {
		a.die(false)
	}
	w.manager.end()
}

// Authenticate takes the UID of a pod for a token, if there is such a pod.
func (w *world) Authenticate(_ context.Context, token string) (identity.Identity, error) {
	for _, object := range w.store.all("Pod") {
		if string(object.GetUID()) == token {
			if a := w.agents[object.GetUID()]; a != nil {
				return identity.Identity{Workspace: a.workspace, Pod: a.pod}, nil
			}
		}
	}
	return identity.Identity{}, identity.ErrUnauthenticated
}

// meanwhile lets the incident happen that was put off until this write.
func (w *world) meanwhile() {
	if w.next == nil {
		return
	}
	if w.nextAt--; w.nextAt <= 0 {
		now := *w.next
		w.next = nil
		w.happen(now)
	}
}

func (w *world) pods() []*corev1.Pod {
	var pods []*corev1.Pod
	for _, object := range w.store.all("Pod") {
		pods = append(pods, object.(*corev1.Pod))
	}
	return pods
}

// objectNames are what is left of some kinds. A Workspace that a person had orphaned stays, without a pod.
func (w *world) objectNames(kinds ...string) []string {
	var names []string
	for _, kind := range kinds {
		for _, object := range w.store.all(kind) {
			if kind == "Workspace" && object.GetNamespace() == namespace && len(object.GetOwnerReferences()) == 0 {
				continue
			}
			names = append(names, kind+" "+client.ObjectKeyFromObject(object).String())
		}
	}
	return names
}
