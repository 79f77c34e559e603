package workspace

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/kube"
	"github.com/gantry-operator/gantry/internal/pod"
)

const evict = "cluster-autoscaler.kubernetes.io/safe-to-evict"

func (w *world) expectCalls(want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.calls); diff != "" {
		w.t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func (w *world) expectState(reason, message string) {
	w.t.Helper()
	c := stateCondition(w.status().Conditions)
	if c.Reason != reason || !strings.Contains(c.Message, message) {
		w.t.Errorf("%s %s: %q, want %s with %q", c.Type, c.Reason, c.Message, reason, message)
	}
}

// TestLife follows a Workspace from its first operation to its second.
func TestLife(t *testing.T) {
	ws, first := workspaceObject(), update("first", "")
	w := newWorld(t, ws)
	w.reconcile()
	w.expectCalls("apply status")
	w.expectState(ReasonSucceeded, "asleep")

	if err := w.cluster.Create(context.Background(), first); err != nil {
		t.Fatal(err)
	}
	w.after(time.Second).reconcile()
	w.expectCalls("create demo-workspace-0", "apply status")
	w.expectState(ReasonWaiting, "waiting for pod demo-workspace-0")
	if w.live != 0 {
		t.Errorf("%d reads of the API server before the pod was created", w.live)
	}
	p := w.pod()
	if p == nil || p.Annotations[evict] != "false" {
		t.Fatalf("the pod is not there, or not protected: %+v", p)
	}
	w.after(0).reconcile()
	w.expectCalls()

	w.change(p, func() { p.Status, p.Spec.NodeName = runningPod(ws, p.UID, w.clock.Now()).Status, "node-1" })
	w.connect("pod-new")
	w.after(time.Second).reconcile()
	w.expectCalls("apply status")
	w.expectState(ReasonSucceeded, "is connected")
	if got := w.status(); got.PulumiVersion != "3.258.0" || got.PodName != podName {
		t.Errorf("status %+v", got)
	}

	w.change(first, func() { first.Status.PodUID = "pod-new" })
	w.after(time.Hour).reconcile()
	w.expectCalls()

	w.change(first, func() { complete(first, w.clock.Now()) })
	if result := w.after(0).reconcile(); result.RequeueAfter != 5*time.Minute {
		t.Errorf("looks again after %v, want the idle time", result.RequeueAfter)
	}
	w.expectCalls("patch demo-workspace-0")
	if p := w.pod(); p.Annotations[evict] != "" {
		t.Errorf("an idle pod is protected: %v", p.Annotations)
	}
	w.after(4 * time.Minute).reconcile()
	w.expectCalls()

	w.after(time.Minute).reconcile()
	w.expectCalls("delete demo-workspace-0 uid pod-new grace 10", "apply status")
	w.expectState(ReasonSucceeded, "asleep")
	if got := w.status(); got.PodName != "" || w.pod() != nil {
		t.Errorf("asleep, but with a pod: %+v", got)
	}
	w.hub.session = nil
	w.after(time.Second).reconcile()
	w.expectCalls()
	if diff := cmp.Diff([]types.UID{"pod-new"}, w.hub.gone); diff != "" {
		t.Errorf("the hub was not told that the pod is gone: %s", diff)
	}

	if err := w.cluster.Create(context.Background(), update("second", "")); err != nil {
		t.Fatal(err)
	}
	w.after(time.Second).reconcile()
	w.expectCalls("create demo-workspace-0", "apply status")
	if diff := cmp.Diff([]string{"Normal Initialized: pod demo-workspace-0 is connected"}, w.recorder.events); diff != "" {
		t.Errorf("events: %s", diff)
	}
}

// TestEachPodHasAHostNameOfItsOwn: so that a lock tells which pod took it. The host name makes no pod outdated.
func TestEachPodHasAHostNameOfItsOwn(t *testing.T) {
	ws := workspaceObject()
	w := newWorld(t, ws, update("first", ""))
	var hosts []string
	for range 2 {
		w.reconcile()
		p := w.pod()
		if p == nil || !strings.HasPrefix(p.Spec.Hostname, pod.HostPrefix(ws)) {
			t.Fatalf("the pod has no host name with %q: %+v", pod.HostPrefix(ws), p)
		}
		hosts = append(hosts, p.Spec.Hostname)
		w.calls = nil
		w.after(time.Second).reconcile()
		if again := w.pod(); again == nil || again.Spec.Hostname != p.Spec.Hostname || len(w.calls) > 0 {
			t.Fatalf("the pod did not stay as it is: %v", w.calls)
		}
		if err := w.cluster.Delete(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if hosts[0] == hosts[1] {
		t.Errorf("both pods have the host name %s", hosts[0])
	}
}

func TestIdlePodWithHiddenOperationStays(t *testing.T) {
	ws := workspaceObject()
	w := newWorld(t, ws, runningPod(ws, "pod-1", start().Add(-time.Hour)))
	w.connect("pod-1")
	w.hub.busy = true
	w.reconcile()
	w.expectCalls("apply status")
	w.expectState(ReasonSucceeded, "is connected")
	if diff := cmp.Diff([]types.UID{"pod-1"}, w.hub.asked); diff != "" || w.pod() == nil {
		t.Errorf("the hub was asked for %s", diff)
	}
	w.hub.busy = false
	w.after(time.Second).reconcile()
	w.expectCalls("delete demo-workspace-0 uid pod-1 grace 10", "apply status")
}

func TestReplacedOnlyWhenIdle(t *testing.T) {
	ws := workspaceObject()
	old := runningPod(ws, "pod-1", start())
	ws.Spec.Env = []corev1.EnvVar{{Name: "NEW", Value: "1"}}
	running, next := update("running", "pod-1"), update("next", "")
	w := newWorld(t, ws, old, running, next)
	w.connect("pod-1")
	w.reconcile()
	w.expectCalls("patch demo-workspace-0", "apply status")
	w.after(time.Hour).reconcile()
	w.expectCalls()

	w.change(running, func() { complete(running, w.clock.Now()) })
	w.after(0).reconcile()
	w.expectCalls("delete demo-workspace-0 uid pod-1 grace 10", "apply status")
	w.expectState(ReasonWaiting, "to end before a new one")
	w.after(time.Second).reconcile()
	w.expectCalls("create demo-workspace-0", "apply status")
}

func TestEndingPodIsWaitedOut(t *testing.T) {
	ws := workspaceObject()
	old := runningPod(ws, "pod-1", start())
	old.Finalizers = []string{"test/hold"}
	w := newWorld(t, ws, old, update("next", ""))
	if err := w.cluster.Delete(context.Background(), old); err != nil {
		t.Fatal(err)
	}
	w.clock.SetTime(w.pod().DeletionTimestamp.Time)
	w.reconcile()
	w.expectCalls("apply status")
	w.expectState(ReasonWaiting, "to end")
	p := w.pod()
	w.change(p, func() { p.Finalizers = nil })
	w.after(time.Second).reconcile()
	w.expectCalls("create demo-workspace-0", "apply status")
}

// TestRetiredStaysRetired: the hub refuses a retired pod work, so it must go even if the delete failed and work came.
func TestRetiredStaysRetired(t *testing.T) {
	ws := workspaceObject()
	w := newWorld(t, ws, runningPod(ws, "pod-1", start().Add(-time.Hour)))
	w.reconcile()
	if w.pod() != nil {
		t.Fatal("the idle pod is there")
	}
	// The cache has not seen the deletion yet, and an operation comes.
	for _, object := range []client.Object{runningPod(ws, "pod-1", start().Add(-time.Hour)), update("next", "")} {
		if err := w.cluster.Create(context.Background(), object); err != nil {
			t.Fatal(err)
		}
	}
	w.after(time.Second).reconcile()
	w.expectCalls("delete demo-workspace-0 uid pod-1 grace 10", "apply status")
	w.expectState(ReasonWaiting, "to end")
}

func TestStaleCacheDoesNotMakeTwo(t *testing.T) {
	ws := workspaceObject()
	w := newWorld(t, ws, update("next", ""), runningPod(ws, "pod-1", start()))
	// The pod is on the cluster, but not in the cache.
	w.Client = withoutPods{w.Client}
	if result := w.reconcile(); result.RequeueAfter == 0 {
		t.Error("does not look again")
	}
	w.expectCalls("create demo-workspace-0", "apply status")
	w.expectState(ReasonWaiting, "waiting for pod")
	if p := w.pod(); p.UID != "pod-1" {
		t.Errorf("the pod is now %s", p.UID)
	}
}

func TestForeignPodIsLeftAlone(t *testing.T) {
	ws := workspaceObject()
	foreign := runningPod(ws, "pod-1", start())
	yes := true
	foreign.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "demo-workspace", UID: "s", Controller: &yes}}
	w := newWorld(t, ws, update("next", ""), foreign)
	w.Client = withoutPods{w.Client}
	w.reconcile()
	w.expectCalls("create demo-workspace-0", "apply status")
	w.expectState(ReasonPodNameTaken, "belongs to StatefulSet demo-workspace")
	if w.pod() == nil {
		t.Error("another's pod was removed")
	}
}

// withoutPods is a cache that has no pods.
type withoutPods struct{ client.Client }

func (c withoutPods) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if _, isPod := obj.(*corev1.Pod); isPod {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, key.Name)
	}
	return c.Client.Get(ctx, key, obj, opts...)
}

