package operation

import (
	"iter"
	"slices"
	"time"
)

// Outcomes in words.
const (
	Succeeded   = "succeeded"
	Failed      = "failed"
	Canceled    = "canceled"
	Interrupted = "interrupted"
)

// OutcomeWord is an outcome in a word. One that is not known is taken for a failure.
func OutcomeWord(outcome Outcome) string {
	switch outcome {
	case Outcome_SUCCEEDED:
		return Succeeded
	case Outcome_CANCELED:
		return Canceled
	case Outcome_INTERRUPTED:
		return Interrupted
	case Outcome_FAILED, Outcome_OUTCOME_UNSPECIFIED:
	}
	return Failed
}

// OutcomeWithoutResult is that of an operation that no agent told the result of, by the reason that is on record.
func OutcomeWithoutResult(reason string) Outcome {
	switch reason {
	case ReasonCanceled:
		return Outcome_CANCELED
	case ReasonAborted:
		return Outcome_INTERRUPTED
	}
	return Outcome_FAILED
}

// KnownPhases are the phases of a result, in their order, of an operation whose Update has existed for the given time.
// They come from a pod: each known phase counts once, and none for longer than the Update exists.
func KnownPhases(result *Result, lived time.Duration) iter.Seq2[string, time.Duration] {
	return func(yield func(string, time.Duration) bool) {
		left := []string{PhaseFetch, PhaseInstall, PhaseConfigure, PhaseOperation}
		for _, phase := range result.GetPhases() {
			i, took := slices.Index(left, phase.GetName()), phase.GetDuration().AsDuration()
			if i < 0 || !phase.GetDuration().IsValid() || took < 0 || took > lived {
				continue
			}
			left = slices.Delete(left, i, i+1)
			if !yield(phase.GetName(), took) {
				return
			}
		}
	}
}
