package git

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/internal/artifact"
	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/git/client"
)

func down() error   { return client.NewError(client.Unreachable, "the host is down", nil) }
func denied() error { return client.NewError(client.Denied, "the host denies it", nil) }

// One poll and one fetch serve all who follow a branch, and nobody is woken by a poll that finds nothing.
func TestOnePollOneFetch(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fake.push(urlA, "c1")
		w.sees("one", branch(urlA), "waiting StackProcessing: polling "+urlA)
		for i := range 50 {
			w.sees(fmt.Sprint("s", i), branch(urlA), "waiting StackProcessing: polling "+urlA)
		}
		after(0)
		w.sees("one", branch(urlA), "c1")
		w.sees("s49", branch(urlA), "c1")
		if n := len(w.wakes()); n != 51 {
			t.Errorf("%d Stacks are woken, want 51", n)
		}
		w.pollsAre(urlA, 1)
		after(10 * time.Minute)
		w.wakesAre()
		if polls := w.fake.count(); polls < 10 || polls > 11 {
			t.Errorf("%d polls in ten minutes and at the start, want one each minute", polls)
		}
		w.fake.push(urlA, "c2")
		after(70 * time.Second)
		w.sees("one", branch(urlA), "c2")
		if n := len(w.wakes()); n != 51 {
			t.Errorf("%d Stacks are woken by a new commit, want 51", n)
		}
		w.fetchesAre(map[string]int{urlA + " c1": 1, urlA + " c2": 1})
	})
}

func TestPinned(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fake.push(urlA, "c2")
		w.sees("one", pinned(urlA, "c1"), "waiting StackProcessing: fetching commit c1 of "+urlA)
		after(0)
		w.wakesAre("one")
		w.sees("one", pinned(urlA, "c1"), "c1")
		w.sees("two", pinned(urlA, "c1"), "c1")
		after(24 * time.Hour)
		w.fetchesAre(map[string]int{urlA + " c1": 1})
		if polls := w.fake.count(); polls != 0 {
			t.Errorf("%d polls of a commit", polls)
		}
	})
}

// The poll goes by the shortest interval, and ends with the last who follows.
func TestInterval(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fake.push(urlA, "c1")
		slow, fast := branch(urlA), branch(urlA)
		slow.Every, fast.Every = time.Hour, 10*time.Second
		w.sees("slow", slow, "waiting StackProcessing: polling "+urlA)
		after(59 * time.Minute)
		w.pollsAre(urlA, 1)
		after(8 * time.Minute)
		w.pollsAre(urlA, 2)
		w.sees("fast", fast, "c1")
		before := w.fake.count()
		after(10 * time.Minute)
		if polls := w.fake.count() - before; polls < 9 || polls > 11 {
			t.Errorf("%d polls, want one a minute at most, as 10 s are asked for", polls)
		}
		w.Forget(stackNamed("fast"))
		before = w.fake.count()
		after(59 * time.Minute)
		w.pollsAre(urlA, before)
		w.sees("slow", branch(urlB), "waiting StackProcessing: polling "+urlB)
		w.Forget(stackNamed("slow"))
		after(24 * time.Hour)
		w.pollsAre(urlA, before)
		if w.Forget(stackNamed("slow")); len(w.subscriptions)+len(w.follows)+len(w.polls)+len(w.fetches)+len(w.hosts) != 0 {
			t.Errorf("remembered of nobody: %v %v %v %v %v", w.subscriptions, w.follows, w.polls, w.fetches, w.hosts)
		}
	})
}

// A poll that fails leaves the last revision, and wakes only when what there is to say changes.
func TestStale(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fake.push(urlA, "c1")
		w.sees("one", branch(urlA), "waiting StackProcessing: polling "+urlA)
		after(0)
		w.wakesAre("one")
		w.sees("one", branch(urlA), "c1")
		w.fake.fail(urlA, down())
		after(70 * time.Second)
		w.wakesAre("one")
		w.sees("one", branch(urlA), "c1 stale: the host is down")
		after(time.Hour)
		w.wakesAre()
		w.fake.fail(urlA, denied())
		after(20 * time.Minute)
		w.wakesAre("one")
		w.sees("one", branch(urlA), "c1 stale: the host denies it")
		w.fake.fail(urlA, nil)
		after(20 * time.Minute)
		w.wakesAre("one")
		w.sees("one", branch(urlA), "c1")
	})
}