func TestCreateRefused(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	forbidden := func(words string) error { return apierrors.NewForbidden(pods, podName, errors.New(words)) }
	var terminating *apierrors.StatusError
	if !errors.As(forbidden("because it is being terminated"), &terminating) {
		t.Fatal("a refusal has no status")
	}
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "deployer"}}
	cases := map[string]struct {
		refuse  error
		objects []client.Object
		reason  string
		message string
		again   bool
		fails   bool
	}{
		"ServiceAccountMissing": {
			refuse: forbidden(`error looking up service account team/deployer: serviceaccount "deployer" not found`),
			reason: ReasonServiceAccountMissing, message: "ServiceAccount deployer does not exist in namespace team; create it", again: true,
		},
		"PodSecurity": {
			refuse: forbidden(`violates PodSecurity "restricted:latest": privileged`), objects: []client.Object{account},
			reason: ReasonPodRefused, message: `violates PodSecurity "restricted:latest"`, again: true,
		},
		"Quota": {
			refuse: forbidden("exceeded quota: small, requested: pods=1"), objects: []client.Object{account},
			reason: ReasonPodRefused, message: "exceeded quota: small", again: true,
		},
		"NamespaceTerminating": {refuse: terminating, objects: []client.Object{account}, reason: ReasonNamespaceTerminating, message: "namespace team is being deleted", again: true},
		"Invalid": {
			refuse: apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, podName, nil),
			reason: ReasonPodInvalid, message: "mend the spec",
		},
		"ServerDown": {refuse: apierrors.NewInternalError(errors.New("etcd")), reason: ReasonWaiting, fails: true},
		"NoAnswer":   {refuse: errors.New("connection refused"), reason: ReasonWaiting, fails: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, append(tc.objects, workspaceObject(), update("next", ""))...)
			w.refuse = tc.refuse
			result, err := w.Reconcile(context.Background(), w.request())
			if (err != nil) != tc.fails {
				t.Fatalf("Reconcile: %v, want an error: %v", err, tc.fails)
			}
			w.checkStatus()
			w.expectState(tc.reason, tc.message)
			if (result.RequeueAfter > 0) != tc.again || result.RequeueAfter > refusedMost {
				t.Errorf("looks again after %v", result.RequeueAfter)
			}
			if got := w.status().PodName; got != "" {
				t.Errorf("podName %q without a pod", got)
			}
			events := len(w.recorder.events)
			if _, err := w.after(time.Second).Reconcile(context.Background(), w.request()); (err != nil) != tc.fails {
				t.Fatal(err)
			}
			w.expectCalls("create demo-workspace-0")
			if len(w.recorder.events) != events {
				t.Errorf("the same trouble gave another event: %q", w.recorder.events)
			}
			w.refuse = nil
			w.after(time.Minute).reconcile()
			w.expectState(ReasonWaiting, "waiting for pod")
		})
	}
}

