package stack

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// A Stack that is edited without end is looked at a few times a second for it; nothing else of it waits, and no other Stack.
func TestEditsInARow(t *testing.T) {
	now := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	r := &Reconciler{Edits: NewEdits(now)}
	edited := func(name string) *pulumiv1.Stack {
		return &pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 2}, Status: pulumiv1.StackStatus{ObservedGeneration: 1}}
	}
	requested := edited("requested")
	requested.Status.ObservedGeneration, requested.Annotations = 2, map[string]string{pulumiv1.AnnotationReconciliationRequest: "now"}
	for _, stack := range []*pulumiv1.Stack{edited("edited"), requested} {
		looked := 0
		for range 100 {
			if !r.early(stack) {
				looked++
			}
		}
		if looked != editsAtOnce {
			t.Errorf("%s: looked at %d times at once, want %d", stack.Name, looked, editsAtOnce)
		}
	}
	settled, going := edited("edited"), edited("edited")
	settled.Status.ObservedGeneration = 2
	going.DeletionTimestamp = &metav1.Time{Time: now.Now()}
	for what, stack := range map[string]*pulumiv1.Stack{"no edit": settled, "a deletion": going, "another Stack": edited("other")} {
		if r.early(stack) {
			t.Errorf("%s has to wait", what)
		}
	}
	now.SetTime(now.Now().Add(editPause))
	if r.early(edited("edited")) || !r.early(edited("edited")) {
		t.Error("after the pause not just one more edit counts")
	}
	if (&Reconciler{}).early(edited("edited")) {
		t.Error("there is a bound where none was asked for")
	}
}
