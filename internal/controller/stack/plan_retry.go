package stack

import (
	"time"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/internal/schedule"
)

const (
	// maxAttempts is how often a program that fails is tried before a person has to look. PKO counts the first failure
	// as none and stops after three more; here failures are attempts, and four of them are the same.
	maxAttempts = 4
	// maxFailuresOfPKO is where PKO's own count, which it left without a reason, stands when it has given up.
	maxFailuresOfPKO = 3
	// patientCap caps the wait where there is no limit to the attempts, so that a fleet recovers soon after an outage.
	patientCap = 15 * time.Minute
	// defaultCap is PKO's.
	defaultCap = 24 * time.Hour
)

// exhausted tells that the last update failed as often as it is tried. A destroy is tried for ever: giving up would
// orphan resources; and so is what failed through no fault of the program.
func exhausted(stack *pulumiv1.Stack, last *pulumiv1.LastUpdate) bool {
	limit := int64(maxAttempts)
	if last.Reason == "" {
		limit = maxFailuresOfPKO
	}
	return last.State == pulumiv1.FailedStackState && !patient(stack, last) && last.Failures >= limit
}

// patient tells that the failure may pass by itself, or must not be given up on.
func patient(stack *pulumiv1.Stack, last *pulumiv1.LastUpdate) bool {
	switch last.Reason {
	case operation.ReasonConflict, operation.ReasonAborted, operation.ReasonCanceled, operation.ReasonSourceFailed:
		return true
	}
	return deleting(stack)
}

// cooldown is the wait before the next attempt.
func cooldown(stack *pulumiv1.Stack, last *pulumiv1.LastUpdate) time.Duration {
	limit := defaultCap
	if patient(stack, last) {
		limit = patientCap
	}
	if seconds := stack.Spec.RetryMaxBackoffDurationSeconds; seconds > 0 {
		limit = time.Duration(seconds) * time.Second
	}
	backoff := schedule.Backoff{Base: 10 * time.Second, Factor: 3, Cap: limit}
	return schedule.Jitter(backoff.After(max(last.Failures, 1)), string(stack.UID)+last.Name)
}
