package main

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
)

// asked waits for a request and answers its token.
func (w *world) asked(name string) (*pulumiv1.Stack, string) {
	stack := w.until(name, func(s *pulumiv1.Stack) bool { return s.Annotations[pulumiv1.AnnotationReconciliationRequest] != "" })
	return stack, stack.Annotations[pulumiv1.AnnotationReconciliationRequest]
}

// play plays the controller for one request, which ends in a state.
func (w *world) play(name string, state pulumiv1.StackUpdateState) {
	stack, token := w.asked(name)
	w.status(stack, func(s *pulumiv1.StackStatus) {
		s.ObservedReconcileRequest = token
		s.CurrentUpdate = &pulumiv1.CurrentUpdate{Name: name + "-2", ReconcileRequest: token}
		s.Conditions = conditions.Merge(nil, conditions.Reconciling(pulumiv1.ReasonStackProcessing, "up is running: 3 resources done").Conditions(1), metav1.Now())
	})
	w.status(stack, func(s *pulumiv1.StackStatus) {
		s.CurrentUpdate = nil
		s.LastUpdate = &pulumiv1.LastUpdate{Name: name + "-2", Type: "up", State: state, Reason: "UpdateFailed", Message: "boom", ReconcileRequest: token, LastResyncTime: metav1.Now()}
	})
}

func reconcile(w *world) {
	w.stack("shop", "asked", conditions.Ready(pulumiv1.ReasonProcessingCompleted, "up to date"))
	played := make(chan struct{})
	go func() { defer close(played); w.play("asked", pulumiv1.SucceededStackState) }()
	w.expect(0, w.admin, "reconcile asked --wait --timeout 60s", "► Stack asked is asked to reconcile", "✔ up asked-2 of Stack asked succeeded")
	<-played
	w.expect(1, w.viewer, "reconcile asked", "cannot patch resource", "ask for the ClusterRole")
}

func reconcileFails(w *world) {
	w.stack("shop", "breaks", conditions.Ready(pulumiv1.ReasonProcessingCompleted, "up to date"))
	played := make(chan struct{})
	go func() { defer close(played); w.play("breaks", pulumiv1.FailedStackState) }()
	w.expect(1, w.admin, "reconcile breaks --wait --timeout 60s", "✗ up breaks-2 of Stack breaks failed (UpdateFailed): boom")
	<-played
}

func reconcileTimesOut(w *world) {
	w.stack("shop", "slow", conditions.Ready(pulumiv1.ReasonProcessingCompleted, "up to date"))
	w.expect(3, w.admin, "reconcile slow --wait --timeout 1s", "it took longer than 1s, and goes on: waiting for the controller to see the request")
}

func preview(w *world) {
	stack := w.stack("shop", "looked", conditions.Ready(pulumiv1.ReasonProcessingCompleted, "up to date"))
	w.expect(1, w.admin, "preview looked", "has no Workspace to run in")
	w.make(&autov1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "looked"}})
	name := strings.TrimSpace(strings.TrimPrefix(w.expect(0, w.admin, "preview looked"), "update.auto.pulumi.com/"))
	update := &autov1alpha1.Update{}
	if err := w.Get(w.t.Context(), client.ObjectKey{Namespace: "shop", Name: name}, update); err != nil {
		w.t.Fatal(err)
	}
	if update.Spec.Type != "preview" || update.Spec.WorkspaceName != "looked" || update.Spec.StackName != "dev" || update.OwnerReferences[0].UID != stack.UID || update.Spec.TTLAfterCompleted == nil {
		w.t.Errorf("the Update is %+v", update)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for list := (&autov1alpha1.UpdateList{}); ; time.Sleep(20 * time.Millisecond) {
			if err := w.List(w.t.Context(), list, client.InNamespace("shop")); err != nil {
				return
			}
			for i := range list.Items {
				if u := &list.Items[i]; u.Spec.WorkspaceName == "looked" && u.Spec.Type == "refresh" {
					w.complete(u, metav1.ConditionTrue, "UpdateFailed")
					return
				}
			}
		}
	}()
	w.expect(1, w.admin, "refresh looked --wait --timeout 60s", "► refresh looked-", "failed (UpdateFailed): it is over")
	<-ended
}

