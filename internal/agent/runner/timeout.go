package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/gantry-operator/gantry/internal/operation"
)

// timeoutError is why an operation was ended that took too long.
type timeoutError struct{ limit time.Duration }

// Error says what to do, too: more often than not the limit is what is wrong.
func (e *timeoutError) Error() string {
	return fmt.Sprintf("it took longer than its timeout of %s; if it needs more, raise spec.timeout of the Update, "+
		"which a Stack sets in spec.updateTemplate", e.limit)
}

// limited is a context that ends with the operation's timeout, if it has one. The time is the agent's to keep: whatever
// becomes of the manager, the operation ends in time.
func limited(ctx context.Context, op *operation.Operation) (context.Context, context.CancelFunc) {
	if op.GetTimeout() == nil {
		return context.WithCancel(ctx)
	}
	limit := op.GetTimeout().AsDuration()
	return context.WithTimeoutCause(ctx, limit, &timeoutError{limit: limit})
}
