// Package guard owns how the manager's servers bound what one address may cost them: connections that are open at once,
// connections that come, and whatever else is counted by a key.
package guard

import (
	"sync"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
)

// mostKeys is how many keys are remembered before those are looked for that have rested long enough to be forgotten.
const mostKeys = 4096

// Allowance is what each key may do: so many at once, and so many in a second for ever.
type Allowance[K comparable] struct {
	clock  clock.PassiveClock
	burst  int
	second float64

	mu   sync.Mutex
	keys map[K]*rate.Limiter
	// crowd is what is looked for again only when there are that many.
	crowd int
}

// NewAllowance gives each key burst at once, and perSecond in the long run.
func NewAllowance[K comparable](now clock.PassiveClock, burst int, perSecond float64) *Allowance[K] {
	return &Allowance[K]{clock: now, burst: burst, second: perSecond, keys: map[K]*rate.Limiter{}, crowd: mostKeys}
}

// Take takes one of what the key may do, if there is any left.
func (a *Allowance[K]) Take(key K) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	limiter := a.keys[key]
	if limiter == nil {
		a.forget()
		limiter = rate.NewLimiter(rate.Limit(a.second), a.burst)
		a.keys[key] = limiter
	}
	return limiter.AllowN(a.clock.Now(), 1)
}

// GiveBack gives back what was taken and not needed.
func (a *Allowance[K]) GiveBack(key K) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if limiter := a.keys[key]; limiter != nil {
		limiter.AllowN(a.clock.Now(), -1)
	}
}

// forget forgets the keys that have all of their allowance again. a.mu is held.
func (a *Allowance[K]) forget() {
	if len(a.keys) < a.crowd {
		return
	}
	now := a.clock.Now()
	for key, limiter := range a.keys {
		if limiter.TokensAt(now) >= float64(a.burst) {
			delete(a.keys, key)
		}
	}
	a.crowd = max(mostKeys, 2*len(a.keys))
}
