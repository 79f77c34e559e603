package compat

import (
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/kube"
)

// The API server turns an object that an apply empties into a null, and then refuses the null. So a status goes from
// any progress to any other, and to none, without a refusal.
func TestProgressComesAndGoes(t *testing.T) {
	c, namespace := connect(t)
	update := &autov1alpha1.Update{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "progress"}}
	if err := c.Create(t.Context(), update); err != nil {
		t.Fatal(err)
	}
	steps := []*autov1alpha1.UpdateProgress{{Done: 1, Step: "creating a"}, {}, {Done: 2}, {Step: "creating b"}, {}, nil, {}, nil}
	for i, progress := range steps {
		status := autov1alpha1.UpdateStatus{ObservedGeneration: 1, Progress: progress}
		if err := kube.ApplyStatus(t.Context(), c, update, kube.ManagerUpdateStatus, &update.Status, &status); err != nil {
			t.Fatalf("step %d, from %+v to %+v: %v", i, update.Status.Progress, progress, err)
		}
		update.Status = status
	}
}

func TestStackStatusComesAndGoes(t *testing.T) {
	c, namespace := connect(t)
	stack := &pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "status"}, Spec: pulumiv1.StackSpec{Stack: "dev"}}
	if err := c.Create(t.Context(), stack); err != nil {
		t.Fatal(err)
	}
	full := pulumiv1.StackStatus{
		ObservedGeneration: 1, Applied: new(true),
		Outputs:       map[string]apiextensionsv1.JSON{"a": {Raw: []byte(`{"b":1}`)}, "n": {Raw: []byte(`null`)}},
		LastUpdate:    &pulumiv1.LastUpdate{Name: "u", LastResyncTime: metav1.Now()},
		CurrentUpdate: &pulumiv1.CurrentUpdate{Name: "v"},
		ProjectInfo:   &autov1alpha1.ProjectInfo{Name: "p", Runtime: "yaml"},
	}
	bare := pulumiv1.StackStatus{ObservedGeneration: 1}
	emptied := pulumiv1.StackStatus{ObservedGeneration: 1, Outputs: map[string]apiextensionsv1.JSON{}}
	for i, status := range []pulumiv1.StackStatus{full, bare, full, emptied, full} {
		if err := kube.ApplyStatus(t.Context(), c, stack, kube.ManagerStackStatus, &stack.Status, &status); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		read := &pulumiv1.Stack{}
		get(t, c, types.NamespacedName{Namespace: namespace, Name: "status"}, read)
		if len(read.Status.Outputs) != len(status.Outputs) || (read.Status.LastUpdate == nil) != (status.LastUpdate == nil) ||
			(read.Status.CurrentUpdate == nil) != (status.CurrentUpdate == nil) || (read.Status.ProjectInfo == nil) != (status.ProjectInfo == nil) {
			t.Errorf("step %d: the server keeps %+v, want %+v", i, read.Status, status)
		}
		stack.Status = status
	}
}
