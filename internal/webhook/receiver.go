// Package webhook owns how git hosts tell of pushes, so that nobody has to wait for the next poll. A request that proves
// to know a secret makes the repositories that it names be polled at once, if anybody follows them, and does nothing
// else: no URL of a request is ever resolved or called, and what is fetched is decided by the objects in the cluster
// alone. Whoever sends a request learns neither why it was refused nor which repositories are followed.
package webhook

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
)

// Path is what the path of a form begins with; the form's name follows.
const Path = "/hooks/"

const (
	// maxBody is as much of a request as is read. A body has to be held whole until its signature is checked. GitHub lists
	// up to 2,048 commits of a push in about 1 KiB each, GitLab 20, and Bitbucket Cloud sends 256 KiB at most. A larger
	// push is found by the next poll.
	maxBody = 2 << 20
	// maxBodies is how many bodies are held at a time: all together are small beside the manager's memory.
	maxBodies = 8
	// perSecond and burst bound the requests of a form, so that those nobody asked for cost no more than these. What the
	// largest organization pushes is far less.
	perSecond, burst = 20, 100
)

// Results are what became of requests, as the metric has them.
const (
	// ResultPolled is for a push to a repository that is followed: it is polled now.
	ResultPolled = "polled"
	// ResultUnknown is for a push to a repository that nobody follows.
	ResultUnknown = "unknown"
	// ResultIgnored is for an event that is no push, such as a host's test of the connection.
	ResultIgnored = "ignored"
	// ResultUnauthenticated is for a request without a signature or token of any of the secrets.
	ResultUnauthenticated = "unauthenticated"
	// ResultMalformed is for a body that is signed and cannot be read.
	ResultMalformed = "malformed"
	// ResultTooLarge is for a body that is too large.
	ResultTooLarge = "too_large"
	// ResultLimited is for one request too many.
	ResultLimited = "limited"
)

// Poker makes followed repositories be polled.
type Poker interface {
	// Poke has whoever follows the repository of that key poll it soon. It does not block.
	Poke(key string) (known bool)
}

// Config is what a Receiver needs.
type Config struct {
	Poker Poker
	// Key is the identity of the repository at a URL, which is the same for all its URLs; false where the text is no URL.
	Key func(url string) (key string, ok bool)
	// Secrets are those that may sign now.
	Secrets func() []Secret
	// Record is told the form of each request and its result.
	Record func(form, result string)
	Clock  clock.PassiveClock
}

// Receiver is the handler of the requests.
type Receiver struct {
	Config
	forms  map[string]form
	limits map[string]*rate.Limiter
	bodies chan struct{}
}

// NewReceiver makes a Receiver.
func NewReceiver(config Config) *Receiver {
	r := &Receiver{Config: config, forms: forms(), limits: map[string]*rate.Limiter{}, bodies: make(chan struct{}, maxBodies)}
	for name := range r.forms {
		r.limits[name] = rate.NewLimiter(perSecond, burst)
	}
	return r
}

// ServeHTTP answers a request: accepted, whatever was known of its repository; or refused, whatever was wrong with it.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	name, form, ok := r.formOf(request)
	if !ok {
		answer(w, http.StatusNotFound)
		return
	}
	result := r.receive(w, name, form, request)
	r.Record(name, result)
	switch result {
	case ResultPolled, ResultUnknown, ResultIgnored:
		answer(w, http.StatusAccepted)
	case ResultLimited:
		answer(w, http.StatusTooManyRequests)
	default:
		answer(w, http.StatusUnauthorized)
	}
}

// formOf is the form that a request's path names. There is nothing but POST.
func (r *Receiver) formOf(request *http.Request) (string, form, bool) {
	if request.Method != http.MethodPost || len(request.URL.Path) < len(Path) || request.URL.Path[:len(Path)] != Path {
		return "", form{}, false
	}
	name := request.URL.Path[len(Path):]
	found, ok := r.forms[name]
	return name, found, ok
}

// receive does what a request asks for, the cheap checks first.
func (r *Receiver) receive(w http.ResponseWriter, name string, f form, request *http.Request) string {
	if !r.limits[name].AllowN(r.Clock.Now(), 1) {
		return ResultLimited
	}
	proof, ok := f.proof(request.Header)
	if !ok {
		return ResultUnauthenticated
	}
	if request.ContentLength > maxBody {
		return ResultTooLarge
	}
	select {
	case r.bodies <- struct{}{}:
		defer func() { <-r.bodies }()
	default:
		return ResultLimited
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return ResultTooLarge
	}
	if err != nil || !r.proven(proof, body) {
		return ResultUnauthenticated
	}
	if !f.push(request.Header) {
		return ResultIgnored
	}
	return r.poke(body, request.Header.Get("Content-Type"))
}

// proven tells whether any of the secrets proves the body. All are tried, so that the time says nothing of them.
func (r *Receiver) proven(proof proof, body []byte) bool {
	proven := false
	for _, secret := range r.Secrets() {
		if proof(body, secret) {
			proven = true
		}
	}
	return proven
}

// poke has the repositories polled that a body names. Only who knows a secret gets here.
func (r *Receiver) poke(body []byte, contentType string) string {
	mediaType, _, err := mime.ParseMediaType(contentType)
	event, err := readEvent(body, err == nil && mediaType == "application/x-www-form-urlencoded")
	if err != nil {
		return ResultMalformed
	}
	if !event.push {
		return ResultIgnored
	}
	var keys []string
	for _, url := range event.urls {
		if key, ok := r.Key(url); ok && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	result := ResultUnknown
	for _, key := range keys {
		if r.Poker.Poke(key) {
			result = ResultPolled
		}
	}
	return result
}

// answer writes a code and its standard text. Of a request that is refused nothing more is read.
func answer(w http.ResponseWriter, code int) {
	if code != http.StatusAccepted {
		w.Header().Set("Connection", "close")
	}
	http.Error(w, http.StatusText(code), code)
}