func cancel(w *world) {
	stack := w.stack("shop", "stopped", conditions.Reconciling(pulumiv1.ReasonStackProcessing, "it runs"))
	w.expect(1, w.admin, "cancel stopped", "has no operation under way")
	w.make(&autov1alpha1.Update{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "stopped-1"}, Spec: autov1alpha1.UpdateSpec{Type: "up"}})
	w.status(stack, func(s *pulumiv1.StackStatus) { s.CurrentUpdate = &pulumiv1.CurrentUpdate{Name: "stopped-1"} })
	w.expect(0, w.admin, "cancel stopped", "up stopped-1 of Stack stopped is asked to end")
	if got := w.until("stopped", func(*pulumiv1.Stack) bool { return true }).Annotations[pulumiv1.AnnotationCancelRequest]; got == "" {
		w.t.Error("nothing asks for the end")
	}
}

func suspend(w *world) {
	w.stack("shop", "rests", conditions.Ready(pulumiv1.ReasonProcessingCompleted, "up to date"))
	w.expect(0, w.admin, "suspend rests", "✔ Stack shop/rests is suspended")
	w.expect(0, w.admin, "get rests", "true")
	w.expect(1, w.admin, "reconcile rests", "is suspended and runs nothing: kubectl gantry resume rests -n shop")
	w.expect(0, w.admin, "resume rests", "✔ Stack shop/rests is resumed")
	if w.until("rests", func(*pulumiv1.Stack) bool { return true }).Spec.Suspend {
		w.t.Error("it is still suspended")
	}
	w.make(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "all"}})
	w.stack("all", "one", conditions.Ready(pulumiv1.ReasonProcessingCompleted, "up to date"))
	w.stack("all", "two", conditions.Ready(pulumiv1.ReasonProcessingCompleted, "up to date"))
	w.expect(0, w.admin, "suspend --all -n all", "Stack all/one is suspended", "Stack all/two is suspended")
	w.expect(2, w.admin, "suspend", "name Stacks, or say --all")
	w.expect(1, w.admin, "suspend nobody", "there is no Stack nobody")
	w.expect(1, w.viewer, "suspend web", "ask for the ClusterRole")
}

// resume follows the update that there is a reason for since, and none of before.
func resume(w *world) {
	for name, state := range map[string]pulumiv1.StackUpdateState{"woken": pulumiv1.SucceededStackState, "woken-badly": pulumiv1.FailedStackState} {
		stack := w.stack("shop", name, conditions.Ready(pulumiv1.ReasonProcessingCompleted, "up to date"))
		w.status(stack, func(s *pulumiv1.StackStatus) {
			s.LastUpdate = &pulumiv1.LastUpdate{Name: name + "-1", Type: "up", State: "succeeded", LastResyncTime: metav1.Now()}
		})
		w.expect(0, w.admin, "suspend "+name)
		played := make(chan struct{})
		go func() {
			defer close(played)
			stack := w.until(name, func(s *pulumiv1.Stack) bool { return s.Generation == 3 })
			w.status(stack, func(s *pulumiv1.StackStatus) { s.CurrentUpdate = &pulumiv1.CurrentUpdate{Name: name + "-2"} })
			w.status(stack, func(s *pulumiv1.StackStatus) {
				s.CurrentUpdate = nil
				s.LastUpdate = &pulumiv1.LastUpdate{Name: name + "-2", Type: "up", State: state, Reason: "UpdateFailed", Message: "boom", LastResyncTime: metav1.Now()}
			})
		}()
		if state == pulumiv1.SucceededStackState {
			w.expect(0, w.admin, "resume "+name+" --wait --timeout 60s", "✔ Stack shop/woken is resumed", "✔ up woken-2 of Stack shop/woken succeeded")
		} else {
			w.expect(1, w.admin, "resume "+name+" --wait --timeout 60s", "✗ up woken-badly-2 of Stack shop/woken-badly failed (UpdateFailed): boom")
		}
		<-played
	}
}

// resumeIdle: a Stack that has nothing to run is not waited for.
func resumeIdle(w *world) {
	w.stack("shop", "idle", conditions.Ready(pulumiv1.ReasonProcessingCompleted, "up to date as ever"))
	w.expect(0, w.admin, "resume idle --wait", "✔ Stack shop/idle has nothing to run: up to date as ever")
	w.stack("shop", "stuck", conditions.Stalled(pulumiv1.ReasonSpecInvalid, "spec.stack: empty"))
	w.expect(1, w.admin, "resume idle stuck --wait", "Stack shop/idle has nothing to run", "✗ nothing runs, since the Stack is stalled: SpecInvalid: spec.stack: empty")
	w.expect(0, w.admin, "suspend idle")
	w.expect(3, w.admin, "resume idle --wait --timeout 1s", "it took longer than 1s, and goes on: waiting for the controller to see it")
	w.expect(2, w.admin, "suspend idle --wait", "unknown flag: --wait")
}
