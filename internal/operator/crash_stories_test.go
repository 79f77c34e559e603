package operator

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// story is what happens to a Stack, and what has to come of it whatever becomes of the manager.
type story struct {
	// before is what the story begins with. The manager lives.
	before func(*site)
	// absent is done while there is no manager at all, after before.
	absent func(*site)
	// tell is what happens. It waits for nothing but what a user would wait for.
	tell func(*site)
	// ended tells that the story is over.
	ended func(*site) bool
	// operations are those that are begun in the story, in order.
	operations []string
	// deaths are writes and messages that the story has for certain: the manager has to have died at each.
	deaths []string
	// fetches says that a manager has to live as long as it takes to fetch a commit, for the story to come to its end.
	fetches bool
}

// stackName is the Stack of every story.
const stackName = "demo"

func stories() map[string]story {
	all := map[string]story{
		"FirstDeploy": {
			before: clean, tell: func(s *site) { s.make(stackOf()) }, ended: ready,
			operations: []string{"UP"},
			deaths: []string{
				"PATCH stacks", "PATCH workspaces", "PATCH stacks/status", "POST updates", "POST pods", "PATCH updates/status", "POST secrets",
				"PATCH updates", "PATCH workspaces/status", "agent says hello", "hub says operation", "agent says result", "hub says recorded",
			},
		},
		"Update": {
			before: deployed, tell: func(s *site) { s.edit(func(stack *pulumiv1.Stack) { stack.Spec.Refresh = !stack.Spec.Refresh }) }, ended: ready,
			operations: []string{"UP"},
			deaths: []string{
				"PATCH workspaces", "PATCH stacks/status", "POST updates", "PATCH updates/status", "POST secrets", "PATCH updates",
				"hub says operation", "agent says result", "hub says recorded",
			},
		},
		"UpdateInANewPod": {
			before: deployed, tell: func(s *site) {
				s.edit(func(stack *pulumiv1.Stack) { stack.Spec.Envs = nil; stack.Spec.EnvRefs = newEnv(stack) })
			}, ended: ready,
			operations: []string{"UP"},
			deaths:     []string{"PATCH workspaces", "DELETE pods", "POST pods", "POST updates", "hub says operation"},
		},
		"Failure": {
			before: deployed, tell: func(s *site) {
				s.nextOnes(failsSoon, failsSoon)
				s.edit(func(stack *pulumiv1.Stack) { stack.Spec.Refresh = !stack.Spec.Refresh })
			}, ended: ready,
			operations: []string{"UP fails", "UP fails", "UP"},
			deaths:     []string{"PATCH workspaces", "PATCH stacks/status", "POST updates", "PATCH updates/status"},
		},
		"Destroy": {
			before: deployed, tell: func(s *site) { s.delete() }, ended: gone,
			operations: []string{"DESTROY"},
			deaths:     []string{"PATCH stacks", "PATCH stacks/status", "POST updates", "hub says operation", "hub says recorded"},
		},
		"Takeover": {
			before: clean, absent: func(s *site) { s.leave(nil) }, tell: func(s *site) {
				eventually(s.t, "the Stack is taken over", func() bool { return ready(s) })
				s.edit(func(stack *pulumiv1.Stack) { stack.Spec.Refresh = true })
			}, ended: ready,
			operations: []string{"UP"},
			deaths:     []string{"PATCH stacks/status", "PATCH updates", "DELETE statefulsets", "DELETE services", "POST pods", "hub says operation"},
		},
		"TakeoverOfARun": {
			before: clean, absent: func(s *site) { s.leave(running) }, tell: func(*site) {}, ended: ready,
			operations: []string{"UP"},
			deaths:     []string{"PATCH stacks/status", "PATCH updates", "PATCH updates/status", "DELETE statefulsets", "DELETE services", "POST pods"},
		},
	}
	maps.Copy(all, middleStories())
	maps.Copy(all, gitStories())
	return all
}

// make creates objects in the site's namespace.
func (s *site) make(objects ...client.Object) {
	s.t.Helper()
	for _, object := range objects {
		object.SetNamespace(s.namespace)
		if err := s.c.Create(s.t.Context(), object); err != nil {
			s.t.Fatal(err)
		}
	}
}

func stackOf() client.Object {
	return &pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Name: stackName}, Spec: pulumiv1.StackSpec{
		Stack: "dev", ProgramRef: &pulumiv1.ProgramReference{Name: "program"}, DestroyOnFinalize: true, RetryMaxBackoffDurationSeconds: 1,
	}}
}

