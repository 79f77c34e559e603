package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions/conditionstest"
	"github.com/gantry-operator/gantry/internal/source/git/gittest"
)

// cluster is an API server in memory, a controller by hand, and a pod that does what it is told.
type cluster struct {
	t      *testing.T
	client client.Client
	clock  *clocktesting.FakeClock
	r      *Reconciler
	events *events.FakeRecorder
	// writes counts them.
	writes int
	// failWrite makes the nth write from now fail, if it is positive.
	failWrite int
}

type archives map[string][]byte

func (a archives) Put(_ context.Context, archive []byte) (string, error) {
	sum := sha256.Sum256(archive)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	a[digest] = archive
	return digest, nil
}

func (a archives) Has(digest string) bool {
	_, ok := a[digest]
	return ok
}

var errCrash = errors.New("crash")

func newCluster(t *testing.T, objects ...client.Object) *cluster {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, pulumiv1.AddToScheme, autov1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c := &cluster{t: t, clock: clocktesting.NewFakeClock(noon), events: events.NewFakeRecorder(100)}
	c.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&pulumiv1.Stack{}, &pulumiv1.Program{}, &autov1alpha1.Workspace{}, &autov1alpha1.Update{}).
		WithIndex(&autov1alpha1.Update{}, indexStack, stackNames).
		WithIndex(&pulumiv1.Stack{}, indexNeeded, func(object client.Object) []string {
			stack, ok := object.(*pulumiv1.Stack)
			if !ok {
				return nil
			}
			return neededStacks(stack)
		}).
		WithInterceptorFuncs(c.crashes()).Build()
	c.r = &Reconciler{
		Client: c.client, Reader: c.client, Clock: c.clock, Recorder: c.events, Artifacts: archives{},
		ArtifactURL: func(digest string) string { return "https://hub/artifacts/" + digest },
		Inputs:      &inputsDouble{reader: c.client}, Git: &gittest.Double{}, Flux: &fluxDouble{},
	}
	return c
}

// crashes makes the manager die instead of, or right after, its nth write: the write is done, the answer is lost.
func (c *cluster) crashes() interceptor.Funcs {
	after := func(err error) error {
		c.writes++
		if err != nil || c.failWrite == 0 {
			return err
		}
		if c.failWrite--; c.failWrite == 0 {
			return errCrash
		}
		return nil
	}
	return interceptor.Funcs{
		Create: func(ctx context.Context, w client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			if obj.GetUID() == "" {
				obj.SetUID(uuid.NewUUID())
			}
			return after(w.Create(ctx, obj, opts...))
		},
		Delete: func(ctx context.Context, w client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			return after(w.Delete(ctx, obj, opts...))
		},
		Patch: func(ctx context.Context, w client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			return after(w.Patch(ctx, obj, patch, opts...))
		},
		SubResourcePatch: func(ctx context.Context, w client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			return after(w.SubResource(sub).Patch(ctx, obj, patch, opts...))
		},
	}
}

var key = types.NamespacedName{Namespace: "ns", Name: "demo"}

// reconcile calls the reconciler until it has nothing left to do, as the watches would.
func (c *cluster) reconcile() ctrl.Result {
	c.t.Helper()
	var result ctrl.Result
	for range 10 {
		before := c.dump()
		var err error
		if result, err = c.once(); err != nil && !errors.Is(err, errCrash) {
			c.t.Fatalf("Reconcile: %v", err)
		}
		if err == nil && c.dump() == before {
			return result
		}
	}
	c.t.Fatal("Reconcile never comes to rest")
	return result
}

// once calls the reconciler. Whether it fails or not, the Stack's status misleads nobody.
func (c *cluster) once() (ctrl.Result, error) {
	c.t.Helper()
	before, after := &pulumiv1.Stack{}, &pulumiv1.Stack{}
	if err := client.IgnoreNotFound(c.client.Get(c.t.Context(), key, before)); err != nil {
		c.t.Fatal(err)
	}
	result, err := c.r.Reconcile(c.t.Context(), ctrl.Request{NamespacedName: key})
	if gone := c.client.Get(c.t.Context(), key, after); gone != nil {
		return result, err
	}
	switch {
	case err == nil:
		conditionstest.Reconciled(c.t, after)
	case !equality.Semantic.DeepEqual(before.Status, after.Status):
		conditionstest.Anytime(c.t, after)
	}
	return result, err
}

