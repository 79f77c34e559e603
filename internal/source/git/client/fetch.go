package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// fetch gets a commit from the host, unless it is there. Where only some paths are wanted it comes without files.
func (r *repository) fetch(ctx context.Context, w wanted) error {
	if _, has := r.commits[w.commit]; has {
		return nil
	}
	if r.fetches >= maxFetches || used(r.dir) > r.client.options.Limits.RepositoryBytes/4*3 {
		r.begin() // what old commits need is not kept for ever
	}
	if err := r.make(ctx, w.commit); err != nil {
		return err
	}
	filter := "--no-filter"
	if len(w.selection.Paths) > 0 {
		filter = partial
	}
	err := r.remote(ctx, w, []string{"fetch", filter, "--depth=1", "origin", "+" + w.commit + ":refs/gantry/" + w.commit}, nil)
	if refused(err) {
		// An old server gives only what its branches and tags are at: get them all, and look whether the commit is among
		// their ancestors.
		args := []string{"fetch", filter}
		if _, shallow := os.Stat(filepath.Join(r.dir, "shallow")); shallow == nil {
			args = append(args, "--unshallow") // ancestors of what was fetched alone before
		}
		args = append(args, "origin", "+refs/heads/*:refs/gantry/heads/*", "+refs/tags/*:refs/gantry/tags/*")
		err = r.remote(ctx, w, args, nil)
	}
	if err != nil {
		return r.client.explain(w.url, w.credential, "fetching commit "+w.commit, err)
	}
	tree, err := r.tree(ctx, w.commit)
	if err != nil {
		return ended(ctx, NewError(NotFound, fmt.Sprintf("there is no commit %s at %s", w.commit, w.url), nil))
	}
	r.commits[w.commit] = tree
	return nil
}

// tree is the id of a commit's tree.
func (r *repository) tree(ctx context.Context, commit string) (id string, err error) {
	err = r.local(ctx, []string{"rev-parse", "--quiet", "--verify", commit + "^{tree}"}, func(c *command) {
		c.out = func(out io.Reader) error {
			text, err := io.ReadAll(io.LimitReader(out, 100))
			id = strings.TrimSpace(string(text))
			return err
		}
	})
	return id, err
}

// partial asks for a commit and its directories, but no files.
const partial = "--filter=blob:none"

// refused tells whether the host gives nothing but what its refs are at.
func refused(err error) bool {
	var failed *failure
	return errors.As(err, &failed) && strings.Contains(strings.ToLower(failed.said), "unadvertised object")
}

// ended prefers the reason for which a context ended to what came of it.
func ended(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// remote runs git fetch against the host, while the disk is watched.
func (r *repository) remote(ctx context.Context, w wanted, args []string, in io.Reader) error {
	a, err := r.client.open(ctx, w.url, w.credential)
	if err != nil {
		return err
	}
	defer a.close()
	ctx, stop := r.watch(ctx)
	defer stop()
	r.fetches++
	// With these two settings git takes missing files for promised ones. They are not in the repository's own
	// configuration, so that no other command ever goes to fetch what it misses.
	options := []string{"-c", "remote.origin.promisor=true", "-c", "remote.origin.partialCloneFilter=blob:none"}
	at := slices.Index(args, "fetch") + 1
	options = append(append(options, args[:at]...), "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--recurse-submodules=no")
	err = r.client.run(ctx, command{
		dir: r.dir, env: append(a.env, "GIT_DIR="+r.dir), args: append(options, args[at:]...), in: in, redact: a.redact,
	})
	if err != nil {
		r.client.forgetToken(w.url, w.credential, err)
		// A file that became too big ends git without a word.
		if limit := r.client.options.Limits.RepositoryBytes; used(r.dir) >= limit {
			return r.overfull()
		}
	}
	return err
}

func (r *repository) overfull() error {
	return NewError(TooLarge, fmt.Sprintf("the repository takes more than %s on the disk: %s", size(r.client.options.Limits.RepositoryBytes), narrow), nil)
}

// watchEvery is how often the disk is looked at.
const watchEvery = 250 * time.Millisecond

// watch ends what runs in the context it gives when the repository takes more of the disk than it may.
func (r *repository) watch(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(watchEvery)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			if used(r.dir) > r.client.options.Limits.RepositoryBytes {
				cancel(r.overfull())
				return
			}
		}
	}()
	return ctx, func() {
		close(done)
		<-ended
		cancel(nil)
	}
}

// used is how much of the disk a directory takes.
func used(dir string) int64 {
	var total int64
	//nolint:errcheck // files come and go while git runs
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			if info, err := entry.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}