func TestKindsOfFailure(t *testing.T) {
	cases := map[string]struct {
		err  error
		want string
	}{
		"Unreachable": {client.NewError(client.Unreachable, "why", nil), "waiting SourceUnavailable: why"},
		"NotFound":    {client.NewError(client.NotFound, "why", nil), "waiting SourceUnavailable: why"},
		"Denied":      {client.NewError(client.Denied, "why", nil), "terminal SourceUnavailable: why"},
		"HostKey":     {client.NewError(client.HostKey, "why", nil), "terminal SourceUnavailable: why"},
		"TooLarge":    {client.NewError(client.TooLarge, "why", nil), "terminal SourceInvalid: why"},
		"Invalid":     {client.NewError(client.Invalid, "why", nil), "terminal SourceInvalid: why"},
		"LargeFiles":  {&artifact.TooLargeError{}, "terminal SourceInvalid: " + (&artifact.TooLargeError{}).Error()},
		"HostileFile": {&artifact.InvalidError{Path: "a"}, "terminal SourceInvalid: " + (&artifact.InvalidError{Path: "a"}).Error()},
		"Local":       {errors.New("why"), "waiting SourceUnavailable: why"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.fake.fail(urlA, tc.err)
				w.Observe(stackNamed("polls"), branch(urlA))
				w.Observe(stackNamed("fetches"), pinned(urlC, "c1"))
				w.fake.fail(urlC, tc.err)
				after(0)
				w.wakesAre("fetches", "polls")
				w.sees("polls", branch(urlA), tc.want)
				w.sees("fetches", pinned(urlC, "c1"), tc.want)
			})
		})
	}
}

func TestNoURL(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fake.push(urlA, "c1")
		w.Observe(stackNamed("one"), branch(urlA))
		if _, err := w.Observe(stackNamed("one"), branch("no url")); err == nil {
			t.Error("what is no URL is followed")
		}
		after(time.Hour)
		w.wakesAre()
	})
}

// While a newer commit is fetched the old one stays.
func TestNewerCommit(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fake.push(urlA, "c1")
		w.Observe(stackNamed("one"), branch(urlA))
		after(0)
		w.sees("one", branch(urlA), "c1")
		w.fake.slow(urlA, 0, 90*time.Second)
		w.wakes()
		w.fake.push(urlA, "c2")
		after(80 * time.Second)
		w.wakesAre()
		w.sees("one", branch(urlA), "c1")
		w.fake.push(urlA, "c3") // found while c2 is fetched
		after(60 * time.Second)
		w.sees("one", branch(urlA), "c1")
		after(100 * time.Second)
		w.wakesAre("one")
		w.sees("one", branch(urlA), "c3")
		w.fetchesAre(map[string]int{urlA + " c1": 1, urlA + " c3": 1})
	})
}

// A repository with more commits than can be fetched gets somewhere.
func TestCommitsFasterThanFetches(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fake.slow(urlA, 0, 150*time.Second)
		w.fake.push(urlA, "c1")
		w.Observe(stackNamed("one"), branch(urlA))
		after(30 * time.Second)
		w.fake.push(urlA, "c2")
		after(60 * time.Second)
		w.sees("one", branch(urlA), "close, waiting StackProcessing: fetching commit c2 of "+urlA)
		after(61 * time.Second)
		w.sees("one", branch(urlA), "c1")
		after(150 * time.Second)
		w.sees("one", branch(urlA), "c2")
	})
}