// dump is the state of the world.
func (c *cluster) dump() string {
	c.t.Helper()
	stacks, updates, workspaces, secrets := &pulumiv1.StackList{}, &autov1alpha1.UpdateList{}, &autov1alpha1.WorkspaceList{}, &corev1.SecretList{}
	for _, list := range []client.ObjectList{stacks, updates, workspaces, secrets} {
		if err := c.client.List(c.t.Context(), list); err != nil {
			c.t.Fatal(err)
		}
	}
	text, err := yaml.Marshal([]any{stacks.Items, updates.Items, workspaces.Items, secrets.Items})
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

func (c *cluster) stack() *pulumiv1.Stack {
	c.t.Helper()
	stack := &pulumiv1.Stack{}
	if err := c.client.Get(c.t.Context(), key, stack); err != nil {
		c.t.Fatal(err)
	}
	return stack
}

func (c *cluster) updates() []autov1alpha1.Update {
	c.t.Helper()
	var list autov1alpha1.UpdateList
	if err := c.client.List(c.t.Context(), &list); err != nil {
		c.t.Fatal(err)
	}
	return list.Items
}

// finish ends the one Update that is not complete, of two the one that is not being deleted, and its outputs Secret comes with it.
func (c *cluster) finish(failure string, outputs map[string]string) {
	c.t.Helper()
	updates := c.updates()
	if going := slices.IndexFunc(updates, func(u autov1alpha1.Update) bool { return !u.DeletionTimestamp.IsZero() }); going >= 0 {
		last := updates[going]
		updates = append(slices.Delete(updates, going, going+1), last)
	}
	for _, update := range updates {
		if len(update.Status.Conditions) > 0 {
			continue
		}
		now := metav1.NewTime(c.clock.Now())
		condition := func(kind string, status metav1.ConditionStatus, reason string) metav1.Condition {
			return metav1.Condition{Type: kind, Status: status, Reason: reason, LastTransitionTime: now}
		}
		failed := condition(autov1alpha1.UpdateConditionTypeFailed, metav1.ConditionFalse, "UpdateSucceeded")
		if failure != "" {
			failed = condition(autov1alpha1.UpdateConditionTypeFailed, metav1.ConditionTrue, "UpdateFailed")
		}
		update.Status.PodUID, update.Status.Message = "pod", failure
		update.Status.ProjectInfo = &autov1alpha1.ProjectInfo{Name: "p", Runtime: "yaml"}
		update.Status.Conditions = []metav1.Condition{condition(autov1alpha1.UpdateConditionTypeComplete, metav1.ConditionTrue, "Updated"), failed}
		if outputs != nil {
			update.Status.Outputs = autov1alpha1.OutputsSecretName(update.Name)
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: update.Status.Outputs,
				Annotations: map[string]string{autov1alpha1.AnnotationSecrets: `["hidden"]`}}, Data: map[string][]byte{}}
			for name, value := range outputs {
				secret.Data[name] = []byte(value)
			}
			if err := c.client.Create(c.t.Context(), secret); err != nil {
				c.t.Fatal(err)
			}
		}
		if err := c.client.Status().Update(c.t.Context(), &update); err != nil {
			c.t.Fatal(err)
		}
		return
	}
	c.t.Fatal("there is no Update to finish")
}

// did says what the one Update that is not complete did.
func (c *cluster) did(changes map[string]int32) {
	c.t.Helper()
	for _, update := range c.updates() {
		if len(update.Status.Conditions) > 0 {
			continue
		}
		update.Status.Changes = changes
		if err := c.client.Status().Update(c.t.Context(), &update); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *cluster) edit(change func(*pulumiv1.Stack)) {
	c.t.Helper()
	stack := c.stack()
	change(stack)
	if err := c.client.Update(c.t.Context(), stack); err != nil {
		c.t.Fatal(err)
	}
}

// state is a Stack's conditions in short.
func (c *cluster) state() string {
	c.t.Helper()
	text := ""
	for _, condition := range c.stack().Status.Conditions {
		text += fmt.Sprintf("%s=%s/%s ", condition.Type, condition.Status, condition.Reason)
	}
	return text
}

func programOf(body string) *pulumiv1.Program {
	p := &pulumiv1.Program{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "p", Generation: 1}}
	if err := yaml.Unmarshal([]byte(body), &p.Program); err != nil {
		panic(err)
	}
	return p
}

