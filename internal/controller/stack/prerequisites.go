package stack

import (
	"fmt"
	"strings"
	"time"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
)

// Prerequisite is a Stack that has to succeed first.
type Prerequisite struct {
	pulumiv1.PrerequisiteRef
	// Stack is nil if there is none of that name.
	Stack *pulumiv1.Stack
}

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
	for i, p := range o.Prerequisites {
		if _, err := p.within(); err != nil {
			return &Step{State: conditions.Stalled(pulumiv1.ReasonSpecInvalid, fmt.Sprintf("spec.prerequisites[%d].%v", i, err))}
		}
		problem, outdated := p.unmet(now)
		if problem == "" {
			continue
		}
		unmet = append(unmet, fmt.Sprintf("prerequisite %q: %s", p.Name, problem))
		if outdated {
			step.Touch = append(step.Touch, Touch{Stack: p.Stack, Request: "after-" + p.Stack.Status.LastUpdate.Name})
		}
	}
	if len(unmet) == 0 {
		return nil
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
	case last == nil || last.Generation != p.Stack.Generation || last.ReconcileRequest != request(p.Stack):
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
		return 0, fmt.Errorf("requirement.succeededWithinDuration: %q is not a duration such as 1h", p.Requirement.SucceededWithinDuration)
	}
	return within, nil
}
