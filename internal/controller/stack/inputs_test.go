package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/pod"
	"github.com/gantry-operator/gantry/internal/references"
)

// inputsDouble reads Secrets each time it is asked, and shows their values as digests.
type inputsDouble struct {
	reader client.Reader
	// held is what each Stack names.
	held map[types.NamespacedName][]pod.Input
}

func (d *inputsDouble) Notify(func(types.NamespacedName)) {}

func (d *inputsDouble) Outdate(string, types.NamespacedName) {}

func (d *inputsDouble) Forget(stack types.NamespacedName) { delete(d.held, stack) }

func (d *inputsDouble) Observe(ctx context.Context, stack types.NamespacedName, inputs []pod.Input) (references.Summary, error) {
	if d.held == nil {
		d.held = map[types.NamespacedName][]pod.Input{}
	}
	d.held[stack] = inputs
	summary := references.Summary{Digests: map[string]string{}}
	for _, input := range inputs {
		name, secret := input.Kind+"/"+input.Name, &corev1.Secret{}
		err := d.reader.Get(ctx, types.NamespacedName{Namespace: stack.Namespace, Name: input.Name}, secret)
		switch {
		case apierrors.IsNotFound(err):
			summary.Digests[name] = references.Absent
			if input.Required {
				summary.Missing = append(summary.Missing, name)
			}
		case err != nil:
			return summary, err
		default:
			summary.Digests[name] = fmt.Sprintf("%s", secret.Data)
		}
	}
	return summary, nil
}

func recorded(digests map[string]string) func(*Observed) {
	return func(o *Observed) { o.Stack.Status.LastUpdate.Inputs = digests }
}

func seen(digests map[string]string, missing ...string) func(*Observed) {
	return func(o *Observed) { o.Inputs = references.Summary{Digests: digests, Missing: missing} }
}

func TestPlanInputs(t *testing.T) {
	one := map[string]string{"Secret/tok": "1", "ConfigMap/c": "1"}
	two := map[string]string{"Secret/tok": "2", "ConfigMap/c": "2"}
	waiting := func(inputs map[string]string) func(*Observed) {
		return func(o *Observed) {
			under("")(o)
			o.Stack.Status.CurrentUpdate.Inputs = inputs
		}
	}
	cases := map[string]struct {
		reason  string
		o       Observed
		act     Act
		message string
	}{
		"Same":    {"nothing changed runs nothing", world(recorded(one), seen(one)), Nothing, ""},
		"Changed": {"another content runs", world(recorded(one), seen(two)), Run, "Configuration changed: ConfigMap c, Secret tok"},
		"Unknown": {"what has no record is adopted", world(seen(two)), Nothing, ""},
		"PartlyUnknown": {"and only that", world(recorded(map[string]string{"Secret/tok": "1"}), seen(two)),
			Run, "Configuration changed: Secret tok"},
		"NoLongerNamed":   {"what is not named any more does not count", world(recorded(one), seen(nil)), Nothing, ""},
		"Missing":         {"what is needed and not there cannot be run with", world(recorded(one), seen(two, "Secret/tok")), Nothing, ""},
		"CommitFirst":     {"PKO's reasons come first", world(recorded(one), seen(two), revision("8")), Run, `New commit detected: "8"`},
		"GenerationFirst": {"PKO's reasons come first", world(recorded(one), seen(two), generation(3)), Run, "New stack generation: 3"},
		"FailedRecently":  {"a failure need not wait for its backoff", world(failed("UpdateFailed", 1, time.Second), recorded(one), seen(two)), Run, "Configuration changed: ConfigMap c, Secret tok"},
		"Exhausted":       {"a Stack that gave up is revived", world(failed("UpdateFailed", 4, time.Second), recorded(one), seen(two)), Run, "Configuration changed: ConfigMap c, Secret tok"},
		"ExhaustedSame":   {"but not by nothing", world(failed("UpdateFailed", 4, time.Second), recorded(one), seen(one)), Nothing, ""},
		"FailedDestroy":   {"a destroy with other credentials may succeed now", world(failed("UpdateFailed", 4, time.Second), goes, destroyFailed, recorded(one), seen(two)), Run, "Configuration changed: ConfigMap c, Secret tok"},
		"Waiting":         {"an Update that waits for its pod gives way to one that is up to date", world(waiting(one), seen(two)), Supersede, ""},
		"WaitingSame":     {"but not to the same", world(waiting(one), seen(one)), Nothing, ""},
		"WaitingMissing":  {"and not before all is there", world(waiting(one), seen(two, "Secret/tok")), Nothing, ""},
		"WaitingOfBefore": {"one without a record runs as it is", world(waiting(nil), seen(two)), Nothing, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			step := Plan(tc.o, noon)
			if step.Act != tc.act || step.Message != tc.message {
				t.Errorf("%s: act %v %q (%s), want %v %q", tc.reason, step.Act, step.Message, step.State.Message(), tc.act, tc.message)
			}
		})
	}
}

