package update

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/operation"
)

// ended is a complete Update with a link, which ended so many minutes after the epoch.
func ended(name string, minutes int, change ...func(*autov1alpha1.Update)) autov1alpha1.Update {
	update := anUpdate(name, change...)
	update.Status.PodUID, update.Status.StartTime = "some-pod", seconds(epoch())
	update.Status.EndTime = seconds(epoch().Add(time.Duration(minutes) * time.Minute))
	if update.Status.Permalink == "" {
		update.Status.Permalink = "https://c/o/p/dev/updates/" + name
	}
	return *update
}

func TestEndedOf(t *testing.T) {
	notStarted := ended("not-started", 9)
	notStarted.Status.PodUID = ""
	linkless := ended("linkless", 9)
	linkless.Status.Permalink = ""
	o := Observed{Update: anUpdate("u"), Ended: []autov1alpha1.Update{
		ended("1", 1), ended("4", 4), notStarted, ended("3", 3), linkless,
		ended("other", 9, func(u *autov1alpha1.Update) { u.Spec.StackName = "other" }), ended("2", 2),
	}}
	var names []string
	for _, one := range endedOf(o) {
		names = append(names, one.GetName())
	}
	if diff := cmp.Diff([]string{"4", "3", "2"}, names); diff != "" {
		t.Errorf("the last ones of the stack (-want +got):\n%s", diff)
	}
	got := endedOf(o)[0]
	if got.GetPermalink() != "https://c/o/p/dev/updates/4" || !got.GetStarted().AsTime().Equal(epoch()) ||
		!got.GetEnded().AsTime().Equal(epoch().Add(4*time.Minute)) {
		t.Errorf("got %v", got)
	}
}

// TestTheNextOperationIsToldOfTheOnesThatAreOver: whose link was put on record at once, since it is what proves later
// whose update it is that Pulumi Cloud takes for alive.
func TestTheNextOperationIsToldOfTheOnesThatAreOver(t *testing.T) {
	w := newWorld(t, aWorkspace(), aPod(podUID), anUpdate("u"))
	agent := w.connect(podUID)
	w.reconcile("u")
	agent.progress["uid-u"].Step = "creating"
	w.reconcile("u")
	if got := w.get("u").Status.Progress; got != nil {
		t.Errorf("the step is on record early: %v", got)
	}
	const link = "https://c/o/p/dev/updates/7"
	agent.progress["uid-u"].Permalink = link
	w.reconcile("u")
	if got := w.get("u").Status.Permalink; got != link {
		t.Errorf("the link on record is %q", got)
	}
	w.finish("u", &operation.Result{Outcome: operation.Outcome_INTERRUPTED, Reason: operation.ReasonAborted, Started: timestamppb.New(epoch()), Ended: timestamppb.New(epoch().Add(time.Minute))})
	w.reconcile("u")
	w.create(anUpdate("next"))
	w.reconcile("next")
	offered := agent.given["uid-next"]
	if offered == nil || !slices.ContainsFunc(offered.GetEnded(), func(e *operation.Ended) bool { return e.GetName() == "u" && e.GetPermalink() == link }) {
		t.Errorf("the next operation does not tell of the one before: %v", offered)
	}
}
