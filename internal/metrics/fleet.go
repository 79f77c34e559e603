package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// Names of what is told of all Stacks and Programs together. The first two are PKO's.
const (
	NameStacksActive      = "stacks_active"
	NameProgramsActive    = "programs_active"
	NameStacks            = "gantry_stacks"
	NameFailing           = "gantry_stacks_failing"
	NameReconcilingOldest = "gantry_stacks_reconciling_oldest_timestamp_seconds"
)

// Fleet tells of all Stacks and Programs together: a handful of series, however many there are. Like Objects it counts
// when it is asked.
type Fleet struct {
	read                                       Read
	active, programs, stacks, failing, longest *prometheus.Desc
}

// NewFleet makes a Fleet.
func NewFleet(read Read) *Fleet {
	return &Fleet{
		read:     read,
		active:   describe(NameStacksActive, "Number of Stacks."),
		programs: describe(NameProgramsActive, "Number of Programs."),
		stacks:   describe(NameStacks, "Number of Stacks by their state.", labelState),
		failing:  describe(NameFailing, "Number of Stacks whose last update failed."),
		longest:  describe(NameReconcilingOldest, "Since when the Stack that is Reconciling for the longest time is, in seconds since 1970."),
	}
}

// Describe tells what there may be.
func (f *Fleet) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{f.active, f.programs, f.stacks, f.failing, f.longest} {
		ch <- desc
	}
}

// Collect tells what there is.
func (f *Fleet) Collect(ch chan<- prometheus.Metric) {
	var stacks pulumiv1.StackList
	var programs pulumiv1.ProgramList
	if err := f.read(&stacks); err != nil {
		ch <- prometheus.NewInvalidMetric(f.active, err)
		return
	}
	if err := f.read(&programs); err != nil {
		ch <- prometheus.NewInvalidMetric(f.programs, err)
		return
	}
	states := map[string]int{stateReady: 0, stateReconciling: 0, stateStalled: 0, stateNew: 0}
	var failed int
	var longest oldest
	for i := range stacks.Items {
		stack := &stacks.Items[i]
		states[stateOf(stack)]++
		if failing(stack) {
			failed++
		}
		if c := meta.FindStatusCondition(stack.Status.Conditions, autov1alpha1.ConditionTypeReconciling); c != nil && is(stack, c.Type) {
			longest.see(c.LastTransitionTime.Time)
		}
	}
	ch <- gauge(f.active, float64(len(stacks.Items)))
	ch <- gauge(f.programs, float64(len(programs.Items)))
	for state, count := range states {
		ch <- gauge(f.stacks, float64(count), state)
	}
	ch <- gauge(f.failing, float64(failed))
	longest.tell(ch, f.longest)
}

// States of Stacks and of Workspaces, by their conditions. One that has none yet is new.
const (
	stateReady       = "ready"
	stateReconciling = "reconciling"
	stateStalled     = "stalled"
	stateNew         = "new"
)

func stateOf(stack *pulumiv1.Stack) string {
	for condition, state := range states() {
		if is(stack, condition) {
			return state
		}
	}
	return stateNew
}

// states are those of the conditions of which one is True at a time.
func states() map[string]string {
	return map[string]string{
		autov1alpha1.ConditionTypeReady: stateReady, autov1alpha1.ConditionTypeReconciling: stateReconciling,
		autov1alpha1.ConditionTypeStalled: stateStalled,
	}
}

// oldest is the earliest time that was seen, if one was.
type oldest struct{ at time.Time }

func (o *oldest) see(at time.Time) {
	if !at.IsZero() && (o.at.IsZero() || at.Before(o.at)) {
		o.at = at
	}
}

// tell tells it, if there is any.
func (o *oldest) tell(ch chan<- prometheus.Metric, desc *prometheus.Desc) {
	if !o.at.IsZero() {
		ch <- gauge(desc, float64(o.at.UnixMilli())/1000)
	}
}