// destroyFailed makes the last update a destroy of this deletion.
func destroyFailed(o *Observed) {
	o.Stack.Status.LastUpdate.Type, o.Stack.Status.LastUpdate.Generation = autov1alpha1.DestroyUpdate, o.Stack.Generation
}

func TestMarkInputs(t *testing.T) {
	marked := func(mark string) *autov1alpha1.Workspace {
		return &autov1alpha1.Workspace{Spec: autov1alpha1.WorkspaceSpec{Inputs: mark}}
	}
	digests := map[string]string{"Secret/tok": "1"}
	missing := references.Summary{Digests: digests, Missing: []string{"Secret/tok"}}
	mark := markOf(digests)
	cases := map[string]struct {
		existing *autov1alpha1.Workspace
		inputs   references.Summary
		want     string
	}{
		"None":        {marked("was"), references.Summary{}, ""},
		"First":       {nil, references.Summary{Digests: digests}, mark},
		"Changed":     {marked("was"), references.Summary{Digests: digests}, mark},
		"Missing":     {marked("was"), missing, "was"},
		"AlwaysAway":  {nil, missing, mark},
		"NeverMarked": {marked(""), missing, mark},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			desired := marked("")
			markInputs(desired, tc.existing, tc.inputs)
			if desired.Spec.Inputs != tc.want {
				t.Errorf("the mark is %q, want %q", desired.Spec.Inputs, tc.want)
			}
		})
	}
	if markOf(map[string]string{"a": "1", "b": "2"}) == markOf(map[string]string{"a": "2", "b": "1"}) {
		t.Error("inputs that change places have the same mark")
	}
}

const token = "tok"

func (c *cluster) secret(values map[string]string) {
	c.t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: token}, Data: map[string][]byte{}}
	for name, value := range values {
		secret.Data[name] = []byte(value)
	}
	if err := c.client.Delete(c.t.Context(), secret.DeepCopy()); client.IgnoreNotFound(err) != nil {
		c.t.Fatal(err)
	}
	if len(values) > 0 {
		if err := c.client.Create(c.t.Context(), secret); err != nil {
			c.t.Fatal(err)
		}
	}
}

func withToken(s *pulumiv1.Stack) {
	s.Spec.EnvRefs = map[string]pulumiv1.ResourceRef{"TOKEN": {
		SelectorType: pulumiv1.ResourceRefSecret,
		SecretRef:    &pulumiv1.SecretSelector{Name: token, Key: "a"},
	}}
}

func (c *cluster) mark() string {
	c.t.Helper()
	workspace := &autov1alpha1.Workspace{}
	if err := c.client.Get(c.t.Context(), key, workspace); err != nil {
		c.t.Fatal(err)
	}
	return workspace.Spec.Inputs
}

// A Secret that changes runs the Stack once, in a pod that sees it.
func TestAChangedSecretRunsOnce(t *testing.T) {
	c := newCluster(t, demo(withToken), programOf(greeting))
	c.secret(map[string]string{"a": "1"})
	c.reconcile()
	c.finish("", nil)
	c.reconcile()
	first := c.mark()
	if last := c.stack().Status.LastUpdate; last.Inputs["Secret/tok"] == "" || first == "" {
		t.Fatalf("on record are the inputs %v, and the pod's mark is %q", last.Inputs, first)
	}
	c.secret(map[string]string{"a": "2"})
	c.reconcile()
	updates := c.updates()
	if len(updates) != 2 || c.mark() == first {
		t.Fatalf("%d updates with the mark %s, want 2 with another than %s", len(updates), c.mark(), first)
	}
	messages := []string{*updates[0].Spec.Message, *updates[1].Spec.Message}
	if !slices.Contains(messages, "Configuration changed: Secret tok") {
		t.Errorf("the messages are %q", messages)
	}
	c.finish("", nil)
	c.reconcile()
	if got := c.state(); got != "Ready=True/ProcessingCompleted " || len(c.updates()) != 2 {
		t.Errorf("conditions %swith %d updates", got, len(c.updates()))
	}
}

