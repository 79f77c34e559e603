package workspace

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/kube"
	"github.com/gantry-operator/gantry/internal/kube/kubetest"
)

// leftByPKO is a Workspace as PKO leaves it, with all that PKO made for it.
type leftByPKO struct {
	workspace *autov1alpha1.Workspace
	service   *corev1.Service
	set       *appsv1.StatefulSet
	pod       *corev1.Pod
}

func pko(t *testing.T) leftByPKO {
	t.Helper()
	left := leftByPKO{&autov1alpha1.Workspace{}, &corev1.Service{}, &appsv1.StatefulSet{}, &corev1.Pod{}}
	kubetest.Read(t, "testdata/pko.yaml", left.objects()...)
	return left
}

func (l leftByPKO) objects() []client.Object {
	return []client.Object{l.workspace, l.service, l.set, l.pod}
}

// newTakeover is a world in which PKO was. Its status is applied as PKO applies it, so that the API server knows whose
// the fields are.
func newTakeover(t *testing.T, left leftByPKO, objects ...client.Object) *world {
	t.Helper()
	status := left.workspace.Status
	left.workspace.Status = autov1alpha1.WorkspaceStatus{}
	w := newWorld(t, append(objects, client.Object(left.workspace))...)
	if err := w.cluster.Get(t.Context(), client.ObjectKeyFromObject(left.workspace), left.workspace); err != nil {
		t.Fatal(err)
	}
	if err := kube.ApplyStatus(t.Context(), w.cluster, left.workspace, kube.ManagerWorkspaceStatus, &left.workspace.Status, &status); err != nil {
		t.Fatal(err)
	}
	return w
}

// collect ends the pod that the garbage collector deletes under a StatefulSet that is being deleted.
func (w *world) collect(end bool) {
	w.t.Helper()
	ctx, p := context.Background(), w.pod()
	if !end {
		if err := w.cluster.Delete(ctx, p); err != nil {
			w.t.Fatal(err)
		}
		return
	}
	w.change(p, func() { p.Finalizers = nil })
	set := &appsv1.StatefulSet{}
	if err := w.cluster.Get(ctx, types.NamespacedName{Namespace: "team", Name: "demo-workspace"}, set); err != nil {
		w.t.Fatal(err)
	}
	set.Finalizers = nil
	if err := w.cluster.Update(ctx, set); err != nil {
		w.t.Fatal(err)
	}
}

// remains are the names of what is there of PKO's.
func (w *world) remains() []string {
	w.t.Helper()
	var kinds []string
	for kind, object := range map[string]client.Object{"StatefulSet": &appsv1.StatefulSet{}, "Service": &corev1.Service{}} {
		err := w.cluster.Get(context.Background(), types.NamespacedName{Namespace: "team", Name: "demo-workspace"}, object)
		if err == nil {
			kinds = append(kinds, kind)
		} else if !apierrors.IsNotFound(err) {
			w.t.Fatal(err)
		}
	}
	return kinds
}

// TestTakeoverWithWork follows a Workspace that PKO left with an operation to run.
func TestTakeoverWithWork(t *testing.T) {
	left := pko(t)
	w := newTakeover(t, left, left.service, left.set, left.pod, update("next", ""))
	w.reconcile()
	w.expectCalls("delete demo-workspace uid set-1 Foreground", "delete demo-workspace uid service-1 Background", "apply status")
	w.expectState(ReasonWaiting, "which the Pulumi Kubernetes Operator left")
	w.collect(false)
	if w.status().Address == "" {
		t.Error("the sign of PKO is gone before its pod is")
	}

	w.after(time.Second)
	for range 3 { // it takes the time it needs
		w.reconcile()
		w.clock.SetTime(w.clock.Now().Add(time.Second))
	}
	w.expectCalls()
	w.expectState(ReasonWaiting, "saves its work first")

	w.collect(true)
	w.after(time.Second).reconcile()
	w.expectCalls("create demo-workspace-0", "apply status")
	if got := w.status(); got.Address != "" || got.PodName != podName {
		t.Errorf("after the takeover: %+v", got)
	}
	if kinds := w.remains(); len(kinds) != 0 {
		t.Errorf("still there: %v", kinds)
	}
	before := w.live
	w.after(time.Second).reconcile()
	if w.live != before {
		t.Error("a Workspace that was taken over costs reads of the API server")
	}
}

