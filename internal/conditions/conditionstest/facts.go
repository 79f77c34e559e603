package conditionstest

import (
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// facts are what an object tells of itself.
type facts struct {
	name                 string
	object               *unstructured.Unstructured
	generation, observed int64
	deleting             bool
	conditions           []metav1.Condition
}

// tell reads an object of one of our kinds.
func tell(object client.Object) (facts, error) {
	f := facts{generation: object.GetGeneration(), deleting: !object.GetDeletionTimestamp().IsZero()}
	var version, kind string
	switch o := object.(type) {
	case *pulumiv1.Stack:
		version, kind, f.observed, f.conditions = pulumiv1.GroupVersion.String(), "Stack", o.Status.ObservedGeneration, o.Status.Conditions
	case *pulumiv1.Program:
		version, kind, f.observed, f.conditions = pulumiv1.GroupVersion.String(), "Program", o.Status.ObservedGeneration, o.Status.Conditions
	case *autov1alpha1.Workspace:
		version, kind, f.observed, f.conditions = autov1alpha1.GroupVersion.String(), "Workspace", o.Status.ObservedGeneration, o.Status.Conditions
	case *autov1alpha1.Update:
		version, kind, f.observed, f.conditions = autov1alpha1.GroupVersion.String(), "Update", o.Status.ObservedGeneration, o.Status.Conditions
	default:
		return f, fmt.Errorf("%T has no status of ours", object)
	}
	f.name = kind + " " + object.GetName()
	var err error
	f.object, err = convert(object)
	if err == nil {
		f.object.SetAPIVersion(version)
		f.object.SetKind(kind)
	}
	return f, err
}

// seen tells whether a controller has looked at the object's newest generation.
func (f facts) seen() bool { return f.observed == f.generation }

func (f facts) find(kind string) (metav1.Condition, bool) {
	if found := meta.FindStatusCondition(f.conditions, kind); found != nil {
		return *found, true
	}
	return metav1.Condition{}, false
}

// suspended tells of an object for which nothing is done, since a person wants it so, whatever it lacks.
func (f facts) suspended() bool {
	suspended, ok := f.find(pulumiv1.ConditionTypeSuspended)
	ready, _ := f.find(autov1alpha1.ConditionTypeReady)
	return ok && suspended.Status == metav1.ConditionTrue && ready.Status == metav1.ConditionFalse && ready.Reason == pulumiv1.ReasonSuspended
}

// short is the conditions in short.
func (f facts) short() []string {
	var all []string
	for _, c := range f.conditions {
		all = append(all, fmt.Sprintf("%s=%s/%s@%d", c.Type, c.Status, c.Reason, c.ObservedGeneration))
	}
	return all
}

// notCurrent is why an object cannot be in line with its spec, from what else its status records; "" if nothing says so.
func notCurrent(object client.Object) string {
	switch o := object.(type) {
	case *pulumiv1.Stack:
		return stackNotCurrent(o)
	case *pulumiv1.Program:
		if o.Status.Artifact == nil || o.Status.Artifact.Revision != strconv.FormatInt(o.Generation, 10) {
			return "its archive is not of this generation"
		}
	case *autov1alpha1.Update:
		if !meta.IsStatusConditionTrue(o.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete) {
			return "it is not complete"
		}
		if meta.IsStatusConditionTrue(o.Status.Conditions, autov1alpha1.UpdateConditionTypeFailed) {
			return "it failed"
		}
	}
	return ""
}

func stackNotCurrent(stack *pulumiv1.Stack) string {
	last := stack.Status.LastUpdate
	switch {
	case stack.Status.CurrentUpdate != nil:
		return "an update is under way"
	case last == nil || last.State == "":
		return "nothing has run yet"
	case last.State != pulumiv1.SucceededStackState:
		return "its last update failed"
	case last.Generation != stack.Generation:
		return fmt.Sprintf("its last update is of generation %d", last.Generation)
	default:
		return ""
	}
}
