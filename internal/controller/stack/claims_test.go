package stack

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/claim"
)

// open opens an archive of the double.
func (a archives) open(digest string) (claim.Archive, error) {
	archive, ok := a[digest]
	if !ok {
		return nil, fmt.Errorf("there is no archive %s", digest)
	}
	return unclosed{bytes.NewReader(archive)}, nil
}

type unclosed struct{ *bytes.Reader }

func (unclosed) Close() {}

// shared makes a Stack one whose backend others reach, too.
func shared(stack *pulumiv1.Stack) { stack.Spec.Backend = "s3://acme-state" }

// elsewhere makes a Stack another one, of another namespace, that is younger.
func elsewhere(stack *pulumiv1.Stack) {
	stack.Namespace, stack.Name, stack.UID = "team-b", "copy", "copy-uid"
	stack.CreationTimestamp = metav1.NewTime(noon.Add(-time.Minute))
}

func made(ago time.Duration) func(*pulumiv1.Stack) {
	return func(stack *pulumiv1.Stack) { stack.CreationTimestamp = metav1.NewTime(noon.Add(-ago)) }
}

// tenants is a cluster of several Stacks.
type tenants struct{ *cluster }

func newTenants(t *testing.T, objects ...client.Object) tenants {
	t.Helper()
	c := tenants{newCluster(t, objects...)}
	c.restart()
	return c
}

// restart makes a manager that remembers nothing.
func (c tenants) restart() {
	fresh := *c.r
	fresh.Claims, fresh.Projects = &claim.Tracker{}, claim.NewProjects(fresh.Artifacts.(archives).open)
	c.r = &fresh
}

// look lets a Stack be looked at until that changes nothing.
func (c tenants) look(name types.NamespacedName) {
	c.t.Helper()
	for range 10 {
		before := c.dump()
		if _, err := c.r.Reconcile(c.t.Context(), ctrl.Request{NamespacedName: name}); err != nil {
			c.t.Fatal(err)
		}
		if c.dump() == before {
			return
		}
	}
	c.t.Fatal("it never comes to rest")
}

// says is the reason and the message of a Stack's first condition beside Ready, or of that.
func (c tenants) says(name types.NamespacedName) (reason, message string) {
	c.t.Helper()
	stack := &pulumiv1.Stack{}
	if err := c.client.Get(c.t.Context(), name, stack); err != nil {
		c.t.Fatal(err)
	}
	for _, kind := range []string{autov1alpha1.ConditionTypeStalled, autov1alpha1.ConditionTypeReconciling, autov1alpha1.ConditionTypeReady} {
		if condition := meta.FindStatusCondition(stack.Status.Conditions, kind); condition != nil {
			return condition.Reason, condition.Message
		}
	}
	return "", ""
}

// madeIn lists what there is of Updates and Workspaces in a namespace.
func (c tenants) madeIn(namespace string) []string {
	c.t.Helper()
	var updates autov1alpha1.UpdateList
	var workspaces autov1alpha1.WorkspaceList
	for _, list := range []client.ObjectList{&updates, &workspaces} {
		if err := c.client.List(c.t.Context(), list, client.InNamespace(namespace)); err != nil {
			c.t.Fatal(err)
		}
	}
	var all []string
	for _, update := range updates.Items {
		all = append(all, string(update.Spec.Type))
	}
	for range workspaces.Items {
		all = append(all, "Workspace")
	}
	return all
}

func inNamespace(program *pulumiv1.Program, namespace string) *pulumiv1.Program {
	program.Namespace = namespace
	return program
}

var second = types.NamespacedName{Namespace: "team-b", Name: "copy"}