func programOf() client.Object {
	return &pulumiv1.Program{ObjectMeta: metav1.ObjectMeta{Name: "program"}, Program: pulumiv1.ProgramSpec{
		JSON: apiextensionsv1.JSON{Raw: []byte(`{"outputs":{"answer":42}}`)},
	}}
}

// newEnv is an environment that the Stack has not had, for which its pod is replaced.
func newEnv(stack *pulumiv1.Stack) map[string]pulumiv1.ResourceRef {
	value := "a"
	if old := stack.Spec.EnvRefs["LETTER"].LiteralRef; old != nil && old.Value == value {
		value = "b"
	}
	return map[string]pulumiv1.ResourceRef{"LETTER": {SelectorType: pulumiv1.ResourceRefLiteral, LiteralRef: &pulumiv1.LiteralRef{Value: value}}}
}

// stack is the Stack as the view has it, or nil.
func (s *site) stack() *pulumiv1.Stack {
	stack := &pulumiv1.Stack{}
	if err := s.view.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: stackName}, stack); err != nil {
		return nil
	}
	return stack
}

// edit changes the spec as kubectl would.
func (s *site) edit(change func(*pulumiv1.Stack)) {
	s.t.Helper()
	stack := &pulumiv1.Stack{}
	if err := s.c.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: stackName}, stack); err != nil {
		s.t.Fatal(err)
	}
	was := stack.DeepCopy()
	change(stack)
	if err := s.c.Patch(s.t.Context(), stack, client.MergeFrom(was)); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "the view has the edit", func() bool { return s.stack().Generation >= stack.Generation })
}

func (s *site) delete() {
	s.t.Helper()
	if err := s.c.Delete(s.t.Context(), &pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: stackName}}); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "the view has the deletion", func() bool { return s.stack() == nil || s.stack().DeletionTimestamp != nil })
}

// ready tells that the Stack is, in its present generation, and that nothing is left to do.
func ready(s *site) bool {
	stack := s.stack()
	if stack == nil || !meta.IsStatusConditionTrue(stack.Status.Conditions, "Ready") || stack.Status.ObservedGeneration != stack.Generation {
		return false
	}
	last := stack.Status.LastUpdate
	return stack.Status.CurrentUpdate == nil && last != nil && last.Generation == stack.Generation && s.idle()
}

// idle tells that no Update is under way or held, and that agents have nothing that is not on record.
func (s *site) idle() bool {
	for _, object := range s.all() {
		if update, ok := object.(*autov1alpha1.Update); ok &&
			(len(update.Finalizers) > 0 || !meta.IsStatusConditionTrue(update.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete)) {
			return false
		}
	}
	return true
}

// gone tells that nothing is left of the Stack.
func gone(s *site) bool {
	return !slices.ContainsFunc(s.all(), func(object client.Object) bool { return strings.HasPrefix(object.GetName(), stackName) })
}

// clean takes away what a story before left, without a manager's help but for finalizers.
func clean(s *site) {
	s.t.Helper()
	if stack := s.stack(); stack != nil {
		s.edit(func(stack *pulumiv1.Stack) { stack.Spec.DestroyOnFinalize = false })
		s.delete()
	}
	eventually(s.t, "the last story is gone", func() bool { return gone(s) })
	s.program()
}

func (s *site) program() {
	program := programOf()
	if err := s.c.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: program.GetName()}, program); err != nil {
		s.make(programOf())
	}
}

// deployed begins with a Stack that is ready, be it one that is left of a story before.
func deployed(s *site) {
	s.t.Helper()
	s.program()
	if s.stack() == nil {
		s.make(stackOf())
	}
	eventually(s.t, "the Stack is deployed", func() bool { return ready(s) })
	for _, object := range s.all() {
		if update, ok := object.(*autov1alpha1.Update); ok && s.isKnown(update) {
			s.remove(update)
		}
	}
}

// settles waits until the story is over, the manager that lives then has nothing to do, and the state is the wanted one, if
// one is wanted.
func (s *site) settles(st story, want string) (string, error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if !s.life.Load().quiet() || !st.ended(s) {
			continue
		}
		if now := s.state(stackName); now == want || want == "" {
			return now, nil
		}
	}
	return s.state(stackName), errors.New("the story has not come to its end")
}
