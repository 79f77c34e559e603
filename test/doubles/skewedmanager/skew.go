// Package skewedmanager is the manager on a machine whose clock is wrong: all of it sees a time that is off by a constant,
// while the API server, the agents and the election of the leader go by the right one.
package skewedmanager

import (
	"time"

	"k8s.io/utils/clock"
)

// Clock is off by a constant.
type Clock struct {
	clock.RealClock
	// Offset is what it is ahead of the right time.
	Offset time.Duration
}

// Now is the time that it shows.
func (c Clock) Now() time.Time { return c.RealClock.Now().Add(c.Offset) }

// Since is the time since one that it showed.
func (c Clock) Since(shown time.Time) time.Duration { return c.Now().Sub(shown) }
