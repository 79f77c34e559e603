package artifact

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
)

const (
	// sweepEvery is how often the store is swept.
	sweepEvery = time.Hour
	// sweepAgain is how soon it is swept again when it is over its bound once more.
	sweepAgain = time.Minute
)

// Sweeper sweeps a Store at its start, every hour, and when it is over its bound. It runs on the leader only, whose store
// is the one that is used.
type Sweeper struct {
	Store *Store
	// Ready waits until what is live can be told.
	Ready func(ctx context.Context) error
	Clock clock.WithTicker
	Log   logr.Logger
}

// NeedLeaderElection says that only the leader sweeps.
func (s *Sweeper) NeedLeaderElection() bool { return true }

// Start sweeps until ctx is done.
func (s *Sweeper) Start(ctx context.Context) error {
	if err := s.Ready(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	ticker := s.Clock.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		s.sweep(ctx)
		last := s.Clock.Now()
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
			continue
		case <-s.Store.pressed:
		}
		pause := s.Clock.NewTimer(sweepAgain - s.Clock.Since(last))
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil
		case <-pause.C():
		}
	}
}

// sweep sweeps once and tells of it.
func (s *Sweeper) sweep(ctx context.Context) {
	swept, err := s.Store.Sweep(ctx)
	if err != nil && ctx.Err() == nil {
		s.Log.Error(err, "Could not remove old artifacts")
	}
	if swept.Evicted > 0 {
		s.Log.V(1).Info("Removed old artifacts", "count", swept.Evicted, "artifacts", swept.Left, "bytes", swept.Bytes)
	}
	if swept.Over {
		s.Log.Info("The artifacts that are in use have more bytes than the store should; nothing is lost, but its disk may fill up: "+
			"give it a larger volume and a larger --artifact-store-size", "artifacts", swept.Left, "bytes", swept.Bytes, "bound", s.Store.bound)
	}
}