// An archive that is lost is made again as soon as somebody looks.
func TestLostArchive(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fake.push(urlA, "c1")
		w.Observe(stackNamed("one"), branch(urlA))
		w.Observe(stackNamed("two"), branch(urlA))
		after(0)
		w.wakes()
		w.archives.lose("sha256:c1")
		w.sees("one", branch(urlA), "close, waiting StackProcessing: fetching commit c1 of "+urlA)
		after(0)
		w.wakesAre("one", "two")
		w.sees("one", branch(urlA), "c1")
		w.pollsAre(urlA, 1)
		w.fetchesAre(map[string]int{urlA + " c1": 2})
	})
}

// What two selections, two refs and two credentials share, and what they do not.
func TestKeys(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fake.push(urlA, "c1")
		all, some, tag, alice, bob := branch(urlA), branch(urlA), branch(urlA), branch(urlA), branch(urlA)
		some.Selection = client.Selection{Paths: []string{"b", "a", "a"}}
		same := some
		same.Selection = client.Selection{Paths: []string{"a", "b"}}
		tag.Ref = "v1"
		alice.Remote.Credential.Password, bob.Remote.Credential.Password = "alice's", "wrong"
		for i, r := range []Request{all, some, same, tag, alice, bob} {
			w.Observe(stackNamed(fmt.Sprint(i)), r)
		}
		after(0)
		w.sees("4", alice, "c1")
		w.sees("5", bob, "terminal SourceUnavailable: the host denies it")
		w.pollsAre(urlA, 3) // nobody's, Alice's and Bob's
		w.fetchesAre(map[string]int{urlA + " c1": 3})
		if some.Selection.Paths[0] != "b" {
			t.Error("the caller's paths were changed")
		}
	})
}

// A new credential is no reason to have nothing for a while, for the one that had something, and for nobody else.
func TestNewCredential(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fake.push(urlA, "c1")
		old, renewed, wrong := branch(urlA), branch(urlA), branch(urlA)
		old.Remote.Credential.Password, renewed.Remote.Credential.Password, wrong.Remote.Credential.Password = "old", "new", "wrong"
		w.Observe(stackNamed("one"), old)
		w.Observe(stackNamed("two"), old)
		after(0)
		w.fake.slow(urlA, time.Second, 0)
		w.wakes()
		w.sees("one", renewed, "c1 pending: polling "+urlA)
		w.sees("other", renewed, "waiting StackProcessing: polling "+urlA)
		w.sees("two", wrong, "c1 pending: polling "+urlA)
		w.sees("another", wrong, "waiting StackProcessing: polling "+urlA)
		after(2 * time.Second)
		w.wakesAre("another", "one", "other", "two")
		w.sees("one", renewed, "c1")
		w.sees("two", wrong, "c1 stale: the host denies it")
		w.sees("another", wrong, "terminal SourceUnavailable: the host denies it")
	})
}

// After a restart consumers go on with what they had, and nothing is fetched that they have.
func TestRestart(t *testing.T) {
	last := func(r Request, commit string) Request {
		r.Last = source.Revision{Revision: commit, Digest: "sha256:" + commit, Content: "tree of " + commit}
		return r
	}
	inBubble(t, func(w *world) {
		w.archives.has["sha256:c1"], w.archives.has["sha256:c2"] = true, true
		const away = "https://away.example/b"
		w.fake.push(urlA, "c2")
		w.fake.fail(away, down())
		one, two, gone := last(branch(urlA), "c2"), last(branch(urlA), "c1"), last(branch(urlC), "lost")
		w.sees("same", one, "c2 pending: polling "+urlA)
		w.sees("pinned", last(pinned(urlA, "c1"), "c1"), "c1")
		w.sees("another", last(pinned(urlA, "c3"), "c1"), "waiting StackProcessing: fetching commit c3 of "+urlA)
		w.sees("unreachable", last(branch(away), "c1"), "c1 pending: polling "+away)
		w.sees("lost", gone, "waiting StackProcessing: polling "+urlC)
		w.fake.push(urlC, "lost")
		after(0)
		w.wakesAre("another", "lost", "same", "unreachable")
		w.sees("same", one, "c2")
		w.sees("unreachable", last(branch(away), "c1"), "c1 stale: the host is down")
		w.sees("lost", gone, "lost")
		w.fetchesAre(map[string]int{urlA + " c3": 1, urlC + " lost": 1})

		t.Log("what one says that it had is given to nobody else")
		w.sees("older", two, "c1 pending: fetching commit c2 of "+urlA)
		w.sees("none", branch(urlA), "close, waiting StackProcessing: fetching commit c2 of "+urlA)
		w.sees("same", one, "c2")
		after(0)
		w.wakesAre("none", "older")
		w.sees("older", two, "c2")
		w.fetchesAre(map[string]int{urlA + " c2": 1, urlA + " c3": 1, urlC + " lost": 1})

		t.Log("and is fetched when it is lost")
		w.archives.lose("sha256:c1")
		w.sees("pinned", last(pinned(urlA, "c1"), "c1"), "waiting StackProcessing: fetching commit c1 of "+urlA)
		after(0)
		w.sees("pinned", last(pinned(urlA, "c1"), "c1"), "c1")
	})
}

