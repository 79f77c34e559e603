package cli

import (
	"context"
	"errors"
	"fmt"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// resumed is a Stack that was resumed, and what runs because of that.
type resumed struct {
	// before is the Stack as it was; generation is that of its spec since.
	before     *pulumiv1.Stack
	generation int64
	// result is that of the update; nil if there was none to make, and idle says why.
	result *pulumiv1.LastUpdate
	idle   string
	// going says that the Stack is being deleted, and goes when it is destroyed.
	going bool
}

// look looks at a Stack, tells how far it is, and answers true when its update has ended or there is none to make.
func (r *resumed) look(stack *pulumiv1.Stack, say func(string)) (bool, error) {
	s, last := stackState(stack), stack.Status.LastUpdate
	r.going = !stack.DeletionTimestamp.IsZero()
	switch {
	case stack.Generation < r.generation:
		return false, nil // it was read before it was resumed
	case suspended(stack):
		return false, fmt.Errorf("the Stack %s was suspended again", fullName(stack))
	case stack.Status.CurrentUpdate != nil:
		say(s.Message)
	case last != nil && last.State != "" && !r.ranBefore(last.Name):
		r.result = last.DeepCopy()
		return !r.going || last.State == pulumiv1.FailedStackState, nil
	case stack.Status.ObservedGeneration < stack.Generation:
		say("waiting for the controller to see it")
	case s.Word == "Stalled":
		return false, stalled(stack, s)
	case s.Word == "Ready":
		r.idle = s.Message
		return true, nil
	default:
		say(s.Message)
	}
	return false, nil
}

// ranBefore tells of an Update that it is not of the resume's making.
func (r *resumed) ranBefore(update string) bool {
	status := &r.before.Status
	return (status.LastUpdate != nil && status.LastUpdate.Name == update) || (status.CurrentUpdate != nil && status.CurrentUpdate.Name == update)
}

// follow follows what runs for Stacks that were resumed, one after the other: they all run meanwhile.
func (s *switching) follow(ctx context.Context, session *session, p *progress, asked []*resumed) error {
	var failure error
	for _, r := range asked {
		err := s.awaitStack(ctx, session, r.before, p, func(stack *pulumiv1.Stack) (bool, error) { return r.look(stack, p.say) })
		exit := exitError{}
		switch name := fullName(r.before); {
		case errors.As(err, &exit):
			return err
		case errors.Is(err, errGone) && r.going:
			p.done("Stack " + name + " is destroyed and gone")
		case err != nil:
			p.failed(err.Error())
			failure = ErrSaid
		case r.result == nil:
			p.done("Stack " + name + " has nothing to run: " + r.idle)
		default:
			if s.ended(p, name, r.result) != nil {
				failure = ErrSaid
			}
		}
	}
	return failure
}
