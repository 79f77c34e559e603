package git

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/git/client"
)

const (
	// checkout is how the directories are called into which commits are checked out.
	checkout = "checkout-"
	// idle is how long Start sleeps if nothing comes due.
	idle = time.Hour
)

// NeedLeaderElection says that only the leader follows repositories.
func (t *Tracker) NeedLeaderElection() bool { return true }

// Start polls and fetches until ctx is done, and returns when all of that has ended.
func (t *Tracker) Start(ctx context.Context) error {
	if err := t.clean(); err != nil {
		return err
	}
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { t.prune(ctx) })
	for {
		timer := t.Clock.NewTimer(t.startDue(ctx, &running))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-t.woken:
		case <-timer.C():
		}
		timer.Stop()
	}
}

// clean makes the directory for checkouts, and removes what an earlier process left in it.
func (t *Tracker) clean() error {
	if err := os.MkdirAll(t.Dir, 0o700); err != nil {
		return fmt.Errorf("make the directory for checkouts: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(t.Dir, checkout+"*"))
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		return fmt.Errorf("clean the directory for checkouts: %w", err)
	}
	return nil
}

// startDue starts what is due, and tells how long it is until something else comes due.
func (t *Tracker) startDue(ctx context.Context, running *sync.WaitGroup) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.Clock.Now()
	var jobs []*job
	for _, h := range t.hosts {
		for j := range h.jobs {
			jobs = append(jobs, j)
		}
	}
	due, next := start(jobs, limits{t.Polls, t.Fetches}, now)
	for _, j := range due {
		if !j.asked {
			j.host.poked = false
		}
		j.running, j.asked, j.started = true, false, now
		j.starts++
		within, cancel := context.WithCancel(ctx)
		j.cancel = cancel
		running.Go(func() {
			defer cancel()
			t.ended(within, j, j.run(within))
		})
	}
	if next.IsZero() {
		return idle
	}
	return next.Sub(now)
}

// ended takes the result of a job, unless the job was canceled: then nobody needed it, or everything ends.
func (t *Tracker) ended(ctx context.Context, j *job, done func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	j.running = false
	if ctx.Err() == nil {
		j.ends, j.ended = j.starts, t.Clock.Now()
		done()
	} else if !j.asked {
		j.due = t.Clock.Now()
	}
	j.end()
	t.look()
}

// noted takes note of how a job ended: for its next time, and for its host.
func (t *Tracker) noted(j *job, err error) {
	t.Recorder.GitRequested(string(j.kind), result(err), j.ended.Sub(j.started))
	if err != nil && (j.err == nil || j.err.Error() != err.Error()) {
		t.Log.Info("A repository cannot be read", "operation", j.kind, "host", j.host.name, "error", err.Error())
	}
	j.err = err
	j.failures++
	if err == nil {
		j.failures = 0
	}
}

// judge tells the host what a job says of it.
func (t *Tracker) judge(j *job) {
	var failed *client.Error
	switch {
	case unreachable(j.err):
		t.unreached(j.host, j)
	case j.err == nil, errors.As(j.err, &failed) && !invalid(j.err):
		t.reached(j.host)
	}
}

// poll asks the host for the commit of a ref.
func (t *Tracker) poll(ctx context.Context, p *poll) (done func()) {
	commit, err := t.Client.Resolve(ctx, p.through, p.ref)
	return func() {
		t.noted(&p.job, err)
		if !p.asked {
			p.due = nextPoll(p.past, p.every(), p.key)
		}
		if err == nil && commit != p.commit {
			p.commit = commit
			for f := range p.follows {
				t.want(f, commit)
			}
		}
		t.judge(&p.job)
		for f := range p.follows {
			t.settle(f)
		}
	}
}

// fetch makes an archive of a commit.
func (t *Tracker) fetch(ctx context.Context, x *fetch) (done func()) {
	digest, content, err := t.archive(ctx, x)
	return func() {
		t.noted(&x.job, err)
		follows := slices.Collect(maps.Keys(x.follows))
		if err == nil {
			t.fetched(x, source.Revision{Revision: x.archive.commit, Digest: digest, Content: content})
		} else {
			t.notFetched(x)
		}
		t.judge(&x.job)
		for _, f := range follows {
			t.settle(f)
		}
	}
}

// fetched gives an archive to all who wait for it.
func (t *Tracker) fetched(x *fetch, made source.Revision) {
	t.archives[x.archive] = made
	for f := range x.follows {
		if f.late == x {
			f.late = nil
			if !f.known {
				f.adopt(made)
			}
			continue
		}
		f.adopt(made)
		t.leaveFetch(f, f.late)
		f.fetch, f.late = nil, nil
	}
	clear(x.follows)
}

// notFetched has a fetch be tried again for those who still want its commit.
func (t *Tracker) notFetched(x *fetch) {
	for f := range x.follows {
		if f.late == x {
			f.late = nil
			delete(x.follows, f)
		}
	}
	if !x.asked {
		x.due = nextFetch(x.past, x.key)
	}
}

// archive checks a commit out and stores it.
func (t *Tracker) archive(ctx context.Context, x *fetch) (digest, content string, err error) {
	dir, err := os.MkdirTemp(t.Dir, checkout+"*")
	if err != nil {
		return "", "", fmt.Errorf("check out commit %.12s: %w", x.archive.commit, err)
	}
	defer os.RemoveAll(dir)
	content, err = t.Client.Checkout(ctx, x.through, x.archive.commit, x.selection, dir)
	if err != nil {
		return "", "", err
	}
	digest, err = t.Store.PutDir(ctx, dir)
	if err != nil {
		return "", "", fmt.Errorf("archive commit %.12s: %w", x.archive.commit, err)
	}
	return digest, content, nil
}