func TestTwoStacksOfOneBackendStack(t *testing.T) {
	c := newTenants(t, demo(shared, made(time.Hour)), demo(shared, elsewhere), programOf(greeting), inNamespace(programOf(greeting), "team-b"))
	// The younger is looked at first: the older is there and has the right.
	c.look(second)
	c.look(key)
	reason, message := c.says(second)
	if reason != pulumiv1.ReasonStackInUse {
		t.Fatalf("the second says %s: %s", reason, message)
	}
	for _, words := range []string{`stack "dev" in s3://acme-state`, "belongs to the Stack ns/demo"} {
		if !strings.Contains(message, words) {
			t.Errorf("the message lacks %q: %s", words, message)
		}
	}
	if diff := cmp.Diff([]string(nil), c.madeIn("team-b")); diff != "" {
		t.Errorf("made for the second: %s", diff)
	}
	if diff := cmp.Diff([]string{"up", "Workspace"}, c.madeIn("ns")); diff != "" {
		t.Errorf("made for the first: %s", diff)
	}
	c.finish("", nil)
	c.look(key)
	for range 3 { // nothing changes with time, nor with a restart
		c.restart()
		c.look(second)
		c.look(key)
	}
	if reason, _ := c.says(key); reason != pulumiv1.ReasonProcessingCompleted {
		t.Errorf("the first says %s", reason)
	}

	var woken []types.NamespacedName
	c.r.Claims.Notify(func(stack types.NamespacedName) { woken = append(woken, stack) })
	c.look(second)
	first := c.stack()
	if err := c.client.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	c.look(key)
	if diff := cmp.Diff([]types.NamespacedName{second}, woken); diff != "" {
		t.Errorf("woken when the first is gone (-want +got):\n%s", diff)
	}
	c.look(second)
	if diff := cmp.Diff([]string{"up", "Workspace"}, c.madeIn("team-b")); diff != "" {
		t.Errorf("made for the second when the first is gone: %s", diff)
	}
}

func TestASecondStackGoesWithoutADestroy(t *testing.T) {
	destroys := func(stack *pulumiv1.Stack) { stack.Spec.DestroyOnFinalize = true }
	c := newTenants(t, demo(shared, made(time.Hour)), demo(shared, elsewhere, destroys), programOf(greeting), inNamespace(programOf(greeting), "team-b"))
	c.look(key)
	c.look(second)
	gone := &pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Namespace: second.Namespace, Name: second.Name}}
	if err := c.client.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	c.look(second)
	if err := c.client.Get(t.Context(), second, gone); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("the second is still there: %v", err)
	}
	if diff := cmp.Diff([]string(nil), c.madeIn("team-b")); diff != "" {
		t.Errorf("made for the second: %s", diff)
	}
}

// Both ran under another operator, so that both may have applied something: the second destroys nothing while the first
// is there.
func TestASecondStackThatMayHaveAppliedWaitsForTheFirst(t *testing.T) {
	ran := func(stack *pulumiv1.Stack) {
		stack.Finalizers, stack.Spec.DestroyOnFinalize = []string{pulumiv1.Finalizer}, true
		stack.Status.LastUpdate = &pulumiv1.LastUpdate{Generation: 1, Name: "old", Type: autov1alpha1.UpUpdate, State: pulumiv1.SucceededStackState, LastSuccessfulCommit: "1", LastAttemptedCommit: "1"}
		stack.Status.ProjectInfo = &autov1alpha1.ProjectInfo{Name: "p", Runtime: "yaml"}
		stack.Status.ObservedGeneration = 1
	}
	c := newTenants(t, demo(shared, ran, made(time.Hour)), demo(shared, ran, elsewhere), programOf(greeting), inNamespace(programOf(greeting), "team-b"))
	c.look(second)
	if reason, _ := c.says(second); reason != pulumiv1.ReasonStackInUse {
		t.Fatalf("the second says %s", reason)
	}
	gone := &pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Namespace: second.Namespace, Name: second.Name}}
	if err := c.client.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	c.look(second)
	reason, message := c.says(second)
	if reason != pulumiv1.ReasonStackInUse || !strings.Contains(message, "set spec.destroyOnFinalize to false") {
		t.Errorf("the second, going, says %s: %s", reason, message)
	}
	if diff := cmp.Diff([]string(nil), c.madeIn("team-b")); diff != "" {
		t.Errorf("made for the second: %s", diff)
	}
}

