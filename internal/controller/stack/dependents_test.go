package stack

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

func TestPlanDependents(t *testing.T) {
	with := func(dependents ...Dependent) func(*Observed) {
		return func(o *Observed) { o.Dependents = dependents }
	}
	var many []Dependent
	for i := range 7 {
		many = append(many, Dependent{Name: fmt.Sprintf("app%d", i), Going: true})
	}
	cases := map[string]struct {
		reason string
		o      Observed
		act    Act
		says   []string
	}{
		"None":        {"nobody needs it", world(goes, with()), Run, []string{"marked for deletion"}},
		"Going":       {"those that go are waited for", world(goes, with(Dependent{"app", true})), Nothing, []string{`waiting for Stacks that need this one`, `"app"`}},
		"Staying":     {"those that stay too, with what to do", world(goes, with(Dependent{"app", false})), Nothing, []string{`"app". Delete these too, or take this Stack out of their spec`}},
		"Both":        {"both are told", world(goes, with(Dependent{"a", true}, Dependent{"b", false})), Nothing, []string{`before it: "a"; `, `: "b". `}},
		"Many":        {"not all are named", world(goes, with(many...)), Nothing, []string{`"app4" and 2 more`}},
		"Alive":       {"one that stays waits for nobody", world(with(Dependent{"app", false})), Nothing, []string{"up to date"}},
		"Keeping":     {"nothing is destroyed, so nothing waits", world(goes, with(Dependent{"app", false}), func(o *Observed) { o.Stack.Spec.DestroyOnFinalize = false }), Release, []string{"are kept"}},
		"NothingEver": {"nothing was applied, so nothing waits", world(neverRan, goes, with(Dependent{"app", false})), Release, []string{"nothing was ever applied"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			step := Plan(tc.o, noon)
			if step.Act != tc.act {
				t.Errorf("%s: act %d, want %d", tc.reason, step.Act, tc.act)
			}
			if waits := step.State.Reason() == pulumiv1.ReasonDependentsExist; waits != (tc.act == Nothing && deleting(tc.o.Stack)) {
				t.Errorf("%s: the reason is %s", tc.reason, step.State.Reason())
			}
			for _, words := range tc.says {
				if !strings.Contains(step.State.Message(), words) {
					t.Errorf("%s: it says %q, want %q in it", tc.reason, step.State.Message(), words)
				}
			}
		})
	}
}

// needs makes Stacks from lines such as "app: base network". One with a + at its end stays, one with a - has never applied
// anything; all others are going.
func needs(lines ...string) []client.Object {
	var objects []client.Object
	for _, line := range lines {
		name, needed, _ := strings.Cut(line, ":")
		stack := demo(func(s *pulumiv1.Stack) {
			s.Name = strings.TrimRight(name, "+-")
			s.UID = types.UID("uid of " + s.Name)
			s.Finalizers = []string{pulumiv1.Finalizer}
			s.Status.Applied = new(!strings.HasSuffix(name, "-"))
			if !strings.HasSuffix(name, "+") && !strings.HasSuffix(name, "-") {
				now := metav1.NewTime(noon)
				s.DeletionTimestamp = &now
			}
			for i, other := range strings.Fields(needed) {
				if i == 0 && other == "kubeconfig" {
					continue
				}
				if strings.Contains(needed, "kubeconfig") {
					s.Spec.Kubeconfig = &pulumiv1.KubeconfigSource{Type: pulumiv1.KubeconfigStackOutput, StackRef: &pulumiv1.StackOutput{Name: other, Output: "k"}}
					continue
				}
				s.Spec.Prerequisites = append(s.Spec.Prerequisites, pulumiv1.PrerequisiteRef{Name: other})
			}
		})
		objects = append(objects, stack)
	}
	return objects
}

