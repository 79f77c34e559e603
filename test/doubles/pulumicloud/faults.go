package pulumicloud

import (
	"context"
	"net/http"
	"regexp"
	"time"
)

// Fault makes calls fail, or take long. The zero value of a field leaves it open: every method, every path, for ever.
type Fault struct {
	// Method and Path say which calls; Path is a regular expression that the URL's path has to match somewhere.
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`
	// Status and Message are the answer. With no Status the call is only delayed.
	Status  int    `json:"status,omitempty"`
	Message string `json:"message,omitempty"`
	// Times is how often it strikes, Seconds how long.
	Times   int     `json:"times,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	// DelaySeconds is how long a call waits for its answer.
	DelaySeconds float64 `json:"delaySeconds,omitempty"`
}

// Paths of calls that faults are about.
const (
	// OnStart is the call that takes the stack's lock, OnCreate the one before it.
	OnStart  = `/update/[^/]+$`
	OnCreate = `/(update|preview|refresh|destroy)$`
	// OnCheckpoint writes the state, OnRenew keeps the lock, OnComplete gives it back.
	OnCheckpoint = `/checkpoint$`
	OnRenew      = `/renew_lease$`
	OnComplete   = `/complete$`
	// OnStack reads a stack, OnEnvironment opens an ESC environment.
	OnStack       = `^/api/stacks/[^/]+/[^/]+/[^/]+$`
	OnEnvironment = `^/api/esc/environments/[^/]+/yaml/open`
)

// Conflict is what starting an update meets while another one runs.
func Conflict(times int) Fault {
	return Fault{
		Method: http.MethodPost, Path: OnStart, Status: http.StatusConflict, Times: times,
		Message: "Conflict: Another update is currently in progress.",
	}
}

// Throttled refuses calls for being too many.
func Throttled(path string, times int) Fault {
	return Fault{Path: path, Status: http.StatusTooManyRequests, Times: times, Message: "Too Many Requests"}
}

// Unavailable refuses calls as a service does that is down.
func Unavailable(path string, times int) Fault {
	return Fault{Path: path, Status: http.StatusServiceUnavailable, Times: times, Message: "Service Unavailable"}
}

// Forbidden refuses calls for want of permission.
func Forbidden(path string) Fault {
	return Fault{Path: path, Status: http.StatusForbidden, Message: "Forbidden: You do not have permission to perform this action."}
}

// Slow makes calls wait.
func Slow(path string, delay time.Duration) Fault {
	return Fault{Path: path, DelaySeconds: delay.Seconds()}
}

// fault is a Fault at work.
type fault struct {
	Fault
	path  *regexp.Regexp
	until time.Time
	left  int
}

// Inject switches a fault on. The path must be a regular expression.
func (c *Cloud) Inject(f Fault) error {
	path, err := regexp.Compile(f.Path)
	if err != nil {
		return refuse(http.StatusBadRequest, "the path of the fault: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inject(f, path)
	return nil
}

func (c *Cloud) inject(f Fault, path *regexp.Regexp) {
	one := &fault{Fault: f, path: path, left: f.Times}
	if f.Seconds > 0 {
		one.until = c.clock().Add(seconds(f.Seconds))
	}
	c.faults = append(c.faults, one)
}

// Heal switches all faults off.
func (c *Cloud) Heal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = nil
}

// strikes says whether the fault is about a call now.
func (f *fault) strikes(r *http.Request, now time.Time) bool {
	return (f.Method == "" || f.Method == r.Method) && f.path.MatchString(r.URL.Path) &&
		(f.until.IsZero() || now.Before(f.until)) && (f.Times == 0 || f.left > 0)
}

// failing gives what a fault answers in the place of the double; nil for nothing. It uses up one strike.
func (c *Cloud) failing(r *http.Request) error {
	for _, f := range c.faults {
		if f.Status != 0 && f.strikes(r, c.clock()) {
			f.left--
			return refuse(f.Status, "%s", f.Message)
		}
	}
	return nil
}

// wait waits as long as a fault wants.
func (c *Cloud) wait(ctx context.Context, r *http.Request) {
	c.mu.Lock()
	var delay time.Duration
	for _, f := range c.faults {
		if f.DelaySeconds > 0 && f.strikes(r, c.clock()) {
			if f.Status == 0 {
				f.left--
			}
			delay += seconds(f.DelaySeconds)
		}
	}
	c.mu.Unlock()
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// LoseLease takes the lock from the update that holds a stack (org/project/stack), as when its lease was not renewed in
// time. It says false if none does.
func (c *Cloud) LoseLease(stack string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.loseLease(stack)
}

func (c *Cloud) loseLease(id string) bool {
	s := c.stacks[id]
	if s == nil || c.held(s) == nil {
		return false
	}
	held := c.held(s)
	held.expires = c.clock()
	delete(c.leases, held.lease)
	return true
}

// Hold takes the lock of a stack (org/project/stack) as an update of somebody else does. The function it returns gives it back.
func (c *Cloud) Hold(stack string) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stacks[stack]
	if s == nil {
		return func() {}
	}
	other := c.newUpdate(s, "update")
	other.by = Somebody
	c.count(s, other)
	other.status, other.started, other.expires = "running", c.clock(), c.clock().Add(leaseFor)
	s.active = other.id
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.end(s, other, "succeeded")
	}
}
