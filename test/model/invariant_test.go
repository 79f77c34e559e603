package model

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions/conditionstest"
)

// check looks at all that is there, at rest.
func (w *world) check() {
	for _, object := range w.store.all("Stack") {
		stack := object.(*pulumiv1.Stack)
		for _, problem := range conditionstest.Problems(stack.DeepCopy()) {
			w.fail("the status of %s misleads: %s", stack.Name, problem)
		}
		w.checkStack(stack)
	}
	for _, kind := range []string{"Workspace", "Update"} {
		for _, object := range w.store.all(kind) {
			for _, problem := range conditionstest.Problems(object.DeepCopyObject().(client.Object)) {
				w.fail("the status of %s %s misleads: %s", kind, object.GetName(), problem)
			}
		}
	}
}

// checkStack: what waits for no person has an event to come, or a time; and what is said is so.
func (w *world) checkStack(stack *pulumiv1.Stack) {
	last := stack.Status.LastUpdate
	stalled := meta.FindStatusCondition(stack.Status.Conditions, autov1alpha1.ConditionTypeStalled)
	going := stack.DeletionTimestamp != nil
	switch {
	case going && !slices.Contains(stack.Finalizers, pulumiv1.Finalizer):
	case on(stack, autov1alpha1.ConditionTypeReady):
		if !going && (last == nil || last.State != pulumiv1.SucceededStackState || last.Generation != stack.Generation) {
			w.fail("%s is Ready, and its record is %+v", stack.Name, last)
		}
		if stack.Spec.ContinueResyncOnCommitMatch && !stack.Spec.Suspend && !w.hasFuture(stack) {
			w.fail("%s is Ready and never run again, although it is asked to be", stack.Name)
		}
	case stalled != nil && going && (stalled.Reason == pulumiv1.ReasonUpdateFailed):
		w.fail("the destroy of %s is given up: %s", stack.Name, stalled.Message)
	case stalled != nil:
	case on(stack, pulumiv1.ConditionTypeSuspended): // a person has to resume it
	case !w.hasFuture(stack):
		w.fail("%s waits for nothing: %s", stack.Name, describe(stack))
	}
	if update := w.current(client.ObjectKeyFromObject(stack)); going && update != nil && update.DeletionTimestamp == nil && !stack.Spec.Suspend {
		if d := w.operations[update.UID]; d.begun && !d.ended && d.kind != autov1alpha1.DestroyUpdate {
			w.fail("%s %s runs on although the Stack %s goes", d.kind, d.name, stack.Name)
		}
	}
}

func on(stack *pulumiv1.Stack, kind string) bool {
	return meta.IsStatusConditionTrue(stack.Status.Conditions, kind)
}

func describe(stack *pulumiv1.Stack) string {
	var words []string
	for _, c := range stack.Status.Conditions {
		words = append(words, fmt.Sprintf("%s=%s/%s %s", c.Type, c.Status, c.Reason, c.Message))
	}
	return strings.Join(words, ", ")
}

// hasFuture tells whether something is to come that has the Stack looked at again.
func (w *world) hasFuture(stack *pulumiv1.Stack) bool {
	name := client.ObjectKeyFromObject(stack)
	if w.manager.queued(stackQueue, name) || len(without(stack.Finalizers, pulumiv1.Finalizer)) > 0 {
		return true
	}
	if update := w.current(name); update != nil {
		return w.updateHasFuture(update)
	}
	if w.blocksDestroy(stack) {
		return true
	}
	for _, p := range stack.Spec.Prerequisites {
		other := &pulumiv1.Stack{}
		if stack.DeletionTimestamp != nil {
			break // they do not matter any more
		}
		if w.store.get(types.NamespacedName{Namespace: stack.Namespace, Name: p.Name}, other) != nil || other.DeletionTimestamp != nil || other.Spec.Suspend || !on(other, autov1alpha1.ConditionTypeReady) {
			return true
		}
	}
	workspace := &autov1alpha1.Workspace{}
	return w.store.get(name, workspace) == nil && workspace.DeletionTimestamp != nil
}

// blocksDestroy tells that a Stack is going and that another one needs it, which has to be gone first.
func (w *world) blocksDestroy(stack *pulumiv1.Stack) bool {
	return stack.DeletionTimestamp != nil && slices.ContainsFunc(w.store.all("Stack"), func(other client.Object) bool {
		return slices.ContainsFunc(other.(*pulumiv1.Stack).Spec.Prerequisites, func(p pulumiv1.PrerequisiteRef) bool { return p.Name == stack.Name })
	})
}

