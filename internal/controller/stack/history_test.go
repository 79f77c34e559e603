package stack

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// past is a complete Update that the Stack made that many minutes ago.
func past(minutes int, changes ...func(*autov1alpha1.Update)) autov1alpha1.Update {
	update := autov1alpha1.Update{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("u%03d", minutes), Labels: childLabels(demo()), CreationTimestamp: metav1.NewTime(noon.Add(-time.Duration(minutes) * time.Minute)),
		},
		Spec:   autov1alpha1.UpdateSpec{TTLAfterCompleted: new(updateTTL)},
		Status: autov1alpha1.UpdateStatus{Conditions: []metav1.Condition{{Type: autov1alpha1.UpdateConditionTypeComplete, Status: metav1.ConditionTrue}}},
	}
	for _, change := range changes {
		change(&update)
	}
	return update
}

func TestSurplus(t *testing.T) {
	newest := make([]autov1alpha1.Update, keptUpdates)
	for i := range newest {
		newest[i] = past(i)
	}
	cases := map[string]struct {
		reason string
		older  []autov1alpha1.Update
		want   []string
	}{
		"None":        {"a hundred may be there", nil, nil},
		"Oldest":      {"the oldest go", []autov1alpha1.Update{past(900), past(901)}, []string{"u900", "u901"}},
		"UnderWay":    {"it was not seen to be complete", []autov1alpha1.Update{past(900, func(u *autov1alpha1.Update) { u.Name = "current" })}, nil},
		"Last":        {"its outputs are the Stack's", []autov1alpha1.Update{past(900, func(u *autov1alpha1.Update) { u.Name = "last" })}, nil},
		"Interrupted": {"what it left is looked for", []autov1alpha1.Update{past(900, func(u *autov1alpha1.Update) { u.Name = "interrupted" })}, nil},
		"NotComplete": {"it waits or runs", []autov1alpha1.Update{past(900, func(u *autov1alpha1.Update) { u.Status.Conditions = nil })}, nil},
		"NotOnRecord": {"the Stack has not seen its end", []autov1alpha1.Update{past(900, func(u *autov1alpha1.Update) { u.Finalizers = []string{pulumiv1.Finalizer} })}, nil},
		"ByAPerson":   {"who made it deletes it", []autov1alpha1.Update{past(900, func(u *autov1alpha1.Update) { u.Labels = nil })}, nil},
		"Deleted":     {"it goes already", []autov1alpha1.Update{past(900, func(u *autov1alpha1.Update) { u.DeletionTimestamp = new(metav1.NewTime(noon)) })}, nil},
		"OwnTTL":      {"the user has said how long", []autov1alpha1.Update{past(900, func(u *autov1alpha1.Update) { u.Spec.TTLAfterCompleted = new("240h") })}, nil},
		"NoTTL":       {"the user wants it for ever", []autov1alpha1.Update{past(900, func(u *autov1alpha1.Update) { u.Spec.TTLAfterCompleted = nil })}, nil},
	}
	stack := demo(func(stack *pulumiv1.Stack) {
		stack.Status.LastUpdate, stack.Status.InterruptedUpdate = &pulumiv1.LastUpdate{Name: "last"}, "interrupted"
	})
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, update := range surplus(slices.Concat(tc.older, newest), stack, "current") {
				got = append(got, update.Name)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestHistoryIsBounded: a Stack that runs again and again does not fill the cluster with its Updates.
func TestHistoryIsBounded(t *testing.T) {
	objects := []client.Object{demo(), programOf(greeting)}
	for i := range keptUpdates {
		before := past(i+1, func(u *autov1alpha1.Update) {
			u.Namespace, u.OwnerReferences = key.Namespace, []metav1.OwnerReference{ownerReference(demo(), false)}
		})
		objects = append(objects, &before)
	}
	c := newCluster(t, objects...)
	const runs = 5
	for i := range runs {
		c.clock.Step(time.Second)
		c.edit(func(stack *pulumiv1.Stack) {
			stack.Annotations = map[string]string{pulumiv1.AnnotationReconciliationRequest: strconv.Itoa(i)}
		})
		c.reconcile()
		c.finish("", nil)
		c.reconcile()
		for len(c.events.Events) > 0 {
			<-c.events.Events
		}
	}
	// The update controller lets go of those that are deleted.
	updates := slices.DeleteFunc(c.updates(), func(u autov1alpha1.Update) bool { return !u.DeletionTimestamp.IsZero() })
	last := c.stack().Status.LastUpdate
	if last.ReconcileRequest != strconv.Itoa(runs-1) {
		t.Fatalf("the last request is not answered: %+v", last)
	}
	if len(updates) < keptUpdates || len(updates) > keptUpdates+1 {
		t.Errorf("%d Updates are there", len(updates))
	}
	if !slices.ContainsFunc(updates, func(u autov1alpha1.Update) bool { return u.Name == last.Name }) {
		t.Errorf("the last Update %s is gone", last.Name)
	}
}
