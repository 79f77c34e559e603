package git

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/gantry-operator/gantry/internal/schedule"
	"github.com/gantry-operator/gantry/internal/source/git/client"
)

const (
	// leastInterval is the shortest poll interval, whatever is asked for.
	leastInterval = time.Minute
	// debounce is the least time between two polls of a remote, however often somebody asks.
	debounce = 5 * time.Second
	// spreadOver is the time within which all remotes of a host are polled that is back after an outage.
	spreadOver = 20 * time.Second
	// quick is a failure that costs so little that it is worth trying again when the host is back.
	quick = time.Minute
	// permanent is the wait after a failure that another try does not mend.
	permanent = 6 * time.Hour
)

// outage is the backoff of a host that cannot be reached, and of what cannot be reached on it.
func outage() schedule.Backoff {
	return schedule.Backoff{Base: 10 * time.Second, Factor: 2, Cap: 15 * time.Minute}
}

// refusal is the backoff of what a host refuses. Too many wrong passwords lock an account.
func refusal() schedule.Backoff {
	return schedule.Backoff{Base: time.Minute, Factor: 2, Cap: 15 * time.Minute}
}

// past is what the next time of a job depends on.
type past struct {
	// started and ended are those of the last time; zero if there was none.
	started, ended time.Time
	// failures in a row, and the last of them.
	failures int64
	err      error
}

// passing tells whether a failure may pass by itself.
func passing(err error) bool {
	var failed *client.Error
	return !errors.As(err, &failed) || failed.Kind == client.Unreachable
}

// unreachable tells whether a failure says something of the whole host.
func unreachable(err error) bool {
	var failed *client.Error
	return errors.As(err, &failed) && failed.Kind == client.Unreachable
}

// nextPoll is when a remote is polled again by itself. key makes the jitter; every is the shortest interval asked for.
func nextPoll(last past, every time.Duration, key string) time.Time {
	interval := max(every, leastInterval)
	switch {
	case last.failures == 0:
	case passing(last.err):
		interval = outage().After(last.failures)
	default:
		interval = min(refusal().After(last.failures), 4*interval)
	}
	return last.ended.Add(schedule.Jitter(interval, key))
}

// nextFetch is when a commit that could not be fetched is fetched again by itself.
func nextFetch(last past, key string) time.Time {
	wait := refusal().After(last.failures)
	switch {
	case invalid(last.err):
		wait = permanent
	case passing(last.err):
		wait = outage().After(last.failures)
	}
	return last.ended.Add(schedule.Jitter(wait, key))
}

// afterOutage is when a job is done whose host is back. Only what failed for the host's sake, and cheaply, is brought
// forward; what had come due is spread out.
func afterOutage(last past, due, now time.Time, key string) time.Time {
	soon := now.Add(schedule.Spread(spreadOver, key))
	if due.Before(soon) || unreachable(last.err) && last.ended.Sub(last.started) < quick {
		return soon
	}
	return due
}

// limits bound what runs at the same time.
type limits struct{ polls, fetches int }

// perHost is how many of a limit one host may take, so that one that is slow leaves something to the others.
func perHost(limit int) int { return max(1, limit*3/4) }

// start picks the jobs to start now, and tells when the next comes due (zero: none does by itself).
func start(jobs []*job, most limits, now time.Time) (chosen []*job, next time.Time) {
	load := newLoad(jobs)
	var due []*job
	for _, j := range jobs {
		if j.running {
			continue
		}
		at := j.ready()
		if at.After(now) {
			if next.IsZero() || at.Before(next) {
				next = at
			}
			continue
		}
		due = append(due, j)
	}
	slices.SortFunc(due, func(a, b *job) int { return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.key, b.key)) })
	for _, j := range due {
		if load.fits(j, most) {
			load.add(j)
			chosen = append(chosen, j)
		}
	}
	return chosen, next
}

// load is what runs.
type load struct {
	kinds        map[kind]int
	hosts        map[*host]map[kind]int
	repositories map[remote]bool
}

func newLoad(jobs []*job) *load {
	l := &load{kinds: map[kind]int{}, hosts: map[*host]map[kind]int{}, repositories: map[remote]bool{}}
	for _, j := range jobs {
		if j.running {
			l.add(j)
		}
	}
	return l
}

func (l *load) add(j *job) {
	if l.hosts[j.host] == nil {
		l.hosts[j.host] = map[kind]int{}
	}
	l.kinds[j.kind]++
	l.hosts[j.host][j.kind]++
	if j.kind == fetching {
		l.repositories[j.remote] = true
	}
}

// fits tells whether a job may start beside what runs: one at a time on a host that fails, and one fetch of a
// repository.
func (l *load) fits(j *job, most limits) bool {
	onHost, limit := l.hosts[j.host], most.polls
	if j.kind == fetching {
		limit = most.fetches
	}
	switch {
	case j.host.failures > 0 && onHost[polling]+onHost[fetching] > 0:
		return false
	case j.kind == fetching && l.repositories[j.remote]:
		return false
	}
	return l.kinds[j.kind] < limit && onHost[j.kind] < perHost(limit)
}
