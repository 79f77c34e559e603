package abuse

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// healthy is the namespace of the Stack that has to be updated as usual, whatever happens beside it.
const healthy = "healthy"

// program makes a Program and a Stack of it.
func (w *world) program(namespace, name, stack string) {
	w.t.Helper()
	w.create(
		&pulumiv1.Program{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Program:    pulumiv1.ProgramSpec{JSON: apiextensionsv1.JSON{Raw: []byte(`{"outputs": {"greeting": "hello"}}`)}},
		},
		&pulumiv1.Stack{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec:       pulumiv1.StackSpec{Stack: stack, ProgramRef: &pulumiv1.ProgramReference{Name: name}},
		})
}

// stack reads a Stack.
func (w *world) stack(namespace, name string) *pulumiv1.Stack {
	w.t.Helper()
	stack := &pulumiv1.Stack{}
	if err := w.Get(w.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, stack); err != nil {
		w.t.Fatal(err)
	}
	return stack
}

// isReady tells whether a Stack is as its spec asks.
func isReady(stack *pulumiv1.Stack) bool {
	return stack.Status.ObservedGeneration == stack.Generation && meta.IsStatusConditionTrue(stack.Status.Conditions, "Ready")
}

// size is how many bytes an object has as JSON.
func (w *world) size(object any) int {
	w.t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(text)
}

// update has the healthy Stack updated, and tells how long that took from the request to the record.
func (w *world) update() time.Duration {
	w.t.Helper()
	request := fmt.Sprint(time.Now().UnixNano())
	stack := w.stack(healthy, healthy)
	changed := stack.DeepCopy()
	if changed.Annotations == nil {
		changed.Annotations = map[string]string{}
	}
	changed.Annotations[pulumiv1.AnnotationReconciliationRequest] = request
	begun := time.Now()
	if err := w.Patch(w.t.Context(), changed, client.MergeFrom(stack)); err != nil {
		w.t.Fatal(err)
	}
	w.wait("the healthy Stack is updated", func() bool {
		last := w.stack(healthy, healthy).Status.LastUpdate
		return last != nil && last.ReconcileRequest == request && last.State == pulumiv1.SucceededStackState
	})
	return time.Since(begun)
}

// usual is how long an update of the healthy Stack takes: the median of a few.
func (w *world) usual(times int) time.Duration {
	w.t.Helper()
	took := make([]time.Duration, times)
	for i := range took {
		took[i] = w.update()
	}
	slices.Sort(took)
	return took[times/2]
}

// wantUsual compares how long the healthy Stack's update took during the abuse with what it took before. Where that is
// too much, it may be the machine that has become slower: then what it takes afterwards counts.
func (w *world) wantUsual(before, during time.Duration) {
	w.t.Helper()
	w.t.Logf("the healthy Stack's update: %s before, %s during the abuse", before.Round(time.Millisecond), during.Round(time.Millisecond))
	if during <= 2*before {
		return
	}
	if after := w.usual(5); during > 2*after {
		w.t.Errorf("the healthy Stack's update takes %s during the abuse, %s before and %s after it", during, before, after)
	}
}

// secrets are those with outputs of a Stack's updates.
func (w *world) secrets(namespace string) []corev1.Secret {
	w.t.Helper()
	var list corev1.SecretList
	if err := w.List(w.t.Context(), &list, client.InNamespace(namespace)); err != nil {
		w.t.Fatal(err)
	}
	return list.Items
}

// updates are the Updates of a namespace.
func (w *world) updates(namespace string) []autov1alpha1.Update {
	w.t.Helper()
	var list autov1alpha1.UpdateList
	if err := w.List(w.t.Context(), &list, client.InNamespace(namespace)); err != nil {
		w.t.Fatal(err)
	}
	return list.Items
}