func demo(changes ...func(*pulumiv1.Stack)) *pulumiv1.Stack {
	stack := &pulumiv1.Stack{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, UID: "stack-uid", Generation: 1},
		Spec:       pulumiv1.StackSpec{Stack: "dev", ProgramRef: &pulumiv1.ProgramReference{Name: "p"}},
	}
	for _, change := range changes {
		change(stack)
	}
	return stack
}

const greeting = `{outputs: {greeting: hello}}`

func TestFirstDeployment(t *testing.T) {
	c := newCluster(t, demo(), programOf(greeting))
	c.reconcile()

	if got := c.stack(); !slices.Contains(got.Finalizers, pulumiv1.Finalizer) || got.Generation != 1 {
		t.Errorf("finalizers %v at generation %d, want the finalizer and no new generation", got.Finalizers, got.Generation)
	}
	updates := c.updates()
	if len(updates) != 1 || updates[0].Spec.Type != autov1alpha1.UpUpdate || *updates[0].Spec.Message != "Initial stack update" {
		t.Fatalf("updates: %+v", updates)
	}
	workspace := &autov1alpha1.Workspace{}
	if err := c.client.Get(t.Context(), key, workspace); err != nil {
		t.Fatal(err)
	}
	if flux := workspace.Spec.Flux; flux == nil || flux.URL != "https://hub/artifacts/"+flux.Digest || len(c.r.Artifacts.(archives)[flux.Digest]) == 0 {
		t.Errorf("the Workspace's artifact is %+v", flux)
	}
	if got := c.state(); got != "Ready=False/NotReadyInProgress Reconciling=True/StackProcessing " {
		t.Errorf("conditions meanwhile: %s", got)
	}

	c.finish("", map[string]string{"greeting": `"hello"`, "hidden": `"hunter2"`})
	c.reconcile()
	stack := c.stack()
	want := map[string]apiextensionsv1.JSON{"greeting": {Raw: []byte(`"hello"`)}, "hidden": {Raw: []byte(`"[secret]"`)}}
	if diff := cmp.Diff(want, stack.Status.Outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	last := stack.Status.LastUpdate
	if last == nil || last.Name != updates[0].Name || last.State != pulumiv1.SucceededStackState || last.LastSuccessfulCommit != "1" || last.Failures != 0 || last.Generation != 1 {
		t.Errorf("lastUpdate: %+v", last)
	}
	if stack.Status.CurrentUpdate != nil || stack.Status.ProjectInfo == nil || stack.Status.Applied == nil || !*stack.Status.Applied || stack.Status.ObservedGeneration != 1 {
		t.Errorf("status: %+v", stack.Status)
	}
	if got := c.state(); got != "Ready=True/ProcessingCompleted " {
		t.Errorf("conditions at the end: %s", got)
	}
	if got := len(c.updates()); got != 1 {
		t.Errorf("%d updates, want 1", got)
	}
}

func TestAHealedLockIsTold(t *testing.T) {
	c := newCluster(t, demo(), programOf(greeting))
	c.reconcile()
	update := c.updates()[0]
	update.Status.Healed = "the stack was locked by u@old"
	if err := c.client.Status().Update(t.Context(), &update); err != nil {
		t.Fatal(err)
	}
	c.finish("", nil)
	c.reconcile()
	if last := c.stack().Status.LastUpdate; last.State != pulumiv1.SucceededStackState || last.Message != update.Status.Healed {
		t.Errorf("lastUpdate: %+v", last)
	}
	if told := c.told(pulumiv1.EventStackLockHealed); len(told) != 1 || !strings.Contains(told[0], update.Status.Healed) {
		t.Errorf("events: %v", told)
	}
}

func TestDestroyBeforeRelease(t *testing.T) {
	c := newCluster(t, demo(func(s *pulumiv1.Stack) { s.Spec.DestroyOnFinalize = true }), programOf(greeting))
	c.reconcile()
	c.finish("", nil)
	c.reconcile()
	if err := c.client.Delete(t.Context(), c.stack()); err != nil {
		t.Fatal(err)
	}
	if err := c.client.Delete(t.Context(), programOf(greeting)); err != nil {
		t.Fatal(err)
	}
	c.edit(func(s *pulumiv1.Stack) { s.Generation = 2 }) // as the API server does
	c.reconcile()
	updates := c.updates()
	if len(updates) != 2 || updates[0].Spec.Type == updates[1].Spec.Type {
		t.Fatalf("%d updates, want an up and a destroy", len(updates))
	}
	workspace := &autov1alpha1.Workspace{}
	if err := c.client.Get(t.Context(), key, workspace); err != nil {
		t.Fatal(err)
	}
	if kept := c.stack().Status.Source; kept == nil || workspace.Spec.Flux == nil || workspace.Spec.Flux.Digest != kept.Digest || workspace.Spec.ProjectInfo != nil {
		t.Errorf("without its Program the destroy runs with flux %v, project %v; want what was applied last", workspace.Spec.Flux, workspace.Spec.ProjectInfo)
	}

	c.finish("the cloud is down", nil)
	result := c.reconcile()
	if result.RequeueAfter < 5*time.Second || result.RequeueAfter > 12*time.Second {
		t.Errorf("a failed destroy is looked at again after %s, want its backoff of 10 s", result.RequeueAfter)
	}
	for range 6 { // far more often than an up is tried
		c.clock.Step(20 * time.Minute)
		c.reconcile()
		c.finish("the cloud is down", nil)
		c.reconcile()
	}
	if got := c.state(); got != "Ready=False/NotReadyInProgress Reconciling=True/RetryingAfterFailure " {
		t.Errorf("conditions after failed destroys: %s", got)
	}
	c.clock.Step(20 * time.Minute)
	c.reconcile()
	c.finish("", nil)
	if _, err := c.once(); err != nil {
		t.Fatal(err)
	}
	if err := c.client.Get(t.Context(), key, &pulumiv1.Stack{}); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("after the destroy the Stack is still there (%v)", err)
	}
}

