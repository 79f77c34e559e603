package kube_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/kube"
)

func TestChanged(t *testing.T) {
	p := kube.Changed(func(w *autov1alpha1.Workspace) any { return w.Status })
	was := &autov1alpha1.Workspace{Status: autov1alpha1.WorkspaceStatus{Conditions: []metav1.Condition{{Type: "Ready", Status: "True"}}}}
	same, other := was.DeepCopy(), was.DeepCopy()
	same.ResourceVersion, same.Labels = "2", map[string]string{"a": "b"}
	other.Status.Conditions[0].Status = "False"
	for name, tc := range map[string]struct {
		is   *autov1alpha1.Workspace
		want bool
	}{"Same": {same, false}, "Other": {other, true}} {
		if got := p.Update(event.UpdateEvent{ObjectOld: was, ObjectNew: tc.is}); got != tc.want {
			t.Errorf("%s: %t, want %t", name, got, tc.want)
		}
	}
	if p.Update(event.UpdateEvent{ObjectOld: was, ObjectNew: &autov1alpha1.Update{}}) {
		t.Error("an object of another kind passes")
	}
	if !p.Create(event.CreateEvent{Object: was}) || !p.Delete(event.DeleteEvent{Object: was}) {
		t.Error("a new object, or one that is gone, does not pass")
	}
}
