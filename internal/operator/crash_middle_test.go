package operator

import (
	"slices"

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
