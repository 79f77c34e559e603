package git

import (
	"context"
	"strings"
	"time"
)

// hostOf is the host of a name.
func (t *Tracker) hostOf(name string) *host {
	h := t.hosts[name]
	if h == nil {
		h = &host{name: name, jobs: map[*job]struct{}{}}
		t.hosts[name] = h
	}
	return h
}

// endHost forgets a host that nobody needs.
func (t *Tracker) endHost(h *host) {
	if h.users == 0 && len(h.jobs) == 0 && t.hosts[h.name] == h {
		delete(t.hosts, h.name)
	}
}

// begin makes a job one of its host's.
func (j *job) begin(run func(context.Context) func(), end func()) {
	j.run, j.end = run, end
	j.host.jobs[j] = struct{}{}
}

// newJob is one that is due at once.
func (t *Tracker) newJob(kind kind, f *follow, what ...string) job {
	return job{
		kind: kind, key: strings.Join(append([]string{string(kind), f.key.url, f.key.credential}, what...), "\x00"),
		remote: f.key.remote, host: f.host, through: f.through, due: t.Clock.Now(), cancel: func() {},
	}
}

// pollOf is the poll of what f follows.
func (t *Tracker) pollOf(f *follow) *poll {
	key := pollKey{f.key.remote, f.key.ref}
	p := t.polls[key]
	if p != nil {
		return p
	}
	p = &poll{
		job: t.newJob(polling, f, f.key.ref), ref: f.key.ref, repository: f.repository,
		follows: map[*follow]struct{}{}, intervals: map[time.Duration]int{},
	}
	p.begin(func(ctx context.Context) func() { return t.poll(ctx, p) }, func() { t.endPoll(p) })
	t.polls[key] = p
	return p
}

// endPoll forgets a poll that nobody needs. One that runs is ended first.
func (t *Tracker) endPoll(p *poll) {
	switch {
	case len(p.follows) > 0:
	case p.running:
		p.cancel()
	default:
		delete(t.polls, pollKey{p.remote, p.ref})
		delete(p.host.jobs, &p.job)
		t.endHost(p.host)
	}
}

// fetchOf is the fetch of an archive, which f gets.
func (t *Tracker) fetchOf(f *follow, key archiveKey) *fetch {
	x := t.fetches[key]
	if x == nil {
		x = &fetch{
			job: t.newJob(fetching, f, key.commit, key.selection), selection: f.selection, archive: key, follows: map[*follow]struct{}{},
		}
		x.begin(func(ctx context.Context) func() { return t.fetch(ctx, x) }, func() { t.endFetch(x) })
		t.fetches[key] = x
	}
	x.follows[f] = struct{}{}
	return x
}

// leaveFetch takes f off a fetch, if there is one.
func (t *Tracker) leaveFetch(f *follow, x *fetch) {
	if x == nil {
		return
	}
	delete(x.follows, f)
	t.endFetch(x)
}

// endFetch forgets a fetch that nobody needs. One that runs is ended first.
func (t *Tracker) endFetch(x *fetch) {
	switch {
	case len(x.follows) > 0:
	case x.running:
		x.cancel()
	default:
		delete(t.fetches, x.archive)
		delete(x.host.jobs, &x.job)
		t.endHost(x.host)
	}
}

// reached takes note that a host answered. What waited for it is done soon, but not all at once.
func (t *Tracker) reached(h *host) {
	outage := h.failures > 1 // one failure may be that of a single repository
	if h.failures == 0 {
		return
	}
	h.failures, h.err, h.poked = 0, nil, false
	now := t.Clock.Now()
	for j := range h.jobs {
		if outage && !j.running && !j.asked {
			j.due = afterOutage(j.past, j.due, now, j.key)
		}
	}
	t.settleHost(h)
}

// unreached takes note that a host did not answer a job. What was under way with it is the same failure.
func (t *Tracker) unreached(h *host, j *job) {
	if h.failures == 0 || j.started.After(h.failed) {
		h.failures++
		h.failed = j.ended
	}
	h.err = j.err
	t.settleHost(h)
}

// settleHost wakes whose answer is the host's.
func (t *Tracker) settleHost(h *host) {
	for _, f := range t.follows {
		if f.host == h {
			t.settle(f)
		}
	}
}