// TestWhoWaitsForWhom: in every graph somebody can be destroyed, and each is destroyed after those that need it.
func TestWhoWaitsForWhom(t *testing.T) {
	cases := map[string]struct {
		stacks []string
		want   map[string][]Dependent
	}{
		"Chain":                 {[]string{"a:", "b: a", "c: b"}, map[string][]Dependent{"a": {{"b", true}}, "b": {{"c", true}}}},
		"Fork":                  {[]string{"a:", "b: a", "c+: a"}, map[string][]Dependent{"a": {{"b", true}, {"c", false}}}},
		"Circle of two that go": {[]string{"a: b", "b: a"}, nil},
		"Circle of three, one of which is needed by another": {[]string{"a: c", "b: a", "c: b", "d: b"},
			map[string][]Dependent{"b": {{"d", true}}}},
		"Circle that is not wholly going": {[]string{"a: b", "b+: a"}, map[string][]Dependent{"a": {{"b", false}}}},
		"Circle behind one that stays":    {[]string{"a: x", "x+: d", "d: a"}, map[string][]Dependent{"a": {{"d", true}}, "d": {{"x", false}}}},
		"Kubeconfig":                      {[]string{"a:", "b: kubeconfig a"}, map[string][]Dependent{"a": {{"b", true}}}},
		"Never applied":                   {[]string{"a:", "b-: a"}, nil},
		"Itself":                          {[]string{"a: a"}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, needs(tc.stacks...)...)
			got := map[string][]Dependent{}
			var all pulumiv1.StackList
			if err := c.client.List(t.Context(), &all); err != nil {
				t.Fatal(err)
			}
			for i := range all.Items {
				o := Observed{Stack: &all.Items[i]}
				if err := c.r.observeDependents(t.Context(), &o); err != nil {
					t.Fatal(err)
				}
				if len(o.Dependents) > 0 {
					got[o.Stack.Name] = o.Dependents
				}
			}
			if tc.want == nil {
				tc.want = map[string][]Dependent{}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("who waits for whom (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWaitingForDependentsIsTold: who waits for others says so once, in an event too, and goes on when they are gone.
func TestWaitingForDependentsIsTold(t *testing.T) {
	c := newCluster(t, append(needs("demo:", "app+: demo"), programOf(greeting))...)
	c.edit(func(s *pulumiv1.Stack) { s.Spec.DestroyOnFinalize, s.Generation = true, 2 })
	c.reconcile()
	c.reconcile()
	if told := c.told(pulumiv1.ReasonDependentsExist); len(told) != 1 || !strings.Contains(told[0], `"app"`) || len(c.updates()) != 0 {
		t.Errorf("it is told as %q, with %d updates", told, len(c.updates()))
	}
	app := &pulumiv1.Stack{}
	if err := c.client.Get(t.Context(), types.NamespacedName{Namespace: key.Namespace, Name: "app"}, app); err != nil {
		t.Fatal(err)
	}
	app.Spec.Prerequisites = nil
	if err := c.client.Update(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	c.reconcile()
	if updates := c.updates(); len(updates) != 1 || updates[0].Spec.Type != autov1alpha1.DestroyUpdate {
		t.Errorf("when nobody needs it any more there are %d updates, want the destroy", len(updates))
	}
}

// TestThoseThatAreNeededAreWoken: a Stack that is going is looked at again when one that needs it changes.
func TestThoseThatAreNeededAreWoken(t *testing.T) {
	c := newCluster(t, needs("a:", "k:", "stays+:", "b: a stays nobody", "c: kubeconfig k")...)
	var woken []string
	for _, name := range []string{"b", "c"} {
		stack := &pulumiv1.Stack{}
		if err := c.client.Get(t.Context(), types.NamespacedName{Namespace: key.Namespace, Name: name}, stack); err != nil {
			t.Fatal(err)
		}
		for _, request := range c.r.neededThatGo(t.Context(), stack) {
			woken = append(woken, request.Name)
		}
	}
	if diff := cmp.Diff([]string{"a", "k"}, woken); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
