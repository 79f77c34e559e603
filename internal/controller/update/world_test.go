package update

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/conditions/conditionstest"
	"github.com/gantry-operator/gantry/internal/hub"
	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/internal/source/git/gittest"
)

const (
	namespace = "team"
	workspace = "demo"
	podUID    = types.UID("pod-1")
)

// epoch is when every test starts.
func epoch() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// fakeAgent is the pod's end: it runs what it is given, once, and keeps results until they are recorded.
type fakeAgent struct {
	pod      types.UID
	runs     map[types.UID]int
	given    map[types.UID]*operation.Operation
	progress map[types.UID]*operation.Progress
	results  map[types.UID]*operation.Result
	canceled map[types.UID]bool
	// snapshots wait to be kept; kept are the answers.
	snapshots map[types.UID]*operation.Snapshot
	kept      []*operation.SnapshotKept
}

func newAgent(pod types.UID) *fakeAgent {
	return &fakeAgent{
		pod: pod, runs: map[types.UID]int{}, given: map[types.UID]*operation.Operation{}, canceled: map[types.UID]bool{},
		progress: map[types.UID]*operation.Progress{}, results: map[types.UID]*operation.Result{},
		snapshots: map[types.UID]*operation.Snapshot{},
	}
}

// fakeHub is a Hub that gives every offer to its agent at once.
type fakeHub struct {
	agent    *fakeAgent // nil while nobody is connected
	retired  bool
	offered  map[types.UID][]types.UID // pods that were offered an Update, each once
	refuse   error
	recorded []types.UID
}

func newHub() *fakeHub { return &fakeHub{offered: map[types.UID][]types.UID{}} }

func (h *fakeHub) Session(types.NamespacedName) (hub.Session, bool) {
	if h.agent == nil {
		return hub.Session{}, false
	}
	return hub.Session{PodUID: h.agent.pod, Retired: h.retired}, true
}

func (h *fakeHub) State(_ types.NamespacedName, uid types.UID) hub.State {
	state := hub.State{Offered: len(h.offered[uid]) > 0}
	if h.agent == nil {
		return state
	}
	state.Progress, state.Result = h.agent.progress[uid], h.agent.results[uid]
	state.Snapshot = h.agent.snapshots[uid]
	state.Offered = state.Offered || state.Progress != nil || state.Result != nil
	return state
}

func (h *fakeHub) Offer(_ types.NamespacedName, pod types.UID, op *operation.Operation) error {
	if h.refuse != nil {
		return h.refuse
	}
	if h.agent == nil || h.agent.pod != pod {
		return hub.ErrNotConnected
	}
	uid := types.UID(op.GetUid())
	h.offered[uid] = append(h.offered[uid], pod)
	if h.agent.runs[uid] == 0 {
		h.agent.runs[uid]++
		h.agent.given[uid] = op
		h.agent.progress[uid] = &operation.Progress{Uid: op.GetUid(), Name: op.GetName(), Started: timestamppb.New(epoch())}
	}
	return nil
}

func (h *fakeHub) Cancel(_ types.NamespacedName, uid types.UID, _ string) {
	if h.agent != nil && h.agent.runs[uid] > 0 {
		h.agent.canceled[uid] = true
	}
}

func (h *fakeHub) SnapshotKept(_ types.NamespacedName, kept *operation.SnapshotKept) {
	if h.agent != nil {
		h.agent.kept = append(h.agent.kept, kept)
		delete(h.agent.snapshots, types.UID(kept.GetUid()))
	}
}

func (h *fakeHub) Recorded(_ types.NamespacedName, uid types.UID) {
	h.recorded = append(h.recorded, uid)
	delete(h.offered, uid)
	if h.agent != nil {
		delete(h.agent.progress, uid)
		delete(h.agent.results, uid)
	}
}

// fakeRecorder keeps events as "Type Reason note".
type fakeRecorder struct{ events []string }

func (r *fakeRecorder) Eventf(_, _ runtime.Object, kind, reason, _, note string, args ...any) {
	r.events = append(r.events, kind+" "+reason+" "+fmt.Sprintf(note, args...))
}

// fakeMetrics keeps what was measured, as "what type duration".
type fakeMetrics struct{ measured []string }

func (m *fakeMetrics) Offered(kind autov1alpha1.UpdateType, waited time.Duration) {
	m.measured = append(m.measured, fmt.Sprintf("offered %s %s", kind, waited))
}

func (m *fakeMetrics) Ended(kind autov1alpha1.UpdateType, result *operation.Result, lived time.Duration) {
	m.measured = append(m.measured, fmt.Sprintf("ended %s %s %s", kind, result.GetOutcome(), lived))
}

