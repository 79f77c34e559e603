package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/validate"
)

// Prerequisite is a Stack that has to succeed first.
type Prerequisite struct {
	pulumiv1.PrerequisiteRef
	// Stack is nil if there is none of that name.
	Stack *pulumiv1.Stack
}

// askedAfter begins the request by which a Stack is asked to run again, once after each update.
const askedAfter = "after-"

// Touch asks a prerequisite to run again.
type Touch struct {
	Stack *pulumiv1.Stack
	// Request is the value of its reconciliation request.
	Request string
}

// prerequisiteUnmet: other Stacks have to succeed first. All of them are looked at, so that the message is whole.
func prerequisiteUnmet(o Observed, now time.Time) *Step {
	if deleting(o.Stack) {
		return nil
	}
	step := &Step{}
	var unmet []string
	for _, p := range o.Prerequisites {
		problem, outdated := p.unmet(now)
		if problem == "" {
			continue
		}
		if p.Stack != nil && p.Stack.Spec.Suspend {
			problem += ", and is suspended"
		}
		unmet = append(unmet, fmt.Sprintf("prerequisite %q: %s", p.Name, problem))
		if outdated && !p.Stack.Spec.Suspend {
			step.Touch = append(step.Touch, Touch{Stack: p.Stack, Request: askedAfter + p.Stack.Status.LastUpdate.Name})
		}
	}
	if len(unmet) == 0 {
		return nil
	}
	if len(o.Cycle) > 0 {
		return &Step{After: sourcePoll, State: conditions.Stalled(pulumiv1.ReasonSpecInvalid, fmt.Sprintf(
			"spec.prerequisites: these Stacks wait for each other, so that none of them can run: %s → %s; remove one of the prerequisites",
			strings.Join(o.Cycle, " → "), o.Cycle[0]))}
	}
	step.State = conditions.Reconciling(pulumiv1.ReasonPrerequisiteNotSatisfied, strings.Join(unmet, "; "))
	return step
}

// unmet says what is wrong with a prerequisite, or "", and whether running it again would help.
func (p Prerequisite) unmet(now time.Time) (problem string, outdated bool) {
	if p.Stack == nil {
		return "there is no such Stack in this namespace", false
	}
	last := lastUpdate(p.Stack)
	switch {
	case deleting(p.Stack):
		return "prerequisite is being deleted", false
	case last == nil || last.Generation != p.Stack.Generation || asked(p.Stack) != "":
		return "prerequisite has not run to completion", false
	case last.State != pulumiv1.SucceededStackState:
		return "prerequisite failed", false
	}
	if within, err := p.within(); err == nil && within > 0 && now.Sub(last.LastResyncTime.Time) > within {
		return "prerequisite is out of date", true
	}
	return "", false
}

// within is how old the prerequisite's last success may be; zero sets no limit.
func (p Prerequisite) within() (time.Duration, error) {
	if p.Requirement == nil || p.Requirement.SucceededWithinDuration == "" {
		return 0, nil
	}
	within, err := time.ParseDuration(p.Requirement.SucceededWithinDuration)
	if err != nil || within <= 0 {
		return 0, fmt.Errorf("%s is not a duration such as 1h", validate.Quote(p.Requirement.SucceededWithinDuration))
	}
	return within, nil
}

// maxCycle bounds how many Stacks are looked at for a cycle.
const maxCycle = 200

// cycle looks for Stacks that wait for each other, in a circle that leads back to this one. Stacks whose prerequisites
// are met do not wait, so that a circle of Stacks that have all run does no harm.
func (r *Reconciler) cycle(ctx context.Context, stack *pulumiv1.Stack) ([]string, error) {
	now, seen := r.Clock.Now(), map[string]bool{stack.Name: true}
	paths := [][]string{{stack.Name}}
	refs := map[string][]pulumiv1.PrerequisiteRef{stack.Name: stack.Spec.Prerequisites}
	for len(paths) > 0 && len(seen) <= maxCycle {
		path := paths[0]
		paths = paths[1:]
		for _, ref := range refs[path[len(path)-1]] {
			other := &pulumiv1.Stack{}
			if err := r.Client.Get(ctx, client.ObjectKey{Namespace: stack.Namespace, Name: ref.Name}, other); err != nil {
				if client.IgnoreNotFound(err) != nil {
					return nil, fmt.Errorf("get Stack %s: %w", ref.Name, err)
				}
				continue
			}
			if problem, _ := (Prerequisite{PrerequisiteRef: ref, Stack: other}).unmet(now); problem == "" {
				continue
			}
			if ref.Name == stack.Name {
				return path, nil
			}
			if !seen[ref.Name] {
				seen[ref.Name], refs[ref.Name] = true, other.Spec.Prerequisites
				paths = append(paths, append(slices.Clone(path), ref.Name))
			}
		}
	}
	return nil, nil
}
