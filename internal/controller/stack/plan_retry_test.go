package stack

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/operation"
)

// TestCooldown says how long is waited, without the jitter of up to a tenth.
func TestCooldown(t *testing.T) {
	capped := func(seconds int64) func(*Observed) {
		return func(o *Observed) { o.Stack.Spec.RetryMaxBackoffDurationSeconds = seconds }
	}
	eager := func(o *Observed) { o.Stack.Spec.RetryOnUpdateConflict = true }
	attempted := func(n int64) func(*Observed) { return func(o *Observed) { o.Stack.Status.LastUpdate.Attempts = n } }
	const second, minute, hour = time.Second, time.Minute, time.Hour
	cases := map[string]struct {
		reason string
		o      Observed
		want   time.Duration
	}{
		"First":               {"ten seconds", world(failed("UpdateFailed", 1, 0)), 10 * second},
		"Third":               {"and three times longer each time", world(failed("UpdateFailed", 3, 0)), 90 * second},
		"Capped":              {"up to the spec's cap", world(failed("UpdateFailed", 3, 0), capped(60)), minute},
		"CappedFirst":         {"which counts for the first wait too", world(failed("UpdateFailed", 1, 0), capped(5)), 5 * second},
		"CapIsHuge":           {"and may be any number", world(failed("UpdateFailed", 3, 0), capped(math.MaxInt64)), 90 * second},
		"CapIsNegative":       {"but not a negative one", world(failed(operation.ReasonTransient, 40, 0), capped(-1)), 15 * minute},
		"Outage":              {"an outage is looked at every quarter of an hour", world(failed(operation.ReasonTransient, 40, 0)), 15 * minute},
		"OutageCapped":        {"or as often as the spec says", world(failed(operation.ReasonTransient, 40, 0), capped(120)), 2 * minute},
		"OutageCappedHigher":  {"or as seldom", world(failed(operation.ReasonTransient, 40, 0), capped(3600)), hour},
		"Source":              {"a source too", world(failed(operation.ReasonSourceFailed, 40, 0)), 15 * minute},
		"Aborted":             {"a lost pod too", world(failed(operation.ReasonAborted, 40, 0)), 15 * minute},
		"Canceled":            {"a canceled operation too", world(failed(operation.ReasonCanceled, 40, 0)), 15 * minute},
		"Conflict":            {"a conflict is as any outage", world(failed(operation.ReasonConflict, 40, 0)), 15 * minute},
		"EagerFirst":          {"unless the spec wants it tried again soon", world(failed(operation.ReasonConflict, 1, 0), eager), 10 * second},
		"EagerSecond":         {"and then a little later", world(failed(operation.ReasonConflict, 2, 0), eager), 20 * second},
		"Eager":               {"but at least every minute", world(failed(operation.ReasonConflict, 40, 0), eager), minute},
		"EagerCapped":         {"or as often as the cap says", world(failed(operation.ReasonConflict, 40, 0), eager, capped(20)), 20 * second},
		"EagerCappedHigher":   {"a higher cap does not count", world(failed(operation.ReasonConflict, 40, 0), eager, capped(3600)), minute},
		"EagerIsForConflicts": {"nor does the wish count for anything else", world(failed(operation.ReasonTransient, 40, 0), eager), 15 * minute},
		"AfterAnOutage":       {"the program's own failures begin with a short wait", world(failed("UpdateFailed", 41, 0), attempted(1)), 10 * second},
		"OfPKO":               {"PKO's failures are all attempts", world(failed("", 2, 0)), 30 * second},
		"Destroy":             {"a destroy is tried at least every quarter of an hour", world(goes, destroyed(3), failed("UpdateFailed", 50, 0)), 15 * minute},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := cooldown(tc.o.Stack, tc.o.Stack.Status.LastUpdate); got < tc.want || got > tc.want+tc.want/10 {
				t.Errorf("%s: waits %s, want %s and up to a tenth more", tc.reason, got, tc.want)
			}
		})
	}
}

