package update

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/conditions/conditionstest"
	"github.com/gantry-operator/gantry/internal/operation"
)

// TestStatusOfEveryPlan asks the tools that users have, of the status of every step there is.
func TestStatusOfEveryPlan(t *testing.T) {
	for name, test := range planCases() {
		t.Run(name, func(t *testing.T) {
			o := observed(test.in...)
			o.Update.Spec.Parallel = ptr(int32(-1))
			now := epoch().Add(time.Hour)
			step := Plan(o, now)
			if step.Act == Expire || step.Act == Tidy {
				o.Update.Status = settledStatus(o.Update, now)
			} else {
				o.Update.Status = statusOf(o, step, keptOutputs{}, now)
				checkShape(t, o.Update)
			}
			conditionstest.Reconciled(t, o.Update)
			if !meta.IsStatusConditionTrue(o.Update.Status.Conditions, autov1alpha1.ConditionTypeFieldsIgnored) {
				t.Errorf("no word of what is ignored: %+v", o.Update.Status.Conditions)
			}
		})
	}
}

func TestReasonOfAFailure(t *testing.T) {
	tests := map[string]struct {
		outcome operation.Outcome
		reason  string
		want    string
	}{
		"Success":            {operation.Outcome_SUCCEEDED, "Whatever", ""},
		"Given":              {operation.Outcome_FAILED, operation.ReasonConflict, operation.ReasonConflict},
		"None":               {operation.Outcome_FAILED, "", operation.ReasonFailed},
		"NotAReason":         {operation.Outcome_FAILED, "no reason at all", operation.ReasonFailed},
		"TooLong":            {operation.Outcome_FAILED, strings.Repeat("a", 2000), operation.ReasonFailed},
		"SuccessThatIsNone":  {operation.Outcome_FAILED, operation.ReasonSucceeded, operation.ReasonFailed},
		"Canceled":           {operation.Outcome_CANCELED, "", operation.ReasonCanceled},
		"Interrupted":        {operation.Outcome_INTERRUPTED, "", operation.ReasonAborted},
		"OutcomeNotTold":     {operation.Outcome_OUTCOME_UNSPECIFIED, "", operation.ReasonFailed},
		"InterruptedAndWhy":  {operation.Outcome_INTERRUPTED, operation.ReasonSourceFailed, operation.ReasonSourceFailed},
		"CanceledByItsWords": {operation.Outcome_CANCELED, "-", operation.ReasonCanceled},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := failureOf(&operation.Result{Outcome: test.outcome, Reason: test.reason}); got != test.want {
				t.Errorf("reason %q, want %q", got, test.want)
			}
		})
	}
}

func TestProgressText(t *testing.T) {
	tests := map[string]struct {
		progress *operation.Progress
		want     string
	}{
		"Unknown": {nil, "the operation is starting"},
		"Nothing": {&operation.Progress{}, "the operation is starting"},
		"One":     {&operation.Progress{Done: 1}, "1 resource done"},
		"Step":    {&operation.Progress{Step: "creating x"}, "creating x"},
		"Both":    {&operation.Progress{Done: 12, Step: "creating x"}, "12 resources done; creating x"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := progressText(test.progress); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestWhatThePodTellsIsBounded(t *testing.T) {
	long := strings.Repeat("ü", conditions.MaxMessage)
	o := observed(bound, func(o *Observed) {
		o.State.Result = &operation.Result{Outcome: operation.Outcome_FAILED, Message: long, Permalink: "https://" + long}
	})
	status := statusOf(o, Step{Act: Record}, keptOutputs{}, epoch())
	if len(status.Message) > conditions.MaxMessage || !utf8.ValidString(status.Message) || status.Permalink != "" {
		t.Errorf("%d bytes of message (valid: %v) and %d of permalink", len(status.Message), utf8.ValidString(status.Message), len(status.Permalink))
	}
	for _, condition := range status.Conditions {
		if len(condition.Message) > conditions.MaxMessage {
			t.Errorf("%s has %d bytes", condition.Type, len(condition.Message))
		}
	}
	if e := failed("UpdateFailed", long); len(e.note) > conditions.MaxNote || !utf8.ValidString(e.note) {
		t.Errorf("the event has %d bytes (valid: %v)", len(e.note), utf8.ValidString(e.note))
	}
}

func TestTimesThatWereNotTold(t *testing.T) {
	begin := metav1.NewTime(epoch())
	o := observed(bound, func(o *Observed) {
		o.Update.Status.StartTime = &begin
		o.State.Result = &operation.Result{Outcome: operation.Outcome_SUCCEEDED}
	})
	status := statusOf(o, Step{Act: Record}, keptOutputs{}, epoch().Add(time.Minute))
	if !status.StartTime.Equal(&begin) || !status.EndTime.Time.Equal(epoch().Add(time.Minute)) {
		t.Errorf("from %v to %v, want what the controller saw", status.StartTime, status.EndTime)
	}
}

func TestTimeLeft(t *testing.T) {
	tests := map[string]struct {
		ttl     *string
		left    time.Duration
		limited bool
	}{
		"None":      {nil, 0, false},
		"Empty":     {ptr(""), 0, false},
		"Malformed": {ptr("7d"), 0, false},
		"Left":      {ptr("1h"), 50 * time.Minute, true},
		"Over":      {ptr("1m"), -9 * time.Minute, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := observed(completed)
			o.Update.Spec.TTLAfterCompleted = test.ttl
			left, limited := timeLeft(o.Update, epoch().Add(10*time.Minute))
			if left != test.left || limited != test.limited {
				t.Errorf("got %s, %v; want %s, %v", left, limited, test.left, test.limited)
			}
		})
	}
	incomplete := anUpdate("u", func(u *autov1alpha1.Update) { u.Spec.TTLAfterCompleted = ptr("1h") })
	if _, limited := timeLeft(incomplete, epoch()); limited {
		t.Error("an Update that is not complete has a time to live")
	}
}