func TestFailureAndRecovery(t *testing.T) {
	c := newCluster(t, demo(), programOf(greeting))
	c.reconcile()
	for attempt := range int64(4) {
		c.finish("urn:pulumi:dev::p::t:m:R::r: no such thing", nil)
		c.reconcile()
		if last := c.stack().Status.LastUpdate; last.Failures != attempt+1 || last.Message != "urn:pulumi:dev::p::t:m:R::r: no such thing" {
			t.Fatalf("after attempt %d: %+v", attempt+1, last)
		}
		c.clock.Step(time.Hour)
		c.reconcile()
	}
	if got := c.state(); got != "Ready=False/NotReadyStalled Stalled=True/UpdateFailed " {
		t.Errorf("conditions after the last attempt: %s", got)
	}
	if got := len(c.updates()); got != 4 {
		t.Errorf("%d attempts, want 4", got)
	}
	mended := programOf(`{outputs: {greeting: mended}}`)
	mended.Generation = 2
	if err := c.client.Delete(t.Context(), programOf(greeting)); err != nil {
		t.Fatal(err)
	}
	if err := c.client.Create(t.Context(), mended); err != nil {
		t.Fatal(err)
	}
	c.reconcile()
	c.finish("", map[string]string{"greeting": `"mended"`})
	c.reconcile()
	if got := c.state(); got != "Ready=True/ProcessingCompleted " {
		t.Errorf("conditions after the mend: %s", got)
	}
}

// TestCrashes stops the manager after each single write of a story and starts it again: the end is the same.
func TestCrashes(t *testing.T) {
	for crash := range 12 {
		t.Run(fmt.Sprintf("AfterWrite%d", crash+1), func(t *testing.T) {
			c := newCluster(t, demo(func(s *pulumiv1.Stack) { s.Spec.DestroyOnFinalize = true }), programOf(greeting))
			c.failWrite = crash + 1
			c.reconcile()
			pause := func(f func()) { // the world's own writes do not crash the manager
				held := c.failWrite
				c.failWrite = 0
				f()
				c.failWrite = held
			}
			pause(func() { c.finish("", map[string]string{"greeting": `"hello"`}) })
			c.reconcile()
			if got := c.state(); got != "Ready=True/ProcessingCompleted " {
				t.Fatalf("conditions after the deployment: %s", got)
			}
			pause(func() {
				if err := c.client.Delete(t.Context(), c.stack()); err != nil {
					t.Fatal(err)
				}
				c.edit(func(s *pulumiv1.Stack) { s.Generation = 2 })
			})
			c.reconcile()
			pause(func() { c.finish("", nil) })
			c.reconcile()
			types := map[autov1alpha1.UpdateType]int{}
			for _, update := range c.updates() {
				types[update.Spec.Type]++
			}
			if diff := cmp.Diff(map[autov1alpha1.UpdateType]int{"up": 1, "destroy": 1}, types); diff != "" {
				t.Errorf("operations (-want +got):\n%s", diff)
			}
			if err := c.client.Get(t.Context(), key, &pulumiv1.Stack{}); err == nil {
				t.Error("the Stack is still there")
			}
		})
	}
}

