package operator

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

// errDead is what a dead manager gets from the network: nothing.
var errDead = errors.New("the manager is dead")

// life is one manager of a site, in the test's own process. It dies as a killed process does: from one moment on nothing
// of it reaches anybody. What it has in memory is lost, what it has on its disk stays.
type life struct {
	site *site
	once sync.Once
	dead chan struct{}
	stop context.CancelFunc
	// past is what the first lists are answered with.
	past map[string]*answer
	// lag is how late it hears of each kind.
	lag map[string]time.Duration

	mu sync.Mutex
	// watched are the kinds that its caches follow; busy is when it last asked for or wrote anything else.
	watched map[string]bool
	busy    time.Time
}

// quietFor is how long a manager that has all in view does nothing when it has done all.
const quietFor = 150 * time.Millisecond

// ask notes a request that is on its way.
func (l *life) ask(what target, watches bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = time.Now()
	if watches {
		l.watched[what.name] = true
	}
}

// quiet tells that the manager lives, sees what is there, and has nothing left to do.
func (l *life) quiet() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, kind := range followed() {
		if !l.watched[kind] {
			return false
		}
	}
	longest := time.Duration(0)
	for _, lag := range l.lag {
		longest = max(longest, lag)
	}
	return l.alive() && time.Since(l.busy) > quietFor+longest
}

// followed are the kinds that every manager's caches follow.
func followed() []string { return []string{"stacks", "programs", "workspaces", "updates", "pods"} }

// die ends it all, without waiting.
func (l *life) die() {
	l.once.Do(func() {
		close(l.dead)
		l.stop()
	})
}

func (l *life) alive() bool {
	select {
	case <-l.dead:
		return false
	default:
		return true
	}
}

// run is the whole of a manager as it is put together for its own process, with its own part of the network.
func (l *life) run(ctx context.Context) error {
	config := rest.CopyConfig(l.site.user)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &wire{life: l, next: next} })
	return run(ctx, l.site.options, config, l.site.log, process{metrics: prometheus.NewRegistry(), adjust: func(o *ctrl.Options) {
		o.Controller.SkipNameValidation = new(true)
		o.Cache.DefaultNamespaces = map[string]cache.Config{l.site.namespace: {}}
	}})
}

// wire is a manager's way to the API server.
type wire struct {
	life *life
	next http.RoundTripper
}

// RoundTrip lets a living manager's request pass, unless it is the one to die at.
func (w *wire) RoundTrip(request *http.Request) (*http.Response, error) {
	l, what := w.life, asked(request)
	if !l.alive() {
		return nil, errDead
	}
	if request.Method == http.MethodGet {
		defer l.ask(what, request.URL.Query().Get("watch") != "")
		return l.read(request, what, w.next)
	}
	become := goesOn
	if !what.aside() {
		defer l.ask(what, false)
		become = l.site.trap.meet(request.Method+" "+what.String(), true)
	}
	if become == diesBefore {
		l.die()
		return nil, errDead
	}
	response, err := w.next.RoundTrip(request)
	if become == diesAfterEach && err == nil && !l.site.memory.isNew(request.URL.Path, response) {
		become = goesOn
	}
	if become != goesOn {
		l.die()
	}
	return l.living(response, err)
}

// living withholds an answer from the dead.
func (l *life) living(response *http.Response, err error) (*http.Response, error) {
	if err == nil && !l.alive() {
		response.Body.Close()
		return nil, errDead
	}
	return response, err
}

// read passes reads on. Those that fill the cache may be answered from the past, or late.
func (l *life) read(request *http.Request, what target, next http.RoundTripper) (*http.Response, error) {
	query := request.URL.Query()
	watches := query.Get("watch") != ""
	fills := watches || query.Get("resourceVersion") == "0"
	if fills {
		l.site.memory.note(request)
	}
	past := l.past[request.URL.Path]
	switch {
	case past == nil:
	case watches && query.Get("sendInitialEvents") != "":
		return refuseList(request), nil
	case watches:
		select {
		case <-time.After(pastFor):
		case <-request.Context().Done():
			return nil, request.Context().Err()
		}
	case fills:
		return past.response(request), nil
	}
	response, err := l.living(next.RoundTrip(request))
	if lag := l.lag[what.name]; err == nil && watches && lag > 0 {
		response.Body = late(response.Body, lag)
	}
	return response, err
}

// target is what a request is about.
type target struct{ name, part string }

func (r target) String() string {
	if r.part == "" {
		return r.name
	}
	return r.name + "/" + r.part
}

// aside tells of writes that nobody's state rests on, and that are made by nobody's order: events are sent in the
// background, and reviews are questions.
func (r target) aside() bool {
	return r.name == "events" || r.name == "leases" || strings.HasSuffix(r.name, "reviews")
}

// asked reads the path of a request: /api/v1/… or /apis/group/version/…, then namespaces/name/ or not.
func asked(request *http.Request) target {
	path := strings.Split(strings.Trim(request.URL.Path, "/"), "/")
	skip := 2
	if path[0] == "apis" {
		skip = 3
	}
	path = path[min(skip, len(path)):]
	if len(path) > 2 && path[0] == "namespaces" {
		path = path[2:]
	}
	r := target{}
	if len(path) > 0 {
		r.name = path[0]
	}
	if len(path) > 2 {
		r.part = path[2]
	}
	return r
}

// answer is what the API server answered once.
type answer struct {
	kind string
	body []byte
}

func (a *answer) response(request *http.Request) *http.Response {
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/2.0", ProtoMajor: 2, Request: request,
		Header: http.Header{"Content-Type": {a.kind}}, Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}
}

// refuseList has a reflector list and then watch, instead of both at once.
func refuseList(request *http.Request) *http.Response {
	refusal := &answer{"application/json", []byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422}`)}
	response := refusal.response(request)
	response.StatusCode, response.Status = http.StatusUnprocessableEntity, "422 Unprocessable Entity"
	return response
}
