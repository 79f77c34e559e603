package agent

import (
	"context"
	"errors"
	"time"

	"github.com/gantry-operator/gantry/internal/operation"
)

// ErrNotKept means that no manager answered for a snapshot. A later one may.
var ErrNotKept = errors.New("no manager has kept the snapshot of the state in time")

// keeping is a snapshot that waits for the manager to keep it.
type keeping struct {
	snapshot *operation.Snapshot
	answer   chan *operation.SnapshotKept
}

// Keep has the manager keep a snapshot, and answers when it has, or will not. It waits for a manager that is away.
func (a *Agent) Keep(ctx context.Context, snapshot *operation.Snapshot) (*operation.SnapshotKept, error) {
	k := &keeping{snapshot: snapshot, answer: make(chan *operation.SnapshotKept, 1)}
	a.mu.Lock()
	a.keeping = k
	a.outbox.keep(snapshot)
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.keeping = nil
		a.outbox.keep(nil)
	}()
	enough := time.NewTimer(keepWithin)
	defer enough.Stop()
	select {
	case kept := <-k.answer:
		return kept, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-enough.C:
		return nil, ErrNotKept
	}
}

// kept hands the manager's answer on.
func (a *Agent) kept(answer *operation.SnapshotKept) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.keeping == nil || a.keeping.snapshot.GetUid() != answer.GetUid() {
		return
	}
	select {
	case a.keeping.answer <- answer:
	default:
	}
}

// keepWithin is how long a manager may be away: an operation that waits for one changes nothing, and is made anew.
const keepWithin = 10 * time.Minute
