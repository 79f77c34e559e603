package metrics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/metrics"
	"github.com/gantry-operator/gantry/internal/operation"
)

// at is a time, in seconds since 1970.
func at(seconds int64) metav1.Time { return metav1.NewTime(time.Unix(seconds, 0)) }

func anUpdate(name string, status autov1alpha1.UpdateStatus) *autov1alpha1.Update {
	return &autov1alpha1.Update{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name, CreationTimestamp: at(1700000000)},
		Spec:       autov1alpha1.UpdateSpec{Type: autov1alpha1.UpUpdate}, Status: status,
	}
}

func aWorkspace(name string, state conditions.State) *autov1alpha1.Workspace {
	return &autov1alpha1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name}, Status: autov1alpha1.WorkspaceStatus{Conditions: state.Conditions(1)},
	}
}

func TestFleet(t *testing.T) {
	since := func(seconds int64) pulumiv1.StackStatus {
		return pulumiv1.StackStatus{Conditions: conditions.Merge(nil, conditions.Reconciling("StackProcessing", "").Conditions(1), at(seconds))}
	}
	stalled := pulumiv1.StackStatus{
		LastUpdate: &pulumiv1.LastUpdate{State: pulumiv1.FailedStackState}, Conditions: conditions.Stalled("UpdateFailed", "").Conditions(1),
	}
	read := readFrom(t, cluster(t, stack("a", since(500)), stack("b", since(100)), stack("c", since(900)), stack("new", pulumiv1.StackStatus{}),
		stack("ready", pulumiv1.StackStatus{Conditions: conditions.Ready("ProcessingCompleted", "").Conditions(1)}), stack("stalled", stalled),
		&pulumiv1.Program{ObjectMeta: metav1.ObjectMeta{Name: "p"}}))
	want := `
# HELP gantry_stacks Number of Stacks by their state.
# TYPE gantry_stacks gauge
gantry_stacks{state="new"} 1
gantry_stacks{state="ready"} 1
gantry_stacks{state="reconciling"} 3
gantry_stacks{state="stalled"} 1
# HELP gantry_stacks_failing Number of Stacks whose last update failed.
# TYPE gantry_stacks_failing gauge
gantry_stacks_failing 1
# HELP gantry_stacks_reconciling_oldest_timestamp_seconds Since when the Stack that is Reconciling for the longest time is, in seconds since 1970.
# TYPE gantry_stacks_reconciling_oldest_timestamp_seconds gauge
gantry_stacks_reconciling_oldest_timestamp_seconds 100
# HELP programs_active Number of Programs.
# TYPE programs_active gauge
programs_active 1
# HELP stacks_active Number of Stacks.
# TYPE stacks_active gauge
stacks_active 6
`
	if err := testutil.CollectAndCompare(metrics.NewFleet(read), strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if series := testutil.CollectAndCount(metrics.NewFleet(readFrom(t, cluster(t)))); series != 7 {
		t.Errorf("%d series of no Stacks, want 7: nothing is Reconciling for any time", series)
	}
}

func TestWork(t *testing.T) {
	started, later := at(1700000300), at(1700000400)
	complete := anUpdate("complete", autov1alpha1.UpdateStatus{PodUID: "pod", StartTime: &started, Conditions: []metav1.Condition{
		{Type: autov1alpha1.UpdateConditionTypeComplete, Status: metav1.ConditionTrue},
	}})
	strange := anUpdate("strange", autov1alpha1.UpdateStatus{})
	strange.Spec.Type, strange.CreationTimestamp = "made-up", at(1600000000)
	aPod := func(name string, phase corev1.PodPhase) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name}, Status: corev1.PodStatus{Phase: phase}}
	}
	ending := aPod("ending", corev1.PodRunning)
	ending.DeletionTimestamp, ending.Finalizers = &later, []string{"a.example/b"}
	c := cluster(t, complete, strange, anUpdate("waiting", autov1alpha1.UpdateStatus{}),
		anUpdate("running", autov1alpha1.UpdateStatus{PodUID: "pod", StartTime: &later}),
		aWorkspace("asleep", conditions.Ready("Succeeded", "")), aWorkspace("a", conditions.Reconciling("Unschedulable", "")),
		aWorkspace("b", conditions.Reconciling("Unschedulable", "")), aWorkspace("c", conditions.Stalled("PodInvalid", "")),
		&autov1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "new"}},
		aPod("new", ""), aPod("pending", corev1.PodPending), aPod("running", corev1.PodRunning), aPod("failed", corev1.PodFailed), ending)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(metrics.NewWork(readFrom(t, c)))
	want := map[string]map[string]float64{
		metrics.NameUpdates: {
			"waiting/up": 1, "running/up": 1, "waiting/other": 1, "waiting/preview": 0, "running/preview": 0,
			"waiting/refresh": 0, "running/refresh": 0, "waiting/destroy": 0, "running/destroy": 0,
		},
		metrics.NamePods:       {"pending": 2, "running": 1, "ending": 1, "ended": 1},
		metrics.NameWorkspaces: {"ready/Succeeded": 1, "reconciling/Unschedulable": 2, "stalled/PodInvalid": 1, "new/": 1},
	}
	for name, labels := range map[string][]string{
		metrics.NameUpdates: {"state", "type"}, metrics.NameWorkspaces: {"state", "reason"}, metrics.NamePods: {"phase"},
	} {
		if diff := cmp.Diff(want[name], values(t, registry, name, labels...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for name, want := range map[string]float64{metrics.NameWaitingOldest: 1600000000, metrics.NameRunningOldest: 1700000400} {
		if diff := cmp.Diff(map[string]float64{"": want}, values(t, registry, name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestOperations(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	recorder, err := metrics.NewRecorder(registry)
	if err != nil {
		t.Fatal(err)
	}
	recorder.Ended(autov1alpha1.UpUpdate, result(operation.Outcome_SUCCEEDED), time.Hour)
	recorder.Ended(autov1alpha1.UpUpdate, result(operation.Outcome_SUCCEEDED), time.Hour)
	recorder.Ended(autov1alpha1.DestroyUpdate, result(operation.Outcome_FAILED), time.Hour)
	recorder.EndedWithoutResult(autov1alpha1.UpUpdate, operation.ReasonCanceled)
	recorder.EndedWithoutResult(autov1alpha1.UpUpdate, operation.ReasonAborted)
	recorder.EndedWithoutResult("made-up", "InvalidSpec")
	got := values(t, registry, metrics.NameOperations, "type", "outcome")
	if len(got) != 17 {
		t.Errorf("%d series, want one of each type and outcome from the start, and the one that is strange: %v", len(got), got)
	}
	for series, count := range got {
		if count == 0 {
			delete(got, series)
		}
	}
	want := map[string]float64{"up/succeeded": 2, "destroy/failed": 1, "up/canceled": 1, "up/interrupted": 1, "other/failed": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}
