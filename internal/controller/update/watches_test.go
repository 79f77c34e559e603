package update

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

func TestPodThatEndsWakesItsUpdateAndIsRemembered(t *testing.T) {
	w := started(t)
	w.create(anUpdate("waiting"))
	requests := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	t.Cleanup(requests.ShutDown)
	pods := w.podEnded()
	last := aPod(podUID, func(pod *corev1.Pod) { pod.Status.Reason, pod.Status.Message = "NodeLost", "Node n1 is gone" })

	pods.Update(w.ctx(), event.UpdateEvent{ObjectOld: aPod(podUID), ObjectNew: aPod(podUID)}, requests)
	pods.Delete(w.ctx(), event.DeleteEvent{Object: aPod("pod-of-somebody")}, requests)
	if requests.Len() != 0 {
		t.Fatalf("%d Updates were woken by pods that have nothing to do with them", requests.Len())
	}
	pods.Delete(w.ctx(), event.DeleteEvent{Object: last}, requests)
	if requests.Len() != 1 {
		t.Fatalf("%d Updates were woken, want one", requests.Len())
	}
	if got, _ := requests.Get(); got.Name != "u" {
		t.Errorf("%s was woken, want u", got.Name)
	}

	w.hub.agent = nil
	w.remove(aPod(podUID))
	w.reconcile("u")
	if got := w.get("u").Status.Message; !strings.Contains(got, "NodeLost: Node n1 is gone") {
		t.Errorf("message %q does not say why the pod ended", got)
	}
	if len(w.memory.ends)+len(w.memory.running) != 0 {
		t.Errorf("still remembered: %v %v", w.memory.ends, w.memory.running)
	}
}

func TestWhoMakesWay(t *testing.T) {
	before := anUpdate("u")
	done := before.DeepCopy()
	done.Status.Conditions = []metav1.Condition{condition("Complete", ReasonUpdated, "")}
	p := madeWay()
	if !p.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: done}) || !p.Delete(event.DeleteEvent{Object: before}) {
		t.Error("the end of an Update wakes nobody")
	}
	if p.Update(event.UpdateEvent{ObjectOld: done, ObjectNew: done}) || p.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: before}) || p.Create(event.CreateEvent{Object: done}) {
		t.Error("what is no end wakes others")
	}
	w := newWorld(t, aWorkspace(), done, anUpdate("next"), anUpdate("elsewhere", func(u *autov1alpha1.Update) { u.Spec.WorkspaceName = "other" }))
	want := []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: namespace, Name: "next"}}}
	if got := w.behind(w.ctx(), done); !slices.Equal(got, want) {
		t.Errorf("woken are %v, want %v", got, want)
	}
	if got := w.inWorkspace(w.ctx(), aWorkspace()); !slices.Equal(got, want) {
		t.Errorf("woken by the Workspace are %v, want %v", got, want)
	}
}

func TestWorkspaceChangesThatMatter(t *testing.T) {
	tests := map[string]struct {
		change func(*autov1alpha1.Workspace)
		want   bool
	}{
		"Nothing":  {func(*autov1alpha1.Workspace) {}, false},
		"Label":    {func(ws *autov1alpha1.Workspace) { ws.Labels = map[string]string{"a": "b"} }, false},
		"Spec":     {func(ws *autov1alpha1.Workspace) { ws.Generation = 2 }, true},
		"Observed": {func(ws *autov1alpha1.Workspace) { ws.Status.ObservedGeneration = 2 }, true},
		"Condition": {func(ws *autov1alpha1.Workspace) {
			ws.Status.Conditions = []metav1.Condition{condition("Stalled", "X", "")}
		}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := workspaceChanged().Update(event.UpdateEvent{ObjectOld: aWorkspace(), ObjectNew: aWorkspace(test.change)}); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
