package stack

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/guard"
)

const (
	// editsAtOnce and editsPerSecond are how often one Stack is looked at for the sake of a new spec or request: each time
	// costs writes, and only the last of many edits counts. One edit may take two of them, while the cache lags behind.
	editsAtOnce    = 20
	editsPerSecond = 3
	// editPause is how long an edit waits that came too soon after many others.
	editPause = 500 * time.Millisecond
)

// Edits bounds how often each Stack is looked at for the sake of an edit.
type Edits = guard.Allowance[types.NamespacedName]

// NewEdits makes the bound.
func NewEdits(now clock.PassiveClock) *Edits {
	return guard.NewAllowance[types.NamespacedName](now, editsAtOnce, editsPerSecond)
}

// early tells whether a Stack was edited so often that it has to wait. One that goes never does.
func (r *Reconciler) early(stack *pulumiv1.Stack) bool {
	edited := stack.Generation != stack.Status.ObservedGeneration || cancelRequest(stack) != "" || requestedAtAnew(stack) ||
		stack.Annotations[pulumiv1.AnnotationReconciliationRequest] != stack.Status.ObservedReconcileRequest
	return r.Edits != nil && edited && !deleting(stack) && !r.Edits.Take(client.ObjectKeyFromObject(stack))
}

// requestedAtAnew tells of a request in Flux's annotation that no update answers yet.
func requestedAtAnew(stack *pulumiv1.Stack) bool {
	answered := stack.Status.LastHandledReconcileAt
	if current := stack.Status.CurrentUpdate; current != nil {
		answered = current.RequestedAt
	}
	return requestedAt(stack) != answered
}
