package git

import (
	"time"

	"github.com/gantry-operator/gantry/internal/source"
)

// subscribe makes the request all that a consumer follows, and gives the answer.
func (t *Tracker) subscribe(consumer source.Consumer, key followKey, where place, r Request) answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.subscriptions[consumer]
	joins := s == nil || s.follow.key != key
	if joins {
		s = t.join(consumer, key, where, r)
	}
	t.setInterval(s, r.Every)
	t.setToken(s, r.Token)
	s.told = s.answer()
	if joins {
		t.settle(s.follow) // the others may be given what was found for this one
	}
	return s.told
}

// join makes a consumer follow another key than before.
func (t *Tracker) join(consumer source.Consumer, key followKey, where place, r Request) *subscription {
	f := t.follows[key]
	if f == nil {
		f = t.newFollow(key, where, r)
	}
	old := t.subscriptions[consumer]
	s := &subscription{follow: f, every: r.Every}
	if !f.known {
		s.carried = carried(old, key, r.Last)
	}
	if p := f.poll; p != nil {
		p.intervals[r.Every]++
		p.reschedule()
		if p.starts == 0 || p.running || t.Clock.Now().Sub(p.started) < debounce {
			s.token = r.Token // this poll answers it
		}
	}
	f.consumers[consumer], t.subscriptions[consumer] = s, s
	if f.commit != "" && f.fetch == nil {
		t.want(f, f.commit)
	}
	if old != nil {
		t.leave(consumer, old) // only now, so that what both need goes on
	}
	t.look()
	return s
}

// carried is what a consumer that begins to follow a key has of it already: what it says that it had last, or what it had
// with another credential. It is the same repository then, and a new token is no reason to have nothing for a while.
func carried(old *subscription, key followKey, last source.Revision) *source.Revision {
	var had *source.Revision
	if old != nil {
		had = old.revision()
		key.credential = old.follow.key.credential
	}
	switch {
	case had != nil && old.follow.key == key:
		return new(*had) // that of the other follow may change
	case old != nil || last.Digest == "" || key.commit != "" && key.commit != last.Revision:
		return nil
	}
	return &last
}

// setInterval changes how often a consumer asks for a poll.
func (t *Tracker) setInterval(s *subscription, every time.Duration) {
	p := s.follow.poll
	if p == nil || s.every == every {
		return
	}
	p.dropInterval(s.every)
	p.intervals[every]++
	s.every = every
	p.reschedule()
	t.look()
}

func (p *poll) dropInterval(every time.Duration) {
	if p.intervals[every]--; p.intervals[every] == 0 {
		delete(p.intervals, every)
	}
}

// reschedule is for another interval than when the last poll ended.
func (p *poll) reschedule() {
	if p.ends > 0 && !p.running && !p.asked && p.failures == 0 {
		p.due = nextPoll(p.past, p.every(), p.key)
	}
}

// setToken wants a poll, or another try of a fetch that failed, if the token is a new one.
func (t *Tracker) setToken(s *subscription, token string) {
	if token == s.token {
		return
	}
	s.token = token
	if token == "" {
		return
	}
	f, now := s.follow, t.Clock.Now()
	if f.poll != nil {
		f.poll.ask(now)
		s.needs = f.poll.starts + 1
	}
	if f.fetch != nil && f.fetch.failures > 0 {
		f.fetch.ask(now)
	}
	t.look()
}

// leave takes a consumer off what it followed.
func (t *Tracker) leave(consumer source.Consumer, s *subscription) {
	f := s.follow
	delete(f.consumers, consumer)
	if f.poll != nil {
		f.poll.dropInterval(s.every)
		f.poll.reschedule()
	}
	if len(f.consumers) > 0 {
		return
	}
	t.released = true
	delete(t.follows, f.key)
	t.leaveFetch(f, f.fetch)
	t.leaveFetch(f, f.late)
	if p := f.poll; p != nil {
		delete(p.follows, f)
		t.endPoll(p)
	}
	f.host.users--
	t.endHost(f.host)
}

// newFollow begins to follow a key.
func (t *Tracker) newFollow(key followKey, where place, r Request) *follow {
	f := &follow{
		key: key, selection: r.Selection, through: r.Remote, host: t.hostOf(where.host), repository: where.repository,
		consumers: map[source.Consumer]*subscription{},
	}
	f.host.users++
	t.follows[key] = f
	f.commit = key.commit
	if f.commit == "" {
		f.poll = t.pollOf(f)
		f.poll.follows[f] = struct{}{}
		f.commit = f.poll.commit
	}
	return f
}

// want sets the commit that is wanted, and sees to its archive if a consumer does not have it.
func (t *Tracker) want(f *follow, commit string) {
	f.commit = commit
	old, key := f.fetch, archiveKey{f.key.remote, commit, f.key.selection}
	f.fetch = nil
	if made, is := t.archives[key]; !f.current() && is && t.Store.Has(made.Digest) {
		f.adopt(made)
	}
	if !f.current() && f.needed() {
		f.fetch = t.fetchOf(f, key)
	}
	if f.late == f.fetch {
		f.late = nil
	}
	if old != f.fetch {
		t.passOver(f, old)
	}
}

// passOver leaves what is wanted no more, but for a fetch that runs while there is nothing at all.
func (t *Tracker) passOver(f *follow, old *fetch) {
	if old != nil && old.running && !f.known {
		f.late = old
		return
	}
	t.leaveFetch(f, old)
	if f.known {
		t.leaveFetch(f, f.late)
		f.late = nil
	}
}

// lost is for an archive that is not in the store any more.
func (t *Tracker) lost(consumer source.Consumer, digest string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, made := range t.archives {
		if made.Digest == digest {
			delete(t.archives, key)
		}
	}
	s := t.subscriptions[consumer]
	if s == nil {
		return
	}
	if s.carried != nil && s.carried.Digest == digest {
		s.carried = nil
	}
	f := s.follow
	if f.known && f.revision.Digest == digest {
		f.revision, f.known = source.Revision{}, false
	}
	if f.commit != "" {
		t.want(f, f.commit)
	}
	t.settle(f)
	t.look()
}
