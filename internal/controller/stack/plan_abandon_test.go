package stack

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

func abandon(value string) func(*Observed) {
	return func(o *Observed) {
		o.Stack.Annotations = map[string]string{pulumiv1.AnnotationAbandon: value}
	}
}

func TestPlanAbandon(t *testing.T) {
	destroying := func(o *Observed) { o.Update.Spec.Type = autov1alpha1.DestroyUpdate }
	canceled := func(o *Observed) { now := metav1.NewTime(noon); o.Update.DeletionTimestamp = &now }
	unreadable := func(o *Observed) { o.Stack.Spec.Unreadable = "destroyOnFinalize" }
	dependents := func(o *Observed) { o.Dependents = []Dependent{{Name: "app"}} }
	cases := map[string]struct {
		reason string
		o      Observed
		act    Act
		says   string
	}{
		"Alive":            {"a Stack that does not go is not released", world(abandon("true")), Nothing, "up to date"},
		"Going":            {"one that goes is", world(goes, abandon("true")), Release, "left behind"},
		"AnotherValue":     {"no other value counts", world(goes, abandon("yes")), Run, "marked for deletion"},
		"Unreadable":       {"what cannot be read may be why", world(goes, unreadable, abandon("true")), Release, "left behind"},
		"DestroyFailed":    {"what fails for ever can be given up", world(goes, destroyed(3), failed("UpdateFailed", 9, time.Second), abandon("true")), Release, "left behind"},
		"Needed":           {"what others need too", world(goes, dependents, abandon("true")), Release, "left behind"},
		"DestroyRuns":      {"a destroy ends gracefully first", world(under("pod"), goes, destroying, abandon("true")), Cancel, "being canceled"},
		"DestroyEnds":      {"which is waited for", world(under("pod"), goes, destroying, canceled, abandon("true")), Nothing, "is starting"},
		"DestroyWaits":     {"one that has not begun is withdrawn", world(under(""), goes, destroying, abandon("true")), Supersede, "withdrawn"},
		"NothingWasEver":   {"where nothing was applied nothing is left", world(neverRan, goes, abandon("true")), Release, "nothing was ever applied"},
		"DestroyedAlready": {"where all is destroyed neither", world(goes, destroyed(3), abandon("true")), Release, "is destroyed"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			step := Plan(tc.o, noon)
			if step.Act != tc.act || !strings.Contains(step.State.Message(), tc.says) {
				t.Errorf("%s: act %d, says %q; want %d, %q", tc.reason, step.Act, step.State.Message(), tc.act, tc.says)
			}
		})
	}
}