// A Stack whose source Gantry does not fetch is not run, but what PKO made of it can be destroyed.
func TestDestroyWithoutASourceThatCanBeHad(t *testing.T) {
	c := newCluster(t, demo(func(s *pulumiv1.Stack) {
		s.Spec.ProgramRef, s.Spec.ProjectRepo, s.Spec.DestroyOnFinalize = nil, "https://git.example/x.git", true
		s.Finalizers = []string{pulumiv1.Finalizer}
		s.Status.ProjectInfo = &autov1alpha1.ProjectInfo{Name: "p", Runtime: "nodejs"}
	}))
	c.reconcile()
	if got := c.state(); got != "Ready=False/NotReadyStalled Stalled=True/SpecInvalid " || len(c.updates()) != 0 {
		t.Errorf("alive: %swith %d updates", got, len(c.updates()))
	}
	if err := c.client.Delete(t.Context(), c.stack()); err != nil {
		t.Fatal(err)
	}
	c.reconcile()
	updates := c.updates()
	if len(updates) != 1 || updates[0].Spec.Type != autov1alpha1.DestroyUpdate {
		t.Fatalf("deleted: %d updates, want a destroy", len(updates))
	}
	workspace := &autov1alpha1.Workspace{}
	if err := c.client.Get(t.Context(), key, workspace); err != nil {
		t.Fatal(err)
	}
	if workspace.Spec.ProjectInfo == nil || workspace.Spec.ProjectInfo.Name != "p" {
		t.Errorf("the destroy's project is %+v", workspace.Spec.ProjectInfo)
	}
}

// An Update that is deleted as soon as it is complete, by a time to live of nothing or by hand, is recorded all the same
// and not run again.
func TestUpdateDeletedAtOnceIsRecorded(t *testing.T) {
	c := newCluster(t, demo(), programOf(greeting))
	c.reconcile()
	c.finish("", nil)
	ended := c.updates()[0]
	if err := c.client.Delete(t.Context(), &ended); err != nil {
		t.Fatal(err)
	}
	c.reconcile()
	if last := c.stack().Status.LastUpdate; last == nil || last.Name != ended.Name || last.State != pulumiv1.SucceededStackState {
		t.Errorf("lastUpdate is %+v, want the success of %s", last, ended.Name)
	}
	for _, update := range c.updates() {
		if update.Name != ended.Name {
			t.Errorf("%s was made though %s had succeeded", update.Name, ended.Name)
		}
		if slices.Contains(update.Finalizers, pulumiv1.Finalizer) {
			t.Errorf("%s is still held by the Stack after its result is on record", update.Name)
		}
	}
}

// The Update under way is held.
func TestUpdateUnderWayIsHeld(t *testing.T) {
	c := newCluster(t, demo(), programOf(greeting))
	c.reconcile()
	if update := c.updates()[0]; !slices.Contains(update.Finalizers, pulumiv1.Finalizer) {
		t.Errorf("finalizers are %v", update.Finalizers)
	}
}

// A prerequisite whose success is too old is asked to run again, once per update it ran.
func TestOutdatedPrerequisiteIsAskedOnce(t *testing.T) {
	base := world().Stack
	base.Name, base.Status.LastUpdate.Name = "base", "base-1"
	c := newCluster(t, base, programOf(greeting), demo(func(s *pulumiv1.Stack) {
		s.Spec.Prerequisites = []pulumiv1.PrerequisiteRef{within("30s")}
	}))
	c.reconcile()
	asked := &pulumiv1.Stack{}
	if err := c.client.Get(t.Context(), types.NamespacedName{Namespace: key.Namespace, Name: "base"}, asked); err != nil {
		t.Fatal(err)
	}
	if got := asked.Annotations[pulumiv1.AnnotationReconciliationRequest]; got != "after-base-1" {
		t.Errorf("the prerequisite's request is %q, want after-base-1", got)
	}
	if got := c.state(); got != "Ready=False/NotReadyInProgress Reconciling=True/PrerequisiteNotSatisfied " || len(c.updates()) != 0 {
		t.Errorf("conditions %swith %d updates", got, len(c.updates()))
	}
}