// A token asks for a poll at once, and is answered by it.
func TestToken(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fake.push(urlA, "c1")
		w.Observe(stackNamed("one"), branch(urlA))
		w.Observe(stackNamed("two"), branch(urlA))
		after(30 * time.Second)
		w.wakes()
		r := branch(urlA)
		r.Token = "1"
		w.fake.slow(urlA, time.Second, time.Second)
		w.sees("one", r, "c1 pending: polling "+urlA+", as was asked for")
		w.sees("one", r, "c1 pending: polling "+urlA+", as was asked for")
		w.sees("two", branch(urlA), "c1")
		after(1500 * time.Millisecond)
		w.wakesAre("one")
		w.sees("one", r, "c1")
		w.pollsAre(urlA, 2)

		t.Log("what it finds is fetched first; another token is answered by another poll, a moment later")
		w.fake.push(urlA, "c2")
		r.Token = "2"
		w.sees("one", r, "c1 pending: polling "+urlA+", as was asked for")
		after(4600 * time.Millisecond)
		w.wakesAre("one")
		w.sees("one", r, "c1 pending: fetching commit c2 of "+urlA)
		w.sees("two", branch(urlA), "c1")
		after(time.Second)
		w.wakesAre("one", "two")
		w.sees("one", r, "c2")
		w.pollsAre(urlA, 3)

		t.Log("also of a host that fails, once each")
		w.fake.fail(urlA, down())
		after(2 * time.Hour)
		w.sees("one", r, "c2 stale: the host is down")
		before := w.fake.count()
		r.Token = "3"
		w.sees("one", r, "c2 pending: polling "+urlA+", as was asked for")
		after(2 * time.Second)
		w.sees("one", r, "c2 stale: the host is down")
		w.pollsAre(urlA, before+1)
		after(20 * time.Second)
		w.pollsAre(urlA, before+1)
	})
}

// A token that comes with the first request is answered by the first poll.
func TestTokenAtTheStart(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fake.push(urlA, "c1")
		for i := range 100 {
			r := branch(urlA)
			r.Token = fmt.Sprint(i)
			w.Observe(stackNamed(r.Token), r)
			after(10 * time.Millisecond)
		}
		after(30 * time.Second)
		w.pollsAre(urlA, 1)
	})
}

// A token has a fetch tried again that would not be for hours.
func TestTokenAfterFailedFetch(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fake.fail(urlA, client.NewError(client.TooLarge, "too large", nil))
		r := pinned(urlA, "c1")
		w.Observe(stackNamed("one"), r)
		after(time.Hour)
		w.sees("one", r, "terminal SourceInvalid: too large")
		w.fetchesAre(map[string]int{urlA + " c1": 1})
		w.fake.fail(urlA, nil)
		r.Token = "1"
		w.Observe(stackNamed("one"), r)
		after(0)
		w.sees("one", r, "c1")
	})
}