// updateHasFuture tells whether something is to come of an Update under way.
func (w *world) updateHasFuture(update *autov1alpha1.Update) bool {
	if meta.IsStatusConditionTrue(update.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete) {
		return false
	}
	if on := meta.IsStatusConditionTrue(update.Status.Conditions, autov1alpha1.ConditionTypeStalled); on {
		return true // a person has to look
	}
	workspace := types.NamespacedName{Namespace: update.Namespace, Name: update.Spec.WorkspaceName}
	if w.manager.queued(updateQueue, client.ObjectKeyFromObject(update)) || w.manager.queued(workspaceQueue, workspace) {
		return true
	}
	if d := w.operations[update.UID]; d.begun && !d.ended {
		return true
	}
	for _, p := range w.pods() {
		if client.ObjectKeyFromObject(p) != podOf(workspace) {
			continue
		}
		a := w.agents[p.UID]
		if p.DeletionTimestamp != nil || a == nil || a.wire == nil {
			return true // it starts, ends or calls
		}
	}
	found := &autov1alpha1.Workspace{}
	return w.store.get(workspace, found) == nil && found.DeletionTimestamp != nil
}

// finale: whatever happened, once the world is well again every Stack comes to its end: first it is up to date, or waits
// for a person, and then it is deleted, and nothing of it is left.
func (w *world) finale() {
	w.heal()
	w.pass(3 * time.Hour)
	w.check()
	w.demand()
	w.pass(3 * time.Hour)
	w.check()
	for _, object := range w.store.all("Stack") {
		stack := object.(*pulumiv1.Stack)
		waits := slices.ContainsFunc(stack.Spec.Prerequisites, func(p pulumiv1.PrerequisiteRef) bool { return !w.ready(p.Name) })
		if settled := on(stack, autov1alpha1.ConditionTypeReady) || on(stack, autov1alpha1.ConditionTypeStalled) || waits || w.blocksDestroy(stack); !settled && !w.busy(stack) {
			w.fail("in the end %s is not settled: %s", stack.Name, describe(stack))
		}
	}
	for i := range stackNames() {
		w.happen(incident{"delete", i, ""})
	}
	w.happen(incident{"delete", 0, twin})
	kinds := []string{"Stack", "Workspace", "Update", "Pod"}
	for range 30 {
		if len(w.objectNames(kinds...)) > 0 {
			w.pass(time.Hour)
			w.check()
		}
	}
	if left := w.objectNames(kinds...); len(left) > 0 && w.wrong == "" {
		text := ""
		for _, object := range w.store.all("Stack") {
			text += "; " + describe(object.(*pulumiv1.Stack))
		}
		w.fail("in the end there are left: %s%s", strings.Join(left, ", "), text)
	}
}

func (w *world) ready(name string) bool {
	stack := &pulumiv1.Stack{}
	return w.store.get(types.NamespacedName{Namespace: namespace, Name: name}, stack) == nil && on(stack, autov1alpha1.ConditionTypeReady)
}

// busy tells that a Stack is running an operation again, since it is asked to now and then.
func (w *world) busy(stack *pulumiv1.Stack) bool {
	return stack.Spec.ContinueResyncOnCommitMatch && stack.Status.CurrentUpdate != nil
}

// demand has run again what a person had canceled.
func (w *world) demand() {
	for _, object := range w.store.all("Stack") {
		if object.(*pulumiv1.Stack).Status.Canceled != nil {
			w.store.edit("Stack", client.ObjectKeyFromObject(object), func(object client.Object) {
				annotate(object.(*pulumiv1.Stack), pulumiv1.AnnotationReconciliationRequest, "demanded")
			})
		}
	}
}

// heal makes the world well again, and has its people mean well.
func (w *world) heal() {
	for _, object := range w.store.all("Stack") {
		w.store.edit("Stack", client.ObjectKeyFromObject(object), func(object client.Object) {
			object.(*pulumiv1.Stack).Spec.Suspend = false
			delete(object.GetAnnotations(), pulumiv1.AnnotationCancelRequest)
		})
	}
	w.next, w.nextAt, w.dieAt = nil, 0, 0
	clear(w.programs)
	w.host.say(-1, nil)
	for _, a := range w.agents {
		a.cut = false
	}
}