// A Secret that changes while the Update waits for its pod makes another Update, of another name.
func TestAWaitingUpdateGivesWayToOneWithTheNewSecret(t *testing.T) {
	c := newCluster(t, demo(withToken), programOf(greeting))
	c.secret(map[string]string{"a": "1"})
	c.reconcile()
	first := c.updates()[0].Name
	c.secret(map[string]string{"a": "2"})
	c.reconcile()
	current := c.stack().Status.CurrentUpdate
	if current == nil || current.Name == first || !strings.Contains(current.Inputs["Secret/tok"], "2") {
		t.Errorf("the update under way is %+v after %s", current, first)
	}
}

// While a Secret is missing the pod says so. When it comes, the Stack goes on by itself, in a pod that sees it.
func TestASecretThatComesLater(t *testing.T) {
	c := newCluster(t, demo(withToken), programOf(greeting))
	c.reconcile()
	if got := c.stack().Status.CurrentUpdate; got == nil || got.Inputs["Secret/tok"] != references.Absent {
		t.Fatalf("the update under way is %+v", got)
	}
	c.secret(map[string]string{"a": "1"})
	c.reconcile()
	c.finish("", nil)
	c.reconcile()
	if got := c.state(); got != "Ready=True/ProcessingCompleted " || strings.Contains(c.stack().Status.LastUpdate.Inputs["Secret/tok"], references.Absent) {
		t.Errorf("conditions %swith the inputs %v", got, c.stack().Status.LastUpdate.Inputs)
	}
	c.secret(nil)
	c.reconcile()
	if got := c.state(); got != "Ready=True/ProcessingCompleted " {
		t.Errorf("conditions when the Secret is gone: %s", got)
	}
	names := len(c.updates())
	c.secret(map[string]string{"a": "1"})
	c.reconcile()
	if got := len(c.updates()); got != names {
		t.Errorf("the same Secret again makes %d updates of %d", got, names)
	}
}

// A Secret that is mended revives a Stack that gave up, and its attempts begin anew.
func TestAMendedSecretRevives(t *testing.T) {
	c := newCluster(t, demo(withToken), programOf(greeting))
	c.secret(map[string]string{"a": "1"})
	c.reconcile()
	for range 4 {
		c.finish("401 Unauthorized", nil)
		c.reconcile()
		c.clock.Step(time.Hour)
		c.reconcile()
	}
	if got := c.state(); got != "Ready=False/NotReadyStalled Stalled=True/UpdateFailed " {
		t.Fatalf("conditions after the last attempt: %s", got)
	}
	c.secret(map[string]string{"a": "2"})
	c.reconcile()
	c.finish("401 Unauthorized", nil)
	c.reconcile()
	if last := c.stack().Status.LastUpdate; last.Failures != 1 {
		t.Errorf("%d failures are on record after the Secret changed, want 1", last.Failures)
	}
}

// A Stack whose record is from PKO does not run for what it names; from then on a change of it counts.
func TestInputsAreAdopted(t *testing.T) {
	c := newCluster(t, demo(withToken), programOf(greeting))
	c.secret(map[string]string{"a": "1"})
	c.reconcile()
	c.finish("", nil)
	c.reconcile()
	stack := c.stack()
	stack.Status.LastUpdate.Inputs = nil
	if err := c.client.Status().Update(t.Context(), stack); err != nil {
		t.Fatal(err)
	}
	c.reconcile()
	if got := c.stack().Status.LastUpdate.Inputs["Secret/tok"]; got == "" || len(c.updates()) != 1 {
		t.Fatalf("adopted %q with %d updates", got, len(c.updates()))
	}
	c.secret(map[string]string{"a": "2"})
	c.reconcile()
	if got := len(c.updates()); got != 2 {
		t.Errorf("%d updates after the change, want 2", got)
	}
}

// A Stack that is gone is watched for no more.
func TestInputsAreForgotten(t *testing.T) {
	c := newCluster(t, demo(withToken), programOf(greeting))
	c.reconcile()
	double, ok := c.r.Inputs.(*inputsDouble)
	if !ok || len(double.held[key]) != 1 {
		t.Fatalf("held: %v", double.held)
	}
	c.edit(func(s *pulumiv1.Stack) { s.Finalizers = nil })
	if err := c.client.Delete(t.Context(), c.stack()); err != nil {
		t.Fatal(err)
	}
	c.reconcile()
	if len(double.held) != 0 {
		t.Errorf("still held: %v", double.held)
	}
}
