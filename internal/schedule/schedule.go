// Package schedule owns when things are done again: backoff after failures, and the jitter that keeps a fleet from
// doing everything at once. All of it is pure: the same question has the same answer after a restart.
package schedule

import (
	"hash/fnv"
	"math"
	"time"
)

// Backoff is an exponential backoff. PKO's is {10 s, 3, 24 h}.
type Backoff struct {
	// Base is the wait after the first failure.
	Base time.Duration
	// Factor multiplies the wait for each further failure.
	Factor float64
	// Cap is the longest wait.
	Cap time.Duration
}

// After is the wait after the given number of failures in a row; zero for none.
func (b Backoff) After(failures int64) time.Duration {
	if failures <= 0 {
		return 0
	}
	wait := float64(b.Base) * math.Pow(b.Factor, float64(failures-1))
	if wait > float64(b.Cap) {
		return b.Cap
	}
	return time.Duration(wait)
}

// Seconds is n seconds, and a hundred years for more than that, so that no number of a spec's overflows.
func Seconds(n int64) time.Duration {
	const most = 100 * 365 * 24 * 60 * 60
	return time.Duration(min(n, most)) * time.Second
}

// Jitter lengthens d by up to a tenth, by an amount that depends on nothing but the seed.
func Jitter(d time.Duration, seed string) time.Duration { return d + Spread(d/10, seed) }

// Spread is a part of d that depends on nothing but the seed: those that would all act at once act within d instead.
func Spread(d time.Duration, seed string) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(seed)) // a hash's Write never fails
	return time.Duration(float64(d) * float64(h.Sum32()) / float64(math.MaxUint32))
}

// ahead is how far a time on record may be ahead of the clock: those of replicas differ a little.
const ahead = time.Minute

// Due tells whether d has passed since a time on record. One that is far ahead of the clock was recorded by a clock that
// was wrong: nothing waits for it to come.
func Due(since time.Time, d time.Duration, now time.Time) bool {
	passed := now.Sub(since)
	return passed >= d || passed < -ahead
}

// Until is the time from now to d after since, and at least a second, so that no clock's fault makes a hot loop.
func Until(since time.Time, d time.Duration, now time.Time) time.Duration {
	return max(since.Add(d).Sub(now), time.Second)
}
