package stack

import (
	"fmt"
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
	// firstWait is the one after the first failure.
	firstWait = 10 * time.Second
	// conflictCap caps the wait for another update of the stack to end, where the spec asks for that.
	conflictCap = time.Minute
	// patientCap caps the wait where there is no limit to the attempts, so that a fleet recovers soon after an outage.
	patientCap = 15 * time.Minute
	// defaultCap is PKO's.
	defaultCap = 24 * time.Hour
)

// exhausted tells that the last update failed as often as it is tried. A destroy is tried for ever: giving up would
// orphan resources; and so is what failed through no fault of the program.
func exhausted(stack *pulumiv1.Stack, last *pulumiv1.LastUpdate) bool {
	if last.State != pulumiv1.FailedStackState || patient(stack, last) {
		return false
	}
	if last.Reason == "" {
		return last.Failures >= maxFailuresOfPKO
	}
	return attempts(last) >= maxAttempts
}

// attempts are those of the failures in a row that were no outage. PKO, which left no reason, knows of no others.
func attempts(last *pulumiv1.LastUpdate) int64 {
	if last.Reason == "" {
		return last.Failures
	}
	return last.Attempts
}

// patient tells that the failure may pass by itself, or must not be given up on.
func patient(stack *pulumiv1.Stack, last *pulumiv1.LastUpdate) bool {
	return passes(last.Reason) || deleting(stack)
}

// passes tells whether what a reason stands for may pass by itself. A failure of that sort is no attempt.
func passes(reason string) bool {
	switch reason {
	case operation.ReasonTransient, operation.ReasonConflict, operation.ReasonAborted, operation.ReasonCanceled, operation.ReasonSourceFailed:
		return true
	}
	return false
}

// cooldown is the wait before the next attempt.
func cooldown(stack *pulumiv1.Stack, last *pulumiv1.LastUpdate) time.Duration {
	backoff, count := schedule.Backoff{Base: firstWait, Factor: 3, Cap: defaultCap}, attempts(last)
	if patient(stack, last) {
		backoff.Cap, count = patientCap, last.Failures
	}
	if seconds := stack.Spec.RetryMaxBackoffDurationSeconds; seconds > 0 {
		backoff.Cap = schedule.Seconds(seconds)
	}
	if last.Reason == operation.ReasonConflict && stack.Spec.RetryOnUpdateConflict {
		backoff.Factor, backoff.Cap = 2, min(backoff.Cap, conflictCap)
	}
	return schedule.Jitter(backoff.After(max(count, 1)), string(stack.UID)+last.Name)
}

// outlook says when a failed update is tried again, and how often that goes on. It names the time, not what is left of
// it, so that the words stay the same until then.
func outlook(stack *pulumiv1.Stack, last *pulumiv1.LastUpdate) string {
	next := last.LastResyncTime.Add(cooldown(stack, last)).UTC().Round(time.Second).Format(time.RFC3339)
	if patient(stack, last) {
		return fmt.Sprintf("tried again at about %s, and so on for ever, until it succeeds or something changes", next)
	}
	return fmt.Sprintf("attempt %d of %d, tried again at about %s", max(attempts(last), 1), maxAttempts, next)
}