func TestInventory(t *testing.T) {
	last := func(s *pulumiv1.Stack) {
		s.Status.LastUpdate = &pulumiv1.LastUpdate{Name: "demo-1", State: pulumiv1.FailedStackState}
	}
	backend := func(text string) func(*pulumiv1.Stack) {
		return func(s *pulumiv1.Stack) { s.Spec.Backend = text }
	}
	env := func(ref pulumiv1.ResourceRef) func(*pulumiv1.Stack) {
		return func(s *pulumiv1.Stack) { s.Spec.EnvRefs = map[string]pulumiv1.ResourceRef{backendVariable: ref} }
	}
	cases := map[string]struct {
		stack *pulumiv1.Stack
		want  string
	}{
		"All": {demo(last, backend("s3://state/team"), func(s *pulumiv1.Stack) {
			s.Status.Resources, s.Status.ProjectInfo = new(int32(12)), &autov1alpha1.ProjectInfo{Name: "net"}
		}), `12 resources, the stack's own among them, of the stack "dev" in the backend "s3://state/team", project "net"; the last update was demo-1, which failed`},
		"Nothing": {demo(), `an unknown number of resources of the stack "dev" in the backend that its environment names, or else Pulumi Cloud`},
		"Secrets": {demo(backend("postgres://user:hunter2@db/state?sslkey=hunter3")), `an unknown number of resources of the stack "dev" in the backend "postgres://db/state"`},
		"Odd":     {demo(backend("user:hunter2@%zz")), `an unknown number of resources of the stack "dev" in the backend of PULUMI_BACKEND_URL`},
		"Literal": {demo(env(pulumiv1.ResourceRef{LiteralRef: &pulumiv1.LiteralRef{Value: "file:///state"}})), `an unknown number of resources of the stack "dev" in the backend "file:///state"`},
		"Secret":  {demo(env(pulumiv1.ResourceRef{SecretRef: &pulumiv1.SecretSelector{Name: "where", Key: "url"}})), `an unknown number of resources of the stack "dev" in the backend that Secret "where" names`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, inventory(tc.stack)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestResourcesAreCounted(t *testing.T) {
	did := func(kind autov1alpha1.UpdateType, changes map[string]int32, targets ...string) *autov1alpha1.Update {
		return &autov1alpha1.Update{
			Spec:   autov1alpha1.UpdateSpec{Type: kind, Target: targets},
			Status: autov1alpha1.UpdateStatus{Changes: changes},
		}
	}
	all := map[string]int32{"create": 2, "same": 3, "update": 1, "delete": 4, "replace": 1}
	const well, badly = pulumiv1.SucceededStackState, pulumiv1.FailedStackState
	cases := map[string]struct {
		before *int32
		update *autov1alpha1.Update
		state  pulumiv1.StackUpdateState
		want   *int32
	}{
		"Up":                 {nil, did(autov1alpha1.UpUpdate, all), well, new(int32(7))},
		"UpAgain":            {new(int32(90)), did(autov1alpha1.UpUpdate, all), well, new(int32(7))},
		"UpOfTargets":        {new(int32(90)), did(autov1alpha1.UpUpdate, all, "urn"), well, new(int32(88))},
		"UpFailed":           {new(int32(3)), did(autov1alpha1.UpUpdate, all), badly, new(int32(1))},
		"UpFailedFirst":      {nil, did(autov1alpha1.UpUpdate, all), badly, nil},
		"UpWithoutASummary":  {new(int32(3)), did(autov1alpha1.UpUpdate, nil), badly, new(int32(3))},
		"Preview":            {new(int32(3)), did(autov1alpha1.PreviewUpdate, all), well, new(int32(3))},
		"DestroyFailed":      {new(int32(9)), did(autov1alpha1.DestroyUpdate, map[string]int32{"delete": 5}), badly, new(int32(4))},
		"DestroyFailedTwice": {new(int32(2)), did(autov1alpha1.DestroyUpdate, map[string]int32{"delete": 5}), badly, new(int32(0))},
		"Destroy":            {new(int32(9)), did(autov1alpha1.DestroyUpdate, nil), well, new(int32(0))},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, resourcesAfter(tc.before, tc.update, tc.state)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestAbandonedStackSaysWhatIsLeft: a Stack whose destroy fails is released by a person, and an event says what it leaves.
func TestAbandonedStackSaysWhatIsLeft(t *testing.T) {
	c := newCluster(t, demo(func(s *pulumiv1.Stack) {
		s.Spec.DestroyOnFinalize, s.Spec.Backend = true, "s3://state"
	}), programOf(greeting))
	c.reconcile()
	c.did(map[string]int32{"create": 5})
	c.finish("", nil)
	c.reconcile()
	if err := c.client.Delete(t.Context(), c.stack()); err != nil {
		t.Fatal(err)
	}
	c.edit(func(s *pulumiv1.Stack) { s.Generation = 2 }) // as the API server does
	c.reconcile()
	c.did(map[string]int32{"delete": 2})
	c.finish("access denied", nil)
	c.reconcile()
	c.told("")
	c.edit(func(s *pulumiv1.Stack) {
		s.Annotations = map[string]string{pulumiv1.AnnotationAbandon: "yes"}
	})
	c.reconcile()
	if got := c.state(); !strings.Contains(got, "FieldsIgnored=True/NoEffect") || !strings.Contains(got, "Reconciling=True/RetryingAfterFailure") {
		t.Errorf("with a value that does not count the Stack says %s", got)
	}
	c.edit(func(s *pulumiv1.Stack) { s.Annotations[pulumiv1.AnnotationAbandon] = "true" })
	if _, err := c.once(); err != nil {
		t.Fatal(err)
	}
	if err := c.client.Get(t.Context(), key, &pulumiv1.Stack{}); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("the Stack is still there (%v)", err)
	}
	told := c.told(pulumiv1.EventResourcesAbandoned)
	if len(told) != 1 || !strings.HasPrefix(told[0], "Warning") || !strings.Contains(told[0], `3 resources, the stack's own among them, of the stack "dev" in the backend "s3://state", project "p"`) {
		t.Errorf("what is left is told as %q", told)
	}
	if n := len(c.updates()); n != 2 {
		t.Errorf("%d updates, want the up and the one destroy", n)
	}
}

// TestKeptResourcesAreTold: a Stack without destroyOnFinalize says what it leaves, too; one that never applied anything has
// nothing to say.
func TestKeptResourcesAreTold(t *testing.T) {
	for name, ran := range map[string]bool{"Ran": true, "NeverRan": false} {
		t.Run(name, func(t *testing.T) {
			objects := []client.Object{demo()}
			if ran {
				objects = append(objects, programOf(greeting))
			}
			c := newCluster(t, objects...)
			c.reconcile()
			if ran {
				c.did(map[string]int32{"create": 1, "same": 1})
				c.finish("", nil)
				c.reconcile()
			}
			if err := c.client.Delete(t.Context(), c.stack()); err != nil {
				t.Fatal(err)
			}
			if _, err := c.once(); err != nil {
				t.Fatal(err)
			}
			told := c.told(pulumiv1.EventResourcesKept)
			if (len(told) == 1 && strings.HasPrefix(told[0], "Normal") && strings.Contains(told[0], `2 resources, the stack's own among them, of the stack "dev"`)) != ran {
				t.Errorf("what is left is told as %q", told)
			}
		})
	}
}