// TestWhoClaims says which Stacks meet: two are made, one after the other, and looked at.
func TestWhoClaims(t *testing.T) {
	cases := map[string]struct {
		reason string
		second func(*pulumiv1.Stack)
		want   string
	}{
		"Same":          {"the same stack", func(*pulumiv1.Stack) {}, pulumiv1.ReasonStackInUse},
		"Qualified":     {"by its whole name", func(s *pulumiv1.Stack) { s.Spec.Stack = "organization/p/dev" }, pulumiv1.ReasonStackInUse},
		"OtherProject":  {"of another project", func(s *pulumiv1.Stack) { s.Spec.Stack = "organization/q/dev" }, pulumiv1.ReasonStackProcessing},
		"OtherProgram":  {"of another program's project", func(s *pulumiv1.Stack) { s.Spec.ProgramRef.Name = "q" }, pulumiv1.ReasonStackProcessing},
		"OtherStack":    {"another stack", func(s *pulumiv1.Stack) { s.Spec.Stack = "prod" }, pulumiv1.ReasonStackProcessing},
		"OtherBackend":  {"in another backend", func(s *pulumiv1.Stack) { s.Spec.Backend = "s3://other" }, pulumiv1.ReasonStackProcessing},
		"Preview":       {"a preview changes nothing", func(s *pulumiv1.Stack) { s.Spec.Preview = true }, pulumiv1.ReasonStackProcessing},
		"Alone":         {"a directory of the pod is nobody else's", func(s *pulumiv1.Stack) { s.Spec.Backend = "file:///state" }, pulumiv1.ReasonStackProcessing},
		"InvalidAnyway": {"what is wrong with the spec comes first", func(s *pulumiv1.Stack) { s.Spec.ServiceAccountName = "A B" }, pulumiv1.ReasonSpecInvalid},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			other := programOf(greeting)
			other.Name = "q"
			c := newTenants(t, demo(shared, made(time.Hour)), demo(shared, elsewhere, tc.second), programOf(greeting), inNamespace(programOf(greeting), "team-b"), inNamespace(other, "team-b"))
			c.look(key)
			c.look(second)
			if reason, message := c.says(second); reason != tc.want {
				t.Errorf("%s: the second says %s: %s; want %s", tc.reason, reason, message, tc.want)
			}
		})
	}
}

// A Stack that is edited to name another one's stack is the second, however old it is, and stays so.
func TestAnEditTakesNothingAway(t *testing.T) {
	c := newTenants(t, demo(shared, made(time.Hour), func(s *pulumiv1.Stack) { s.Spec.Stack = "prod" }), demo(shared, elsewhere), programOf(greeting), inNamespace(programOf(greeting), "team-b"))
	c.look(key)
	c.finish("", nil)
	c.look(key)
	c.look(second)
	c.finish("", nil)
	c.look(second)
	c.edit(func(s *pulumiv1.Stack) { s.Spec.Stack, s.Generation = "dev", 2 })
	for _, restarted := range []bool{false, true, true} {
		if restarted {
			c.restart()
		}
		c.look(key)
		c.look(second)
		if reason, message := c.says(key); reason != pulumiv1.ReasonStackInUse || !strings.Contains(message, "team-b/copy") {
			t.Fatalf("restarted %t: the edited one says %s: %s", restarted, reason, message)
		}
		if reason, _ := c.says(second); reason != pulumiv1.ReasonProcessingCompleted {
			t.Fatalf("restarted %t: the other one says %s", restarted, reason)
		}
	}
}

// Two workers look at two Stacks that are both first in line, as the one that came later is older: one of them runs.
func TestOneOfTwoAtOnceRuns(t *testing.T) {
	c := newTenants(t, demo(shared, made(time.Hour)), demo(shared, elsewhere), programOf(greeting), inNamespace(programOf(greeting), "team-b"))
	older, younger := c.stack(), demo(shared, elsewhere)
	if err := c.client.Get(t.Context(), second, younger); err != nil {
		t.Fatal(err)
	}
	if err := c.r.Claims.Prime(func() ([]claim.Holder, error) { return nil, nil }); err != nil { // neither was there when it started
		t.Fatal(err)
	}
	var observed []Observed
	for _, stack := range []*pulumiv1.Stack{younger, older} {
		stack.Finalizers, stack.Status.Applied = []string{pulumiv1.Finalizer}, new(false)
		if err := c.client.Update(t.Context(), stack); err != nil {
			t.Fatal(err)
		}
		o, err := c.r.observe(t.Context(), stack)
		if err != nil {
			t.Fatal(err)
		}
		o.Stack.Status.Applied = new(false)
		if err := c.r.observeClaim(t.Context(), &o); err != nil {
			t.Fatal(err)
		}
		observed = append(observed, o)
	}
	for i := range observed {
		step := Plan(observed[i], noon)
		if step.Act != Run {
			t.Fatalf("plan %d is %+v", i, step)
		}
		if err := c.r.take(t.Context(), observed[i].Stack.DeepCopy(), observed[i], &step); err != nil {
			t.Fatal(err)
		}
		if (step.Act == Run) != (i == 0) {
			t.Errorf("step %d became %+v", i, step)
		}
	}
	if diff := cmp.Diff([]string(nil), c.madeIn("ns")); diff != "" {
		t.Errorf("made for the one that was slower: %s", diff)
	}
}