// TestTakeoverIdle: what PKO keeps for a Workspace without work costs a pod for ever.
func TestTakeoverIdle(t *testing.T) {
	left := pko(t)
	w := newTakeover(t, left, left.service, left.set, left.pod)
	w.reconcile()
	w.expectCalls("delete demo-workspace uid set-1 Foreground", "delete demo-workspace uid service-1 Background", "apply status")
	if w.status().Address == "" {
		t.Error("the sign of PKO is gone before its pod is")
	}
	w.collect(false)
	w.collect(true)
	w.after(time.Second).reconcile()
	w.expectCalls("apply status")
	w.expectState(ReasonSucceeded, "asleep")
	if w.pod() != nil || len(w.remains()) != 0 || w.status().Address != "" {
		t.Errorf("left: pod %v, %v, address %q", w.pod(), w.remains(), w.status().Address)
	}
}

// TestTakeoverWithoutPod: the pod of PKO's StatefulSet may not be there, when a quota keeps it away, say.
func TestTakeoverWithoutPod(t *testing.T) {
	left := pko(t)
	w := newTakeover(t, left, left.service, left.set, update("next", ""))
	w.reconcile()
	w.expectCalls("delete demo-workspace uid set-1 Foreground", "delete demo-workspace uid service-1 Background", "apply status")
	w.after(time.Second).reconcile()
	w.expectCalls("create demo-workspace-0", "apply status")
}

// TestTakeoverIsTriedAgain: PKO's address stays on record until nothing else of PKO's is left.
func TestTakeoverIsTriedAgain(t *testing.T) {
	left := pko(t)
	w := newTakeover(t, left, left.service, left.set)
	w.refuseDelete = errors.New("the API server is away")
	if _, err := w.Reconcile(context.Background(), w.request()); err == nil {
		t.Error("a deletion that failed is not told")
	}
	if w.status().Address == "" {
		t.Error("the sign of PKO is gone, and its StatefulSet is there")
	}
	w.refuseDelete, w.unreadable = nil, errors.New("the API server is away")
	if _, err := w.after(time.Second).Reconcile(context.Background(), w.request()); err == nil || w.status().Address == "" {
		t.Errorf("a read that failed: %v, address %q", err, w.status().Address)
	}
	w.unreadable = nil
	w.after(time.Second).reconcile()
	w.expectCalls("delete demo-workspace uid set-1 Foreground", "delete demo-workspace uid service-1 Background")
}

// TestTakeoverOfWhatIsNotOurs: a namesake's StatefulSet, and one of another owner, are left alone.
func TestTakeoverOfWhatIsNotOurs(t *testing.T) {
	cases := map[string]func(l leftByPKO){
		"OwnedByANamesakeThatIsGone": func(l leftByPKO) { l.workspace.UID = "ws-2" },
		"OwnedByAnother": func(l leftByPKO) {
			l.set.OwnerReferences[0].Kind, l.set.OwnerReferences[0].UID = "Database", "db"
			l.service.OwnerReferences = nil
		},
		"PodOfAnEarlierStatefulSet": func(l leftByPKO) {
			l.pod.OwnerReferences[0].UID = "set-0"
			l.set.OwnerReferences, l.service.OwnerReferences = nil, nil
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			left := pko(t)
			change(left)
			w := newTakeover(t, left, left.service, left.set, left.pod, update("next", ""))
			w.reconcile()
			w.expectCalls("apply status")
			w.expectState(ReasonPodNameTaken, "belongs to StatefulSet demo-workspace")
			if kinds := w.remains(); len(kinds) != 2 || w.pod() == nil {
				t.Errorf("of what is another's only %v is left, pod %v", kinds, w.pod())
			}
		})
	}
}

func TestFormerWorkspaceOf(t *testing.T) {
	left := pko(t)
	got := formerWorkspaceOf(context.Background(), left.pod)
	var names []string
	for _, request := range got {
		names = append(names, request.String())
	}
	if diff := cmp.Diff([]string{"team/demo"}, names); diff != "" {
		t.Errorf("the pod of PKO wakes (-want +got):\n%s", diff)
	}
	ours := runningPod(workspaceObject(), "pod-1", start())
	other := left.pod.DeepCopy()
	other.OwnerReferences = []metav1.OwnerReference{{Kind: "StatefulSet", Name: "database", UID: "x", Controller: left.pod.OwnerReferences[0].Controller}}
	for _, p := range []client.Object{ours, other, workspaceObject()} {
		if got := formerWorkspaceOf(context.Background(), p); len(got) != 0 {
			t.Errorf("%s wakes %v", p.GetName(), got)
		}
	}
}