func TestPoke(t *testing.T) {
	inBubble(t, func(w *world) {
		const repository = "one.example/a"
		if w.Poke(repository) {
			t.Error("a repository that nobody follows is known")
		}
		w.fake.push(urlA, "c1")
		w.Observe(stackNamed("one"), branch(urlA))
		w.Observe(stackNamed("two"), branch(urlB))
		after(30 * time.Second)
		w.pollsAre(urlA, 1)
		w.fake.push(urlA, "c2")
		for range 100 {
			if !w.Poke(repository) {
				t.Error("the repository is not known")
			}
		}
		after(0)
		w.sees("one", branch(urlA), "c2")
		w.pollsAre(urlA, 2)
		for range 80 {
			w.Poke(repository)
			after(100 * time.Millisecond)
		}
		after(10 * time.Second)
		w.pollsAre(urlA, 4) // every 5 s of these 10
		w.pollsAre(urlB, 1)

		t.Log("of a host that fails, once until it is tried again")
		w.fake.fail(urlA, down())
		w.fake.fail(urlB, down())
		after(2 * time.Hour)
		before := w.fake.count()
		for range 60 {
			w.Poke(repository)
			after(time.Second)
		}
		if polls := w.fake.count() - before; polls > 2 {
			t.Errorf("%d polls of a host that fails in a minute of pushes", polls)
		}
	})
}

// A host that is out of reach is tried for all its remotes together, and all are polled soon when it is back.
func TestHostBackoff(t *testing.T) {
	inBubble(t, func(w *world) {
		const remotes = 100
		urls := make([]string, remotes)
		for i := range urls {
			urls[i] = fmt.Sprintf("https://one.example/%d", i)
			w.fake.push(urls[i], "c1")
			w.fake.fail(urls[i], down())
			w.fake.slow(urls[i], time.Second, 0)
			w.Observe(stackNamed(urls[i]), branch(urls[i]))
		}
		w.fake.push(urlC, "c1")
		w.Observe(stackNamed("well"), branch(urlC))
		after(2 * time.Second)
		w.sees("well", branch(urlC), "c1")
		w.sees(urls[0], branch(urls[0]), "waiting SourceUnavailable: the host is down")
		w.sees(urls[99], branch(urls[99]), "waiting SourceUnavailable: the host is down")
		if followed, failing := w.Count(); followed != 101 || failing != 100 {
			t.Errorf("%d remotes, %d fail", followed, failing)
		}
		first := w.fake.count() - 1
		if first > 6 {
			t.Errorf("%d polls at once of one host", first)
		}
		w.Forget(stackNamed("well"))
		after(2 * time.Hour)
		if polls := w.fake.count() - 1 - first; polls < 10 || polls > 16 {
			t.Errorf("%d tries of a host in two hours, want those of one backoff", polls)
		}
		w.wakes()
		before := w.fake.count()
		for _, url := range urls {
			w.fake.fail(url, nil)
		}
		for w.fake.count() == before {
			after(time.Second)
		}
		after(time.Second)
		if polls := w.fake.count() - before; polls > 20 {
			t.Errorf("%d polls in the second in which the host is back", polls)
		}
		after(30 * time.Second)
		for _, url := range urls {
			w.sees(url, branch(url), "c1")
		}
		if polls := w.fake.count() - before; polls != remotes {
			t.Errorf("%d polls when the host is back, want %d", polls, remotes)
		}
	})
}

// One repository that cannot be read holds up none of the same host for long.
func TestOneRepositoryFails(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fake.fail(urlA, down())
		w.fake.push(urlB, "c1")
		w.Observe(stackNamed("a"), branch(urlA))
		w.Observe(stackNamed("b"), branch(urlB))
		after(time.Minute)
		w.sees("b", branch(urlB), "c1")
		before := w.fake.polled(urlB)
		after(time.Hour)
		if polls := w.fake.polled(urlB) - before; polls < 45 {
			t.Errorf("%d polls of a repository in an hour, beside one that fails", polls)
		}
		if polls := w.fake.polled(urlA); polls > 30 {
			t.Errorf("%d polls in an hour of a repository that fails", polls)
		}
	})
}