func TestRefusalWait(t *testing.T) {
	ws := workspaceObject()
	if got := refusalWait(ws, start()); got != refusedLeast {
		t.Errorf("at first %v", got)
	}
	ws.Status.Conditions = []metav1.Condition{{Type: "Reconciling", LastTransitionTime: metav1.NewTime(start())}}
	for since, want := range map[time.Duration]time.Duration{time.Second: time.Second, 20 * time.Second: 10 * time.Second, time.Hour: refusedMost} {
		if got := refusalWait(ws, start().Add(since)); got != want {
			t.Errorf("after %v: %v, want %v", since, got, want)
		}
	}
}

func TestPodTroubleIsToldWithinSeconds(t *testing.T) {
	ws := workspaceObject()
	ws.Spec.EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "cloud"}}}}
	p := pending(runningPod(ws, "pod-1", start()), waitingFor("ContainerCreating", ""))
	w := newWorld(t, ws, update("next", ""), p)
	result := w.reconcile()
	w.expectState(ReasonWaiting, "waiting for pod")
	if w.live != 0 || result.RequeueAfter != lookAfter {
		t.Errorf("%d reads at first, looks again after %v", w.live, result.RequeueAfter)
	}
	w.after(lookAfter).reconcile()
	w.expectState(ReasonMissingReference, "Secret cloud")
	reads := w.live
	w.after(time.Second).reconcile()
	w.expectCalls()
	if w.live != reads {
		t.Errorf("%d reads within a second", w.live-reads)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "cloud"}}
	warning := &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: "team", Name: "e"},
		InvolvedObject: corev1.ObjectReference{UID: "pod-1"}, Type: corev1.EventTypeWarning, Reason: "FailedMount", Message: "no such disk",
	}
	for _, object := range []client.Object{secret, warning} {
		if err := w.cluster.Create(context.Background(), object); err != nil {
			t.Fatal(err)
		}
	}
	w.after(lookEvery).reconcile()
	w.expectState(ReasonWaiting, "waiting for pod")
	w.after(lookEvery).reconcile()
	w.expectState(ReasonPodNotStarting, "FailedMount: no such disk")
	want := []string{
		"Warning MissingReference: pod demo-workspace-0 needs what is not in namespace team: Secret cloud; create it, or mend the reference to it",
		"Warning PodNotStarting: pod demo-workspace-0 does not start: FailedMount: no such disk",
	}
	if diff := cmp.Diff(want, w.recorder.events); diff != "" {
		t.Error(diff)
	}
}