// TestCount says what of the failures in a row is an attempt.
func TestCount(t *testing.T) {
	type counts struct{ Failures, Attempts int64 }
	record := func(reason string, failures, attempts int64) *pulumiv1.LastUpdate {
		return &pulumiv1.LastUpdate{State: pulumiv1.FailedStackState, Generation: 2, LastAttemptedCommit: "7", Reason: reason, Failures: failures, Attempts: attempts}
	}
	with := func(last *pulumiv1.LastUpdate, change func(*pulumiv1.LastUpdate)) *pulumiv1.LastUpdate {
		change(last)
		return last
	}
	cases := map[string]struct {
		reason string
		last   *pulumiv1.LastUpdate
		now    string
		want   counts
	}{
		"First":             {"the first failure is the first attempt", nil, "UpdateFailed", counts{1, 1}},
		"FirstTransient":    {"an outage is none", nil, operation.ReasonTransient, counts{1, 0}},
		"FirstConflict":     {"nor is a conflict", nil, operation.ReasonConflict, counts{1, 0}},
		"FirstTimeout":      {"but an operation that takes too long is, as it would be again", nil, operation.ReasonTimeout, counts{1, 1}},
		"TimeoutAgain":      {"each time", record(operation.ReasonTimeout, 3, 3), operation.ReasonTimeout, counts{4, 4}},
		"AfterSuccess":      {"a success begins anew", with(record("", 0, 0), func(l *pulumiv1.LastUpdate) { l.State = pulumiv1.SucceededStackState }), "UpdateFailed", counts{1, 1}},
		"Again":             {"one more of each", record("UpdateFailed", 2, 2), "UpdateFailed", counts{3, 3}},
		"TransientBetween":  {"an outage leaves the attempts as they are", record("UpdateFailed", 2, 2), operation.ReasonTransient, counts{3, 2}},
		"AfterLongOutage":   {"and the first failure after one is the first attempt", record(operation.ReasonTransient, 90, 0), "UpdateFailed", counts{91, 1}},
		"NewSpec":           {"an edit begins anew", with(record("UpdateFailed", 4, 4), func(l *pulumiv1.LastUpdate) { l.Generation = 1 }), "UpdateFailed", counts{1, 1}},
		"NewSource":         {"so does a new revision", with(record("UpdateFailed", 4, 4), func(l *pulumiv1.LastUpdate) { l.LastAttemptedCommit = "6" }), "UpdateFailed", counts{1, 1}},
		"NewRequest":        {"so does a request", with(record("UpdateFailed", 4, 4), func(l *pulumiv1.LastUpdate) { l.ReconcileRequest = "a" }), "UpdateFailed", counts{1, 1}},
		"OfPKO":             {"PKO counted only attempts", record("", 2, 0), "UpdateFailed", counts{3, 3}},
		"InvalidTokenCount": {"a token that is refused lasts", record(operation.ReasonInvalidAccessToken, 1, 1), operation.ReasonInvalidAccessToken, counts{2, 2}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			now := record(tc.now, 0, 0)
			count(tc.last, now)
			if diff := cmp.Diff(tc.want, counts{now.Failures, now.Attempts}); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestWhatIsSaidWhileRetrying: when the next try is, and whether there is an end to it. The words stay until then.
func TestWhatIsSaidWhileRetrying(t *testing.T) {
	cases := map[string]struct {
		o     Observed
		words []string
	}{
		"Program":  {world(failed("UpdateFailed", 2, 0)), []string{"2 update failure(s), attempt 2 of 4, tried again at about 2026-01-02T12:00:3", ": boom"}},
		"Outage":   {world(failed(operation.ReasonTransient, 2, 0)), []string{"2 update failure(s), tried again at about 2026-01-02T12:00:3", "and so on for ever", ": boom"}},
		"Conflict": {world(failed(operation.ReasonConflict, 9, 0)), []string{"waiting for the stack to be free", "tried again at about 2026-01-02T12:1", "and so on for ever", ": boom"}},
		"Destroy":  {world(goes, destroyed(3), failed("UpdateFailed", 9, 0)), []string{"and so on for ever"}},
		"Stalled":  {world(failed("UpdateFailed", 4, 0)), []string{"up failed 4 times; not retrying until the spec or source changes: boom"}},
		"Timeout":  {world(failed(operation.ReasonTimeout, 3, 0)), []string{"attempt 3 of 4"}},
		"TooLong":  {world(failed(operation.ReasonTimeout, 4, 0)), []string{"up failed 4 times; not retrying until"}},
		"Preview": {world(failed("UpdateFailed", 1, 0), func(o *Observed) { o.Stack.Status.LastUpdate.Type = autov1alpha1.PreviewUpdate }),
			[]string{"1 preview failure(s), attempt 1 of 4, tried again at about 2026-01-02T12:00:1"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, later := Plan(tc.o, noon).State.Message(), Plan(tc.o, noon.Add(5*time.Second)).State.Message()
			for _, words := range tc.words {
				if !strings.Contains(got, words) {
					t.Errorf("%q does not say %q", got, words)
				}
			}
			if got != later {
				t.Errorf("the words change with the clock: %q, then %q", got, later)
			}
		})
	}
}

// TestFleetRecovers plans 200 Stacks through an outage of three hours that began with an update of each at once: none is
// given up, all are tried again within the cap and its jitter, not all at once, and soon after the end all have succeeded.
func TestFleetRecovers(t *testing.T) {
	const (
		size   = 200
		outage = 3 * time.Hour
		wait   = patientCap + patientCap/10
		tick   = 5 * time.Second
	)
	stacks := make([]*pulumiv1.Stack, size)
	for i := range stacks {
		stacks[i] = world(failed(operation.ReasonTransient, 1, 0)).Stack
		stacks[i].UID = types.UID(fmt.Sprintf("uid-%d", i))
	}
	perTick, updates := map[time.Duration]int{}, 0
	for elapsed := time.Duration(0); elapsed <= outage+wait+tick; elapsed += tick {
		now := noon.Add(elapsed)
		for _, stack := range stacks {
			last := stack.Status.LastUpdate
			step := Plan(Observed{Stack: stack, Source: Source{Revision: "7"}}, now)
			if step.State.IsStalled() || (step.Act != Run && !step.State.IsReady() && step.After == 0) {
				t.Fatalf("after %s: %s has %s and looks again after %s", elapsed, stack.UID, step.State.Reason(), step.After)
			}
			if pause := now.Sub(last.LastResyncTime.Time); step.Act != Run && last.State == pulumiv1.FailedStackState && pause > wait {
				t.Fatalf("after %s: %s has not been tried for %s", elapsed, stack.UID, pause)
			}
			if step.Act != Run {
				continue
			}
			updates++
			perTick[elapsed]++
			record := last.DeepCopy()
			record.Name, record.LastResyncTime = fmt.Sprintf("%s-%d", stack.UID, updates), metav1.NewTime(now)
			if record.State = pulumiv1.SucceededStackState; elapsed < outage {
				record.State = pulumiv1.FailedStackState
				count(last, record)
			}
			stack.Status.LastUpdate = record
		}
	}
	for _, stack := range stacks {
		if stack.Status.LastUpdate.State != pulumiv1.SucceededStackState {
			t.Errorf("%s has not recovered: %+v", stack.UID, stack.Status.LastUpdate)
		}
	}
	late := 0
	for elapsed, n := range perTick {
		if elapsed > time.Hour {
			late = max(late, n)
		}
	}
	if late > size/5 {
		t.Errorf("%d of %d Stacks ran within 5 s: the jitter does not spread them", late, size)
	}
	if most := size * int(outage/patientCap+10); updates > most {
		t.Errorf("%d updates, want at most %d: the backoff does not grow", updates, most)
	}
	if !slices.ContainsFunc(stacks, func(s *pulumiv1.Stack) bool { return s.Status.LastUpdate.Failures > maxAttempts }) {
		t.Error("no Stack was tried more than four times: the outage was none")
	}
}
