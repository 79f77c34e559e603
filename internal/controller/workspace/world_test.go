package workspace

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/conditions/conditionstest"
	"github.com/gantry-operator/gantry/internal/hub"
)

// fakeHub is a Hub by hand.
type fakeHub struct {
	session   *hub.Session
	busy      bool
	asked     []types.UID
	gone      []types.UID
	workspace chan event.GenericEvent
}

func (h *fakeHub) Session(types.NamespacedName) (hub.Session, bool) {
	if h.session == nil {
		return hub.Session{}, false
	}
	return *h.session, true
}

func (h *fakeHub) Retire(_ types.NamespacedName, uid types.UID) bool {
	h.asked = append(h.asked, uid)
	return !h.busy
}

func (h *fakeHub) Gone(_ types.NamespacedName, uid types.UID) { h.gone = append(h.gone, uid) }

func (h *fakeHub) Workspaces() <-chan event.GenericEvent { return h.workspace }

// fakeRecorder keeps events.
type fakeRecorder struct{ events []string }

func (r *fakeRecorder) Eventf(_, _ runtime.Object, kind, reason, _, format string, args ...any) {
	r.events = append(r.events, kind+" "+reason+": "+fmt.Sprintf(format, args...))
}

// fakeMetrics keeps how long pods took to start.
type fakeMetrics struct{ starts []time.Duration }

func (m *fakeMetrics) PodStarted(took time.Duration) { m.starts = append(m.starts, took) }

// world is a Reconciler with all that is around it. Writes are recorded in the order they are made.
type world struct {
	t        *testing.T
	cluster  client.Client
	clock    *testclock.FakePassiveClock
	hub      *fakeHub
	recorder *fakeRecorder
	metrics  *fakeMetrics
	// refuse answers the creation of a pod, if it is not nil.
	refuse error
	// refuseDelete answers deletions, if it is not nil; unreadable answers live reads.
	refuseDelete, unreadable error
	// conflict makes the next write of a status fail.
	conflict bool
	calls    []string
	live     int
	*Reconciler
}

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{autov1alpha1.AddToScheme, corev1.AddToScheme, appsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t, clock: testclock.NewFakePassiveClock(start()), hub: &fakeHub{}, recorder: &fakeRecorder{}, metrics: &fakeMetrics{}}
	cluster := fake.NewClientBuilder().WithScheme(scheme).
		WithObjects(objects...).
		WithStatusSubresource(&autov1alpha1.Workspace{}, &autov1alpha1.Update{}).
		WithIndex(&autov1alpha1.Update{}, IndexWorkspaceName, func(o client.Object) []string {
			return []string{o.(*autov1alpha1.Update).Spec.WorkspaceName}
		}).
		WithIndex(&corev1.Event{}, "involvedObject.uid", func(o client.Object) []string {
			return []string{string(o.(*corev1.Event).InvolvedObject.UID)}
		}).
		WithIndex(&corev1.Event{}, "type", func(o client.Object) []string { return []string{o.(*corev1.Event).Type} }).
		Build()
	w.cluster = cluster
	w.Reconciler = &Reconciler{
		Client: interceptor.NewClient(cluster, w.writes()), Reader: interceptor.NewClient(cluster, w.reads()),
		Clock: w.clock, Hub: w.hub, Pods: settings(), IdleTimeout: 5 * time.Minute, Recorder: w.recorder, Metrics: w.metrics,
	}
	return w
}

// writes records what the reconciler writes.
func (w *world) writes() interceptor.Funcs {
	return interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			w.calls = append(w.calls, "create "+obj.GetName())
			if w.refuse != nil {
				return w.refuse
			}
			obj.SetUID("pod-new")
			return c.Create(ctx, obj, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			options := client.DeleteOptions{}
			for _, o := range opts {
				o.ApplyToDelete(&options)
			}
			how := "default"
			switch {
			case options.GracePeriodSeconds != nil:
				how = fmt.Sprintf("grace %d", *options.GracePeriodSeconds)
			case options.PropagationPolicy != nil:
				how = string(*options.PropagationPolicy)
			}
			w.calls = append(w.calls, fmt.Sprintf("delete %s uid %s %s", obj.GetName(), *options.Preconditions.UID, how))
			if w.refuseDelete != nil {
				return w.refuseDelete
			}
			return c.Delete(ctx, obj, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			w.calls = append(w.calls, "patch "+obj.GetName())
			return c.Patch(ctx, obj, patch, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			w.calls = append(w.calls, "apply "+sub)
			if w.conflict {
				w.conflict = false
				return apierrors.NewConflict(schema.GroupResource{Resource: "workspaces"}, obj.GetName(), errors.New("changed"))
			}
			return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
		},
	}
}

// reads counts what is read from the API server itself.
func (w *world) reads() interceptor.Funcs {
	return interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			w.live++
			if w.unreadable != nil {
				return w.unreadable
			}
			return c.Get(ctx, key, obj, opts...)
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			w.live++
			return c.List(ctx, list, opts...)
		},
	}
}

// reconcile runs one reconcile that must not fail.
func (w *world) reconcile() ctrl.Result {
	w.t.Helper()
	result, err := w.Reconcile(context.Background(), w.request())
	if err != nil {
		w.t.Fatalf("Reconcile: %v", err)
	}
	w.checkStatus()
	return result
}

func (w *world) request() ctrl.Request {
	return ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "team", Name: "demo"}}
}

// after passes time and forgets the calls so far.
func (w *world) after(d time.Duration) *world {
	w.clock.SetTime(w.clock.Now().Add(d))
	w.calls = nil
	return w
}

func (w *world) status() autov1alpha1.WorkspaceStatus {
	w.t.Helper()
	return w.workspace().Status
}

func (w *world) workspace() *autov1alpha1.Workspace {
	w.t.Helper()
	workspace := &autov1alpha1.Workspace{}
	if err := w.cluster.Get(context.Background(), w.request().NamespacedName, workspace); err != nil {
		w.t.Fatal(err)
	}
	return workspace
}

// checkStatus checks that the status misleads nobody, and says when and why.
func (w *world) checkStatus() {
	w.t.Helper()
	workspace := w.workspace()
	conditionstest.Reconciled(w.t, workspace)
	for _, c := range workspace.Status.Conditions {
		if c.Message == "" || c.LastTransitionTime.IsZero() {
			w.t.Errorf("condition %+v", c)
		}
	}
}

// pod is the pod on the cluster, or nil.
func (w *world) pod() *corev1.Pod {
	w.t.Helper()
	p := &corev1.Pod{}
	err := w.cluster.Get(context.Background(), types.NamespacedName{Namespace: "team", Name: podName}, p)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// change edits an object on the cluster, status and all.
func (w *world) change(object client.Object, edit func()) {
	w.t.Helper()
	ctx := context.Background()
	if err := w.cluster.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
		w.t.Fatal(err)
	}
	edit()
	status := object.DeepCopyObject().(client.Object)
	if err := w.cluster.Update(ctx, object); err != nil {
		w.t.Fatal(err)
	}
	if _, isPod := object.(*corev1.Pod); isPod {
		return
	}
	status.SetResourceVersion(object.GetResourceVersion())
	if err := w.cluster.Status().Update(ctx, status); err != nil {
		w.t.Fatal(err)
	}
}

// connect makes the agent of a pod call home.
func (w *world) connect(uid types.UID) {
	w.hub.session = &hub.Session{PodUID: uid, PulumiVersion: "3.258.0"}
}
