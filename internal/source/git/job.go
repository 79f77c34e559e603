package git

import (
	"context"
	"time"

	"github.com/gantry-operator/gantry/internal/schedule"
	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/git/client"
)

// kind is what a job does.
type kind string

const (
	polling  kind = "poll"
	fetching kind = "fetch"
)

// remote is a repository as one credential sees it: nobody is given what another credential may read.
type remote struct{ url, credential string }

// host is what all remotes of a git host have in common.
type host struct {
	name string
	// jobs are all that there are of the host, and users how many follows name it.
	jobs  map[*job]struct{}
	users int
	// failures in a row of reaching it, when the last of them was seen, and what it was.
	failures int64
	failed   time.Time
	err      error
	// poked says that a push was followed up since the last try that was due by itself.
	poked bool
}

// retry is when a failing host is tried again.
func (h *host) retry() time.Time {
	return h.failed.Add(schedule.Jitter(outage().After(h.failures), h.name))
}

// job is something to do at a host, again and again: to poll a ref, or to fetch a commit until it is there.
type job struct {
	past
	kind kind
	// key tells it from all others.
	key    string
	remote remote
	host   *host
	// through is how the remote is reached.
	through client.Remote
	// due is when it is done next. asked says that somebody wants it then, also if the host fails.
	due   time.Time
	asked bool
	// running says that it is being done. starts counts how often it was started, and ends is the number of the last
	// start that came to an end.
	running      bool
	starts, ends int
	cancel       context.CancelFunc
	// run does it, without the lock, and done takes the result, with the lock. end forgets the job if nobody needs it.
	run func(ctx context.Context) (done func())
	end func()
}

// ready is when the job may start.
func (j *job) ready() time.Time {
	if j.host.failures > 0 && !j.asked && j.due.Before(j.host.retry()) {
		return j.host.retry()
	}
	return j.due
}

// ask wants the job to be done at once, or as soon as it may be again.
func (j *job) ask(now time.Time) {
	if j.asked {
		return
	}
	j.asked, j.due = true, now
	if next := j.started.Add(debounce); next.After(now) {
		j.due = next
	}
}

// poll follows a ref.
type poll struct {
	job
	ref string
	// repository is the key by which a push names it.
	repository string
	// follows are what is wanted of it, and intervals how many consumers ask for each.
	follows   map[*follow]struct{}
	intervals map[time.Duration]int
	// commit is the last one that was found; empty if none ever was.
	commit string
}

// every is the shortest interval asked for.
func (p *poll) every() time.Duration {
	shortest := time.Duration(0)
	for interval := range p.intervals {
		if shortest == 0 || interval < shortest {
			shortest = interval
		}
	}
	return shortest
}

// fetch makes an archive of a commit.
type fetch struct {
	job
	selection client.Selection
	archive   archiveKey
	// follows are those that get the archive.
	follows map[*follow]struct{}
}

// followKey tells what is followed.
type followKey struct {
	remote
	ref, commit, selection string
}

// archiveKey tells which files an archive has.
type archiveKey struct {
	remote
	commit, selection string
}

// follow is a ref or a commit with a selection of its files: all its consumers get the same answer.
type follow struct {
	key       followKey
	selection client.Selection
	through   client.Remote
	host      *host
	// repository is the key by which a push names it.
	repository string
	consumers  map[source.Consumer]*subscription
	// poll finds the commit; nil if it was given.
	poll *poll
	// commit is the one that is wanted; empty if it is not known yet.
	commit string
	// revision is the last one whose archive is there; known says that there is one.
	revision source.Revision
	known    bool
	// fetch gets what is wanted; nil if it is there. late is one that runs for a commit that was wanted before, and is
	// taken as long as there is nothing at all.
	fetch, late *fetch
}

// adopt takes a revision whose archive is there.
func (f *follow) adopt(revision source.Revision) {
	f.revision, f.known = revision, true
	for _, s := range f.consumers {
		s.carried = nil
	}
}

// current tells whether what is wanted is there.
func (f *follow) current() bool { return f.known && f.revision.Revision == f.commit }

// needed tells whether a consumer does not have what is wanted.
func (f *follow) needed() bool {
	for _, s := range f.consumers {
		if !s.current() {
			return true
		}
	}
	return false
}

// subscription is what one consumer wants.
type subscription struct {
	follow *follow
	every  time.Duration
	token  string
	// needs is the number of the poll that answers the token; zero if none has to.
	needs int
	// carried is what the consumer had before, with another credential or from another manager. It is the consumer's own,
	// and good until there is something that all are given.
	carried *source.Revision
	// told is the last answer.
	told answer
}
