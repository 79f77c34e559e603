package git

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/git/client"
)

// story is a random sequence of what users, git hosts and disks do, and what has to hold all the time.
type story struct {
	*world
	random   *rand.Rand
	requests map[string]Request
	// last is what each Stack was told last, and woken who was woken since.
	last  map[string]string
	woken map[string]bool
	// commits counts up.
	commits int
	lost    bool
}

func (s *story) url() string {
	return fmt.Sprintf("https://%d.example/%d", s.random.IntN(2), s.random.IntN(3))
}

// request is any request.
func (s *story) request() Request {
	r := Request{Remote: client.Remote{URL: s.url()}, Ref: "main", Every: time.Duration(s.random.IntN(5)) * time.Minute}
	if s.random.IntN(4) == 0 {
		r.Ref, r.Commit = "", fmt.Sprintf("pinned%d", s.random.IntN(3))
	}
	if s.random.IntN(3) == 0 {
		r.Remote.Credential.Password = []string{"right", "wrong"}[s.random.IntN(2)]
	}
	if s.random.IntN(3) == 0 {
		r.Selection.Paths = []string{"dir"}
	}
	if s.random.IntN(3) == 0 { // it may be lost
		commit := []string{fmt.Sprintf("c%d", s.random.IntN(s.commits+1)), "pinned0"}[s.random.IntN(2)]
		r.Last = source.Revision{Revision: commit, Digest: "sha256:" + commit, Content: "tree of " + commit}
	}
	return r
}

// step does any one thing.
func (s *story) step() {
	stack, url := fmt.Sprintf("s%d", s.random.IntN(12)), s.url()
	switch s.random.IntN(12) {
	case 0, 1, 2:
		s.observe(stack, s.request())
	case 3:
		if r, is := s.requests[stack]; is {
			r.Token = fmt.Sprint(s.random.IntN(100))
			s.observe(stack, r)
		}
	case 4:
		s.Forget(stackNamed(stack))
		s.fake.mu.Lock()
		delete(s.requests, stack)
		s.fake.mu.Unlock()
		delete(s.last, stack)
	case 5, 6:
		s.commits++
		s.fake.push(url, fmt.Sprintf("c%d", s.commits))
	case 7:
		s.fake.fail(url, []error{down(), denied(), client.NewError(client.TooLarge, "too large", nil), errors.New("local")}[s.random.IntN(4)])
	case 8:
		s.fake.fail(url, nil)
	case 9:
		s.archives.mu.Lock()
		clear(s.archives.has)
		s.archives.mu.Unlock()
		s.fake.mu.Lock()
		clear(s.fake.made)
		s.fake.mu.Unlock()
		s.lost = true
	case 10:
		s.Poke(url[len("https://"):])
	case 11:
		s.fake.slow(url, time.Duration(s.random.IntN(90))*time.Second, time.Duration(s.random.IntN(300))*time.Second)
	}
}

// observe has a Stack ask for something.
func (s *story) observe(stack string, r Request) {
	s.set("next", r)
	s.last[stack] = answered(s.Observe(stackNamed(stack), r))
	s.set(stack, r)
	delete(s.woken, stack)
}

// answered is what a Stack is told, but for the hint that a fetch is close: nobody is woken to hear that it is not any more.
func answered(revision source.Revision, err error) string {
	return strings.Replace(told(revision, err), "close, ", "", 1)
}

// set puts on record what may be polled.
func (s *story) set(stack string, r Request) {
	s.fake.mu.Lock()
	defer s.fake.mu.Unlock()
	delete(s.requests, "next")
	s.requests[stack] = r
}

// check asks for all again: whoever was not woken is told what it was told before.
func (s *story) check(when string) {
	for _, stack := range s.wakes() {
		s.woken[stack] = true
	}
	for stack, before := range s.last {
		now := answered(s.Observe(stackNamed(stack), s.requests[stack]))
		if now != before && !s.woken[stack] && !s.lost {
			s.Errorf("%s: Stack %s is told %q, was told %q and was not woken", when, stack, now, before)
		}
		s.last[stack] = now
	}
	clear(s.woken)
	s.lost = false
	s.fake.mu.Lock()
	defer s.fake.mu.Unlock()
	for what, times := range s.fake.made {
		if times > 1 {
			s.Errorf("%s: %s was fetched %d times", when, what, times)
		}
	}
}

// settled wants everybody to get what it asked for, once all is well and some time has passed.
func (s *story) settled() {
	s.fake.mu.Lock()
	clear(s.fake.errs)
	clear(s.fake.takes)
	clear(s.fake.fetchTakes)
	s.fake.mu.Unlock()
	for stack, r := range s.requests {
		r.Token = "last" // some failures are permanent otherwise
		s.observe(stack, r)
	}
	after(2 * time.Hour)
	s.check("at the end")
	for stack, r := range s.requests {
		want := s.fake.commits[r.Remote.URL]
		if r.Commit != "" {
			want = r.Commit
		}
		got, err := s.Observe(stackNamed(stack), r)
		refused := r.Remote.Credential.Password == "wrong" && r.Commit == ""
		if !refused && (err != nil || got.Revision != want) || refused && err == nil {
			s.Errorf("Stack %s is told %q in the end, want %s", stack, told(got, err), want)
		}
	}
}

// Whatever happens in whatever order: at most one poll of a key at a time and none that nobody wants, one fetch of what
// is not lost, nobody told something new that was not woken, and all get what they want in the end.
func TestAnyOrder(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, func(w *world) {
				s := &story{
					world: w, random: rand.New(rand.NewPCG(seed, 0)), requests: map[string]Request{}, last: map[string]string{}, woken: map[string]bool{},
				}
				w.Notify("Other", func(name types.NamespacedName) { t.Errorf("%s is no Stack", name) })
				w.fake.wanted = func(key string) bool {
					for _, r := range s.requests {
						if r.Commit == "" && r.Remote.URL+" "+r.Ref+r.Remote.Credential.Password == key {
							return true
						}
					}
					return false
				}
				for host := range 2 {
					for repository := range 3 {
						w.fake.push(fmt.Sprintf("https://%d.example/%d", host, repository), "c0")
					}
				}
				for i := range 120 {
					s.step()
					if wait := s.random.IntN(4); wait > 0 {
						after([]time.Duration{0, 0, 20 * time.Second, 10 * time.Minute}[wait])
						s.check(fmt.Sprint("step ", i))
					}
				}
				s.settled()
				for stack := range s.requests {
					s.Forget(stackNamed(stack))
				}
				after(time.Second)
				if n := len(w.subscriptions) + len(w.follows) + len(w.polls) + len(w.fetches) + len(w.hosts); n > 0 {
					t.Errorf("%d things are remembered of nobody", n)
				}
			})
		})
	}
}