// A slow host leaves something to the others.
func TestSlowHost(t *testing.T) {
	inBubble(t, func(w *world) {
		for i := range 20 {
			url := fmt.Sprintf("https://slow.example/%d", i)
			w.fake.slow(url, time.Hour, time.Hour)
			w.Observe(stackNamed(url), branch(url))
			w.Observe(stackNamed("pinned"+url), pinned(url, "c1"))
		}
		after(time.Second)
		w.fake.push(urlA, "c1")
		w.Observe(stackNamed("quick"), branch(urlA))
		after(0)
		w.sees("quick", branch(urlA), "c1")
		if w.fake.most["poll"] > 8 || w.fake.most["fetch"] > 2 {
			t.Errorf("at once: %v", w.fake.most)
		}
		w.stop() // without waiting for the slow ones
	})
}

// A refusal is not tried every minute.
func TestDeniedBackoff(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fake.fail(urlA, denied())
		w.Observe(stackNamed("one"), branch(urlA))
		after(time.Hour)
		if polls := w.fake.polled(urlA); polls < 10 || polls > 20 {
			t.Errorf("%d polls in an hour with a credential that is refused", polls)
		}
	})
}

// What nobody wants any more is not waited for.
func TestForgottenFetch(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fake.push(urlA, "c1")
		w.fake.slow(urlA, 0, time.Hour)
		w.Observe(stackNamed("one"), branch(urlA))
		after(time.Second)
		w.Forget(stackNamed("one"))
		after(time.Second)
		if w.fake.inFlight["fetch"] != 0 {
			t.Error("a fetch goes on that nobody wants")
		}
		w.Observe(stackNamed("one"), branch(urlA))
		w.Forget(stackNamed("one"))
		w.fake.slow(urlA, 0, 0)
		w.Observe(stackNamed("one"), branch(urlA))
		after(0)
		w.sees("one", branch(urlA), "c1")
	})
}

func TestStop(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fake.push(urlA, "c1")
		w.Observe(stackNamed("one"), branch(urlA))
		after(0)
		w.stop()
		w.Observe(stackNamed("two"), branch(urlB))
		after(time.Hour)
		w.sees("one", branch(urlA), "c1")
		w.pollsAre(urlA, 1)
		w.pollsAre(urlB, 0)
	})
}

// What is asked for before the start is done then, and what an earlier process left is removed.
func TestPrune(t *testing.T) {
	inBubble(t, func(w *world) {
		w.fake.push(urlA, "c1")
		w.fake.push(urlB, "c1")
		w.Observe(stackNamed("one"), branch(urlA))
		w.Observe(stackNamed("two"), branch(urlB))
		after(30 * time.Minute)
		if len(w.fake.pruned) > 0 {
			t.Error("there is something to prune though everything is followed")
		}
		w.Forget(stackNamed("two"))
		after(11 * time.Minute)
		if len(w.fake.pruned) != 1 {
			t.Fatalf("pruned %d times", len(w.fake.pruned))
		}
		keep := w.fake.pruned[0]
		got := []bool{
			keep(client.Remote{URL: urlA}), keep(client.Remote{URL: urlA + ".git"}), keep(client.Remote{URL: urlB}),
			keep(client.Remote{URL: urlA, Credential: client.Credential{Password: "x"}}), keep(client.Remote{URL: "no url"}),
		}
		if diff := cmp.Diff([]bool{true, false, false, false, false}, got); diff != "" {
			t.Errorf("kept (-want +got):\n%s", diff)
		}
		w.archives.lose("sha256:c1")
		after(11 * time.Minute)
		if len(w.Tracker.archives) != 0 {
			t.Errorf("archives that are gone are known: %v", w.Tracker.archives)
		}
	})
}
