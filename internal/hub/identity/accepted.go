package identity

import (
	"crypto/sha256"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

const (
	// acceptedFor is how long a review is good. A pod that goes is noticed at once all the same, as it is looked up
	// each time; this only bounds how long a token outlives its revocation by other means.
	acceptedFor = time.Minute
	// acceptedMost bounds the memory.
	acceptedMost = 4096
)

// accepted remembers the tokens that the API server vouched for, by their hash: the tokens themselves are not kept.
type accepted struct {
	clock   clock.PassiveClock
	mu      sync.Mutex
	holders map[[sha256.Size]byte]entry
}

// entry is one accepted token's holder.
type entry struct {
	holder
	until time.Time
}

func newAccepted(now clock.PassiveClock) *accepted {
	return &accepted{clock: now, holders: map[[sha256.Size]byte]entry{}}
}

// find returns the holder of a token that was accepted less than acceptedFor ago.
func (a *accepted) find(token string) (holder, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found, ok := a.holders[sha256.Sum256([]byte(token))]
	if !ok || !a.clock.Now().Before(found.until) {
		return holder{}, false
	}
	return found.holder, true
}

// add remembers a token, and forgets those that are over; if there are too many, it forgets all.
func (a *accepted) add(token string, who holder) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.clock.Now()
	for key, old := range a.holders {
		if !now.Before(old.until) {
			delete(a.holders, key)
		}
	}
	if len(a.holders) >= acceptedMost {
		clear(a.holders)
	}
	a.holders[sha256.Sum256([]byte(token))] = entry{who, now.Add(acceptedFor)}
}