func (m *fakeMetrics) EndedWithoutResult(kind autov1alpha1.UpdateType, reason string) {
	m.measured = append(m.measured, fmt.Sprintf("ended %s without a result: %s", kind, reason))
}

// world is a reconciler with all that is around it.
type world struct {
	*Reconciler
	t        *testing.T
	client   client.WithWatch
	clock    *testclock.FakePassiveClock
	hub      *fakeHub
	recorder *fakeRecorder
	metrics  *fakeMetrics
	git      gittest.Double

	mu      sync.Mutex
	logs    strings.Builder
	written []string
	// before and after may fail the write of that number; after is asked when it was done.
	before, after func(number int) error
}

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{autov1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t, clock: testclock.NewFakePassiveClock(epoch()), hub: newHub()}
	w.before = func(int) error { return nil }
	w.after = w.before
	index := func(object client.Object) []string {
		update, ok := object.(*autov1alpha1.Update)
		if !ok {
			return nil
		}
		return []string{update.Spec.WorkspaceName}
	}
	w.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&autov1alpha1.Update{}, &autov1alpha1.Workspace{}).
		WithIndex(&autov1alpha1.Update{}, IndexWorkspaceName, index).
		WithInterceptorFuncs(w.writes()).Build()
	w.restart()
	return w
}

// writes counts and, where asked, fails what the reconciler writes.
func (w *world) writes() interceptor.Funcs {
	return interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, object client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			return w.write("status", func() error { return c.SubResource(sub).Patch(ctx, object, patch, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, opts ...client.PatchOption) error {
			return w.write("metadata", func() error { return c.Patch(ctx, object, patch, opts...) })
		},
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, opts ...client.CreateOption) error {
			if _, ok := object.(*corev1.Secret); !ok {
				return c.Create(ctx, object, opts...) // the test's own
			}
			return w.write("secret", func() error { return c.Create(ctx, object, opts...) })
		},
	}
}

func (w *world) write(what string, do func() error) error {
	number := len(w.written)
	w.written = append(w.written, what)
	if err := w.before(number); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return w.after(number)
}

// restart makes a new manager: nothing in memory, a hub that knows what the agent tells.
func (w *world) restart() {
	agent := w.hub.agent
	w.hub = newHub()
	w.hub.agent = agent
	w.recorder, w.metrics = &fakeRecorder{}, &fakeMetrics{}
	w.Reconciler = &Reconciler{
		Client: w.client, Reader: w.client, Clock: w.clock, Hub: w.hub, Snapshots: w.hub, Recorder: w.recorder, Metrics: w.metrics, Git: &w.git,
		Settings: Settings{CancelGrace: time.Minute, ArtifactURL: func(digest string) string { return "https://hub/" + digest }},
	}
}

// ctx is the test's context, with a logger that keeps all.
func (w *world) ctx() context.Context {
	logger := funcr.New(func(prefix, args string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.logs.WriteString(prefix + args + "\n")
	}, funcr.Options{Verbosity: 10})
	return ctrl.LoggerInto(w.t.Context(), logger)
}

// try does it once. Whether it fails or not, the status misleads nobody.
func (w *world) try(name string) (ctrl.Result, error) {
	w.t.Helper()
	before := w.find(name)
	result, err := w.Reconcile(w.ctx(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}})
	switch after := w.find(name); {
	case after == nil:
	case err == nil:
		conditionstest.Reconciled(w.t, after)
		checkShape(w.t, after)
	case before == nil || !equality.Semantic.DeepEqual(before.Status, after.Status):
		conditionstest.Anytime(w.t, after)
	}
	return result, err
}

// reconcile does it once, without a failure.
func (w *world) reconcile(name string) ctrl.Result {
	w.t.Helper()
	result, err := w.try(name)
	if err != nil {
		w.t.Fatalf("reconcile %s: %v", name, err)
	}
	return result
}

// find is nil if there is no such Update.
func (w *world) find(name string) *autov1alpha1.Update {
	w.t.Helper()
	update := &autov1alpha1.Update{}
	err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, update)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return update
}

func (w *world) get(name string) *autov1alpha1.Update {
	w.t.Helper()
	update := w.find(name)
	if update == nil {
		w.t.Fatalf("the Update %s is gone", name)
	}
	return update
}

