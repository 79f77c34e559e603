package workspace

import (
	"time"

	"github.com/gantry-operator/gantry/internal/conditions"
)

// Act is what is done to the pod.
type Act int

const (
	// Nothing is done.
	Nothing Act = iota
	// CreatePod makes the pod.
	CreatePod
	// DeletePod retires the pod and deletes it, if the hub agrees that no operation is in it.
	DeletePod
	// DeleteFormer deletes what PKO left.
	DeleteFormer
	// Protect keeps autoscalers from the pod.
	Protect
	// Unprotect lets autoscalers have the pod again.
	Unprotect
)

// Step is the one next thing to do, and what the status says of it.
type Step struct {
	Act Act
	// Check is the name of the check that decided.
	Check string
	// State of the Workspace when the step is taken.
	State conditions.State
	// PodName is the pod's name in the status.
	PodName string
	// After is when to look again; 0 leaves it to what happens.
	After time.Duration
}

// check is one rule; it decides or leaves it to the next.
type check struct {
	name   string
	decide func(o *Observed, now time.Time) (Step, bool)
}

// checks lists what Plan asks, in order. The order is the controller's policy.
func checks() []check {
	return []check{
		{"deleting", deleting},
		{"former", former},
		{"taken", taken},
		{"ending", ending},
		{"live", live},
		{"retired", retired},
		{"finished", finished},
		{"unready", unready},
		{"invalid", invalid},
		{"outdated", outdated},
		{"wake", wake},
		{"asleep", asleep},
		{"wanted", wanted},
		{"idle", idle},
		{"warm", warm},
	}
}

// untilExpected looks again when an Update that is expected should be there: that it is not is no event.
func untilExpected(step Step, o *Observed, now time.Time) Step {
	if until := o.Claims.Until.Sub(now); !o.Claims.Until.IsZero() && (step.After == 0 || until < step.After) {
		step.After = until
	}
	return step
}

// Plan picks the one next step. It does no I/O and reads no clock.
func Plan(o Observed, now time.Time) Step {
	for _, c := range checks() {
		if step, ok := c.decide(&o, now); ok {
			step.Check = c.name
			return untilExpected(step, &o, now)
		}
	}
	return Step{Check: "none", State: asleepState()}
}
