package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
)

// Dependent is a Stack that needs this one and is still there.
type Dependent struct {
	Name string
	// Going says that it is being deleted too.
	Going bool
}

// shownDependents is how many Stacks a message names.
const shownDependents = 5

// dependentsExist: what a Stack needs is destroyed after it. Whether the Stacks that need this one are being deleted too is
// not asked: when several are deleted together, one of them is always the first, and a resource that is in use must not go
// because its Stack was. Nobody waits without a word, and none of those waits for this one.
func dependentsExist(o Observed, _ time.Time) *Step {
	if !deleting(o.Stack) || len(o.Dependents) == 0 {
		return nil
	}
	var going, staying []string
	for _, d := range o.Dependents {
		if d.Going {
			going = append(going, d.Name)
		} else {
			staying = append(staying, d.Name)
		}
	}
	var told []string
	if len(going) > 0 {
		told = append(told, "waiting for Stacks that need this one, and are destroyed before it: "+enumerate(going))
	}
	if len(staying) > 0 {
		told = append(told, fmt.Sprintf("the destroy waits as long as Stacks need this one (spec.prerequisites or spec.kubeconfig): %[1]s. "+
			"Delete these too, or take this Stack out of their spec", enumerate(staying)))
	}
	return &Step{State: conditions.Reconciling(pulumiv1.ReasonDependentsExist, strings.Join(told, "; "))}
}

// enumerate names Stacks, the first of them.
func enumerate(names []string) string {
	var quoted []string
	for _, name := range names[:min(len(names), shownDependents)] {
		quoted = append(quoted, fmt.Sprintf("%q", name))
	}
	text := strings.Join(quoted, ", ")
	if more := len(names) - len(quoted); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// observeDependents finds the Stacks that a Stack that goes has to wait for: those that need it and may have applied
// something, but not those that are going and wait for it themselves, or all of them would wait in a circle.
func (r *Reconciler) observeDependents(ctx context.Context, o *Observed) error {
	if !deleting(o.Stack) {
		return nil
	}
	var others pulumiv1.StackList
	err := r.Client.List(ctx, &others, client.InNamespace(o.Stack.Namespace), client.MatchingFields{indexNeeded: o.Stack.Name})
	if err != nil {
		return fmt.Errorf("list the Stacks that need this one: %w", err)
	}
	var found []Dependent
	for i := range others.Items {
		if other := &others.Items[i]; other.Name != o.Stack.Name && !released(other) && (other.Status.Applied == nil || *other.Status.Applied) {
			found = append(found, Dependent{Name: other.Name, Going: deleting(other)})
		}
	}
	if !slices.ContainsFunc(found, func(d Dependent) bool { return d.Going }) {
		o.Dependents = found
		return nil
	}
	waiting, err := r.waitingFor(ctx, o.Stack)
	if err != nil {
		return err
	}
	o.Dependents = slices.DeleteFunc(found, func(d Dependent) bool { return d.Going && waiting[d.Name] })
	return nil
}

// waitingFor are the Stacks that are going and wait, directly or not, until a Stack is gone: those that it needs, and those
// that these need.
func (r *Reconciler) waitingFor(ctx context.Context, stack *pulumiv1.Stack) (map[string]bool, error) {
	seen, next := map[string]bool{}, neededStacks(stack)
	for len(next) > 0 {
		name := next[0]
		next = next[1:]
		if seen[name] {
			continue
		}
		other := &pulumiv1.Stack{}
		if err := r.Client.Get(ctx, client.ObjectKey{Namespace: stack.Namespace, Name: name}, other); err != nil {
			if client.IgnoreNotFound(err) != nil {
				return nil, fmt.Errorf("get Stack %s: %w", name, err)
			}
			continue
		}
		if deleting(other) {
			seen[name] = true
			next = append(next, neededStacks(other)...)
		}
	}
	return seen, nil
}

// neededThatGo maps a Stack to those that it needs and that are being deleted, which may be waiting for it.
func (r *Reconciler) neededThatGo(ctx context.Context, object client.Object) []reconcile.Request {
	stack, ok := object.(*pulumiv1.Stack)
	if !ok {
		return nil
	}
	var requests []reconcile.Request
	for _, name := range neededStacks(stack) {
		other, key := &pulumiv1.Stack{}, types.NamespacedName{Namespace: stack.Namespace, Name: name}
		if err := r.Client.Get(ctx, key, other); err == nil && deleting(other) {
			requests = append(requests, reconcile.Request{NamespacedName: key})
		}
	}
	return requests
}