func (w *world) create(object client.Object) {
	w.t.Helper()
	if err := w.client.Create(w.t.Context(), object); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(object client.Object) {
	w.t.Helper()
	if err := w.client.Delete(w.t.Context(), object); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) secrets() []corev1.Secret {
	w.t.Helper()
	var list corev1.SecretList
	if err := w.client.List(w.t.Context(), &list, client.InNamespace(namespace)); err != nil {
		w.t.Fatal(err)
	}
	return list.Items
}

// connect has the agent of the pod, which exists, open its session.
func (w *world) connect(pod types.UID) *fakeAgent {
	w.hub.agent = newAgent(pod)
	return w.hub.agent
}

// finish has the agent end the operation.
func (w *world) finish(name string, result *operation.Result) {
	w.t.Helper()
	update := w.get(name)
	result.Uid, result.Name = string(update.UID), name
	w.hub.agent.results[update.UID] = result
}

// only checks the conditions, as Type=Status/Reason.
func (w *world) only(name string, want ...string) {
	w.t.Helper()
	got := []string{}
	for _, c := range w.get(name).Status.Conditions {
		got = append(got, c.Type+"="+string(c.Status)+"/"+c.Reason)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("conditions of %s (-want +got):\n%s", name, diff)
	}
}

// leaks tells where a text is that must be nowhere but in Secrets.
func (w *world) leaks(text string) string {
	var list autov1alpha1.UpdateList
	if err := w.client.List(w.t.Context(), &list); err != nil {
		w.t.Fatal(err)
	}
	raw, err := json.Marshal(list)
	if err != nil {
		w.t.Fatal(err)
	}
	switch {
	case strings.Contains(string(raw), text):
		return "an Update"
	case strings.Contains(strings.Join(w.recorder.events, "\n"), text):
		return "an event"
	case strings.Contains(w.logs.String(), text):
		return "the log"
	}
	return ""
}

// checkShape checks that PKO's three conditions and ours say the same.
func checkShape(t *testing.T, update *autov1alpha1.Update) {
	t.Helper()
	on := func(kind string) bool { return meta.IsStatusConditionTrue(update.Status.Conditions, kind) }
	if on("Ready") != (on("Complete") && !on("Failed")) {
		t.Errorf("%s is Ready=%v with %+v", update.Name, on("Ready"), update.Status.Conditions)
	}
	for _, kind := range []string{"Ready", "Progressing", "Failed", "Complete"} {
		if meta.FindStatusCondition(update.Status.Conditions, kind) == nil {
			t.Errorf("%s has no condition %s", update.Name, kind)
		}
	}
	if on("Complete") && on("Progressing") {
		t.Errorf("%s is complete and progressing", update.Name)
	}
}

// anUpdate is an up of the stack dev in the Workspace demo.
func anUpdate(name string, change ...func(*autov1alpha1.Update)) *autov1alpha1.Update {
	update := &autov1alpha1.Update{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-" + name), Generation: 1, CreationTimestamp: metav1.NewTime(epoch())},
		Spec:       autov1alpha1.UpdateSpec{WorkspaceName: workspace, StackName: "dev", Type: autov1alpha1.UpUpdate},
		Status:     autov1alpha1.UpdateStatus{ObservedGeneration: -1},
	}
	for _, f := range change {
		f(update)
	}
	return update
}

func aWorkspace(change ...func(*autov1alpha1.Workspace)) *autov1alpha1.Workspace {
	ws := &autov1alpha1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: workspace, UID: "uid-workspace", Generation: 1},
		Spec:       autov1alpha1.WorkspaceSpec{Flux: &autov1alpha1.FluxSource{URL: "https://hub/x", Digest: sum}},
		Status:     autov1alpha1.WorkspaceStatus{ObservedGeneration: 1},
	}
	for _, f := range change {
		f(ws)
	}
	return ws
}

func aPod(uid types.UID, change ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: autov1alpha1.PodName(workspace), UID: uid,
			Labels:          map[string]string{autov1alpha1.LabelWorkspaceName: workspace},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: autov1alpha1.GroupVersion.String(), Kind: "Workspace", Name: workspace, Controller: new(true)}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
	for _, f := range change {
		f(pod)
	}
	return pod
}

func success(outputs map[string]*operation.Output) *operation.Result {
	return &operation.Result{
		Started: timestamppb.New(epoch().Add(time.Second)), Ended: timestamppb.New(epoch().Add(time.Minute)),
		Outcome: operation.Outcome_SUCCEEDED, Reason: operation.ReasonSucceeded, Message: "all done",
		Permalink: "https://pulumi/1", Project: &operation.ProjectInfo{Name: "demo", Runtime: "yaml"},
		Changes: map[string]int32{"create": 2}, Outputs: outputs,
	}
}

func failureResult(reason, message string) *operation.Result {
	return &operation.Result{Outcome: operation.Outcome_FAILED, Reason: reason, Message: message}
}

// errKilled is what a write answers when the manager dies in it.
func errKilled() error { return errors.New("the manager was killed") }
