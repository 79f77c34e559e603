package operator

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// middleStories are those in which an operation ends before its time.
func middleStories() map[string]story {
	return map[string]story{
		"UpdateDeletedInTheMiddle": {
			before: deployed, tell: func(s *site) {
				s.hold()
				s.remove(s.held())
			}, ended: ready,
			operations: []string{"UP is held", "UP"},
			deaths:     []string{"POST updates", "PATCH updates/status", "PATCH updates", "PATCH stacks/status", "hub says cancel", "agent says result", "hub says recorded"},
		},
		"Cancel": {
			before: func(s *site) { clean(s); deployed(s) }, tell: func(s *site) {
				s.hold()
				s.edit(func(stack *pulumiv1.Stack) {
					stack.Annotations = map[string]string{pulumiv1.AnnotationCancelRequest: "stop"}
				})
			}, ended: heldBack,
			operations: []string{"UP is held"},
			deaths:     []string{"PATCH stacks/status", "DELETE updates", "PATCH updates/status", "PATCH updates", "hub says cancel", "agent says result", "hub says recorded"},
		},
		"StackDeletedInTheMiddle": {
			before: deployed, tell: func(s *site) {
				s.hold()
				s.delete()
			}, ended: gone,
			operations: []string{"UP is held", "DESTROY"},
			deaths:     []string{"PATCH stacks", "PATCH stacks/status", "hub says cancel", "agent says result", "hub says recorded"},
		},
		"Interruption": {
			before: deployed, tell: func(s *site) {
				s.nextOnes(isKilled)
				s.edit(func(stack *pulumiv1.Stack) { stack.Spec.Refresh = !stack.Spec.Refresh })
			}, ended: ready,
			operations: []string{"UP is killed", "UP"},
			deaths:     []string{"POST secrets", "agent says snapshot", "hub says snapshot kept", "PATCH updates/status", "PATCH stacks/status"},
		},
	}
}

// heldBack tells that what was under way has ended as a person asked, and that nothing follows it.
func heldBack(s *site) bool {
	stack := s.stack()
	if stack == nil || stack.Status.CurrentUpdate != nil || stack.Status.ObservedGeneration != stack.Generation {
		return false
	}
	stalled := meta.FindStatusCondition(stack.Status.Conditions, autov1alpha1.ConditionTypeStalled)
	return stalled != nil && stalled.Reason == pulumiv1.ReasonUpdateCanceled && s.idle()
}

// hold edits the Stack, and waits until its operation is in the middle.
func (s *site) hold() {
	s.t.Helper()
	s.nextOnes(isHeld)
	s.edit(func(stack *pulumiv1.Stack) { stack.Spec.Refresh = !stack.Spec.Refresh })
	s.untilHeld()
}

// held is the Update of the operation that is held.
func (s *site) held() client.Object {
	s.t.Helper()
	all := s.all()
	i := slices.IndexFunc(all, func(object client.Object) bool {
		_, isUpdate := object.(*autov1alpha1.Update)
		return isUpdate && !s.isKnown(object)
	})
	if i < 0 {
		s.t.Fatal("the operation that is held has no Update")
	}
	return all[i]
}
