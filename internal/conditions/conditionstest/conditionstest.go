// Package conditionstest owns the check of what the tools that users have make of an object's status: kstatus, which
// Helm and Flux ask, Argo CD's health check, and kubectl wait. Tests of controllers ask it after every reconcile.
package conditionstest

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// Reconciled checks an object right after a reconcile that did not fail: its status is of its newest generation, and
// all that Problems asks.
func Reconciled(tb testing.TB, object client.Object) {
	tb.Helper()
	Anytime(tb, object)
	told, err := tell(object)
	if err != nil {
		tb.Error(err)
	} else if told.observed != told.generation && !told.deleting {
		tb.Errorf("%s has observed generation %d of %d", told.name, told.observed, told.generation)
	}
}

// Anytime checks an object as it may be found at any moment, also when the manager died in the middle of a reconcile.
func Anytime(tb testing.TB, object client.Object) {
	tb.Helper()
	for _, problem := range Problems(object) {
		tb.Error(problem)
	}
}

// Problems are what of an object's status would mislead a tool. They are for those who look on from outside of a test's
// own goroutine.
func Problems(object client.Object) []string {
	told, err := tell(object)
	if err != nil {
		return []string{err.Error()}
	}
	var problems []string
	for _, problem := range append(shape(told), answers(told, notCurrent(object))...) {
		problems = append(problems, fmt.Sprintf("%s: %s; its conditions are %v", told.name, problem, told.short()))
	}
	return problems
}

// shape checks the conditions by themselves.
func shape(told facts) []string {
	var problems []string
	on := 0
	for _, kind := range []string{autov1alpha1.ConditionTypeReady, autov1alpha1.ConditionTypeReconciling, autov1alpha1.ConditionTypeStalled} {
		found, ok := told.find(kind)
		switch {
		case ok && found.Status == "True":
			on++
		case ok && kind != autov1alpha1.ConditionTypeReady:
			problems = append(problems, fmt.Sprintf("%s is %s; it must be absent unless it is True", kind, found.Status))
		case !ok && kind == autov1alpha1.ConditionTypeReady && told.seen():
			problems = append(problems, "it has no Ready")
		}
	}
	if told.suspended() {
		on++ // that is a state, too
	}
	if on != 1 && told.seen() {
		problems = append(problems, fmt.Sprintf("it is in %d states at once, want one", on))
	}
	return append(problems, generations(told)...)
}

// generations checks that every condition is of the generation that the status is of.
func generations(told facts) []string {
	var problems []string
	for _, c := range told.conditions {
		if c.ObservedGeneration != told.observed {
			problems = append(problems, fmt.Sprintf("%s is of generation %d, the status of %d", c.Type, c.ObservedGeneration, told.observed))
		}
	}
	return problems
}

// answers compares what the tools say with what is so. notCurrent is why the object cannot be in line with its spec, if
// there is a reason.
func answers(told facts, notCurrent string) []string {
	result, err := status.Compute(told.object)
	if err != nil {
		return []string{"kstatus: " + err.Error()}
	}
	var problems []string
	if want := told.want(); result.Status != want {
		problems = append(problems, fmt.Sprintf("kstatus says %s (%s), want %s", result.Status, result.Message, want))
	}
	if result.Status == status.CurrentStatus && notCurrent != "" {
		problems = append(problems, fmt.Sprintf("kstatus says %s, but %s", result.Status, notCurrent))
	}
	if got, want := argo(told), argoWords(result.Status); got != want {
		problems = append(problems, fmt.Sprintf("Argo CD says %s, where kstatus says %s", got, result.Status))
	}
	if got, want := kubectlWait(told), result.Status == status.CurrentStatus; got != want && !told.deleting {
		problems = append(problems, fmt.Sprintf("kubectl wait --for=condition=Ready ends: %t, where kstatus says %s", got, result.Status))
	}
	return problems
}

// want is what kstatus should say of an object that tells its state in our way.
func (f facts) want() status.Status {
	on := func(kind string) bool {
		found, ok := f.find(kind)
		return ok && found.Status == "True"
	}
	switch {
	case f.deleting:
		return status.TerminatingStatus
	case f.observed != f.generation:
		return status.InProgressStatus
	case on(autov1alpha1.ConditionTypeStalled):
		return status.FailedStatus
	case on(autov1alpha1.ConditionTypeReady):
		return status.CurrentStatus
	default:
		return status.InProgressStatus
	}
}

// convert makes an object what tools see of it.
func convert(object client.Object) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("convert %s: %w", object.GetName(), err)
	}
	return &unstructured.Unstructured{Object: content}, nil
}