func TestInvalidTemplateStalls(t *testing.T) {
	ws := workspaceObject()
	ws.Spec.PodTemplate = &autov1alpha1.EmbeddedPodTemplate{}
	w := newWorld(t, ws, update("next", ""))
	w.change(ws, func() { ws.Spec.PodTemplate.Spec = rawJSON(`{"volumes": "many"}`) })
	if result := w.reconcile(); result.RequeueAfter != 0 {
		t.Errorf("looks again after %v at what a person must mend", result.RequeueAfter)
	}
	w.expectCalls("apply status")
	c := stateCondition(w.status().Conditions)
	if c.Type != "Stalled" || c.Reason != ReasonPodTemplateInvalid || !strings.HasPrefix(c.Message, "spec.podTemplate.spec.volumes: ") {
		t.Errorf("%+v", c)
	}
	w.change(ws, func() { ws.Spec.PodTemplate.Spec = rawJSON(`{"volumes": []}`) })
	w.after(time.Second).reconcile()
	w.expectCalls("create demo-workspace-0", "apply status")
}

// What cannot be read is known only where the object was decoded, so it is put into what is observed.
func TestUnreadableSpecMakesNoPod(t *testing.T) {
	ws := workspaceObject()
	ws.Spec.Unreadable = "resources: too large"
	o := &Observed{Workspace: ws}
	if err := newWorld(t, ws).build(o); err != nil {
		t.Fatal(err)
	}
	if o.Built != nil || o.Invalid == nil || reasonOf(o.Invalid) != ReasonSpecInvalid || !strings.Contains(o.Invalid.Error(), "resources: too large") {
		t.Errorf("built %v, invalid %v", o.Built, o.Invalid)
	}
}

func TestNoPodWithoutCA(t *testing.T) {
	w := newWorld(t, workspaceObject(), update("next", ""))
	ca := ""
	w.CA = func() string { return ca }
	if result := w.reconcile(); result.RequeueAfter != caRecheck || w.pod() != nil {
		t.Errorf("looks again after %v; pod %v", result.RequeueAfter, w.pod())
	}
	ca = "the CA of today"
	w.after(time.Second).reconcile()
	for _, e := range w.pod().Spec.Containers[0].Env {
		if e.Name == "GANTRY_CA" && e.Value != ca {
			t.Errorf("GANTRY_CA is %q", e.Value)
		}
	}
}

func TestConflictIsRetriedQuietly(t *testing.T) {
	w := newWorld(t, workspaceObject(), update("next", ""))
	w.conflict = true
	result, err := w.Reconcile(context.Background(), w.request())
	if err != nil || result.RequeueAfter != kube.ConflictRetry {
		t.Errorf("%v, looks again after %v", err, result.RequeueAfter)
	}
	w.after(kube.ConflictRetry).reconcile()
	w.expectCalls("apply status")
	w.expectState(ReasonWaiting, "waiting for pod")
}

func TestWorkspaceGone(t *testing.T) {
	ws := workspaceObject()
	w := newWorld(t, ws, runningPod(ws, "pod-1", start()))
	w.reconcile()
	if err := w.cluster.Delete(context.Background(), ws); err != nil {
		t.Fatal(err)
	}
	w.calls = nil
	if _, err := w.Reconcile(context.Background(), w.request()); err != nil {
		t.Fatal(err)
	}
	w.expectCalls()
	if diff := cmp.Diff([]types.UID{"pod-1"}, w.hub.gone); diff != "" {
		t.Error(diff)
	}
}

func TestDeletingWorkspaceIsLeftToTheCollector(t *testing.T) {
	ws := workspaceObject()
	ws.Finalizers = []string{"test/hold"}
	w := newWorld(t, ws, update("next", ""))
	if err := w.cluster.Delete(context.Background(), ws); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	w.expectCalls("apply status")
	w.expectState(ReasonDeleting, "being deleted")
}
