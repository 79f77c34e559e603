package git

import (
	"context"
	"time"

	"github.com/gantry-operator/gantry/internal/source/git/client"
)

// pruneEvery is how often what is followed no more is dropped.
const pruneEvery = 10 * time.Minute

// prune drops now and then what nobody follows: repositories, and what is known of archives that are gone.
func (t *Tracker) prune(ctx context.Context) {
	ticker := t.Clock.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
		released, made := t.prunable()
		for key, digest := range made {
			if !t.Store.Has(digest) {
				t.forget(key)
			}
		}
		if released {
			t.Client.Prune(t.following)
		}
	}
}

// prunable tells whether something was followed that is not any more, and which archives are known.
func (t *Tracker) prunable() (released bool, made map[archiveKey]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	made = make(map[archiveKey]string, len(t.archives))
	for key, revision := range t.archives {
		made[key] = revision.Digest
	}
	released, t.released = t.released, false
	return released, made
}

// forget forgets an archive. If it was made again in the meantime it is made once more when somebody wants it.
func (t *Tracker) forget(key archiveKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.archives, key)
}

// following tells whether somebody follows a remote.
func (t *Tracker) following(r client.Remote) bool {
	where, err := locate(r.URL)
	if err != nil {
		return false
	}
	wanted := remote{where.url, r.Credential.Fingerprint(t.key)}
	t.mu.Lock()
	defer t.mu.Unlock()
	for key := range t.follows {
		if key.remote == wanted {
			return true
		}
	}
	return false
}
