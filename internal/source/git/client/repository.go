package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// repository is a bare one, for one URL and credential, so that nobody is given what another one may read.
type repository struct {
	client *Client
	dir    string
	lock   chan struct{}
	// followers are for whom it is kept, by their URL and credential.
	followers map[string]Remote
	// commits that were fetched, with the ids of their trees, and how many packs there are because of them.
	commits map[string]string
	fetches int
}

// maxFetches is after how many fetches a repository is begun anew: each leaves a pack, and nothing is ever repacked.
const maxFetches = 100

// identity tells remotes apart.
func (c *Client) identity(u URL, credential Credential) string {
	return u.String() + " " + credential.Fingerprint(c.key[:])
}

// acquire gives the repository of a URL and credential to one user at a time.
func (c *Client) acquire(ctx context.Context, w wanted, follower Remote) (*repository, error) {
	identity := c.identity(w.url, w.credential)
	followed, err := ParseURL(follower.URL)
	if err != nil {
		return nil, fmt.Errorf("parse the URL: %w", err)
	}
	for {
		r := c.repository(identity)
		c.mu.Lock()
		r.followers[c.identity(followed, follower.Credential)] = follower
		c.mu.Unlock()
		select {
		case r.lock <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if c.repository(identity) == r {
			return r, nil
		}
		r.release() // it was removed meanwhile
	}
}

// repository gives the one of an identity.
func (c *Client) repository(identity string) *repository {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.repositories[identity]
	if r == nil {
		sum := sha256.Sum256([]byte(identity))
		r = &repository{
			client: c, dir: filepath.Join(c.options.Dir, repositoriesDir, hex.EncodeToString(sum[:16])), lock: make(chan struct{}, 1),
			followers: map[string]Remote{}, commits: map[string]string{},
		}
		c.repositories[identity] = r
	}
	return r
}

func (r *repository) release() { <-r.lock }

// Prune removes the repositories that nobody follows any more.
func (c *Client) Prune(keep func(r Remote) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for identity, r := range c.repositories {
		for name, follower := range r.followers {
			if !keep(follower) {
				delete(r.followers, name)
			}
		}
		if len(r.followers) > 0 {
			continue
		}
		select {
		case r.lock <- struct{}{}:
			r.begin()
			delete(c.repositories, identity)
			r.release()
		default:
			// Somebody uses it just now; the next time will do.
		}
	}
	for key, t := range c.tokens {
		if t.mu.TryLock() {
			if !c.options.Clock.Now().Before(t.expires) {
				delete(c.tokens, key)
			}
			t.mu.Unlock()
		}
	}
}

// begin forgets everything.
func (r *repository) begin() {
	os.RemoveAll(r.dir)
	r.commits, r.fetches = map[string]string{}, 0
}

// make makes the repository on the disk, unless it is there.
func (r *repository) make(ctx context.Context, commit string) error {
	if _, err := os.Stat(filepath.Join(r.dir, "HEAD")); err == nil {
		return nil
	}
	format := "sha1"
	if len(commit) == 64 {
		format = "sha256"
	}
	r.begin()
	return r.client.run(ctx, command{
		dir: r.client.options.Dir, env: r.client.local(), args: []string{"init", "--quiet", "--bare", "--object-format=" + format, "--", r.dir},
	})
}

// recover leaves nothing of a command that failed or was killed: half packs take place, and locks stop the next one.
func (r *repository) recover(err error) {
	var known *Error
	if errors.As(err, &known) && known.Kind == TooLarge || r.fetches == 0 {
		r.begin()
		return
	}
	//nolint:errcheck // what cannot be looked at cannot be removed either
	_ = filepath.WalkDir(r.dir, func(path string, entry fs.DirEntry, err error) error {
		name := filepath.Base(path)
		if err == nil && !entry.IsDir() && (strings.HasSuffix(name, ".lock") || strings.HasPrefix(name, "tmp_") || strings.HasPrefix(name, ".tmp-")) {
			os.Remove(path)
		}
		return nil
	})
}

// local runs git in the repository, without a network.
func (r *repository) local(ctx context.Context, args []string, with func(*command)) error {
	command := command{dir: r.dir, env: append(r.client.local(), "GIT_DIR="+r.dir), args: args}
	if with != nil {
		with(&command)
	}
	err := r.client.run(ctx, command)
	if failed := (*failure)(nil); errors.As(err, &failed) && failed.said != "" && kindOf(failed.said) == TooLarge {
		return NewError(TooLarge, fmt.Sprintf("git %s: %s. %s", failed.args, words(failed.said), r.client.tooLargeAdvice()), nil)
	}
	if known := (*Error)(nil); err != nil && !errors.As(err, &known) {
		return fmt.Errorf("look into a repository: %w", err)
	}
	return err
}
