package model

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/pod"
)

const (
	// podStarts is how long a pod takes to run, agentDials how long its agent then takes to call.
	podStarts, agentDials = 2 * time.Second, time.Second
	// podEnds is how long a pod takes to be gone when its agent has ended.
	podEnds = 3 * time.Second
	// sweepAfter is how far the garbage collector is behind.
	sweepAfter = 2 * time.Second
)

// saw is what the cluster makes of a change: its node starts and ends pods, and the garbage collector looks at what is
// left. The store's lock is held.
func (w *world) saw(kind string, before, after client.Object) {
	if object := cmp.Or(after, before); w.log.Enabled() {
		w.log.Info("CHANGE", "of", kind+" "+object.GetName(), "now", tellOf(after))
	}
	if w.manager != nil {
		w.manager.caches.tell(kind, before, after)
	}
	if !w.sweeping {
		w.sweeping = true
		w.after(sweepAfter, w.sweep)
	}
	w.witness(kind, before, after)
	if kind != "Pod" {
		return
	}
	switch {
	case before == nil:
		uid, name := after.GetUID(), client.ObjectKeyFromObject(after)
		w.after(podStarts, func() { w.startPod(name, uid) })
	case after == nil:
		if a := w.agents[before.GetUID()]; a != nil {
			delete(w.agents, before.GetUID())
			a.die(false)
		}
	case before.GetDeletionTimestamp() == nil && after.GetDeletionTimestamp() != nil:
		uid, name := after.GetUID(), client.ObjectKeyFromObject(after)
		w.after(0, func() {
			if a := w.agents[uid]; a != nil {
				a.terminate()
			}
		})
		w.after(podEnds, func() { w.removePod(name, uid) })
	}
}

// startPod has a pod run and its agent call, if it is still wanted.
func (w *world) startPod(name types.NamespacedName, uid types.UID) {
	started := false
	w.store.edit("Pod", name, func(object client.Object) {
		p := object.(*corev1.Pod)
		if p.UID != uid || p.DeletionTimestamp != nil || p.Status.Phase != corev1.PodPending {
			return
		}
		now := metav1.NewTime(time.Now().Truncate(time.Second))
		p.Spec.NodeName = "node"
		p.Status = corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &now, ContainerStatuses: []corev1.ContainerStatus{{
			Name: pod.ContainerPulumi, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
		}}}
		started = true
	})
	if !started {
		return
	}
	workspace := types.NamespacedName{Namespace: name.Namespace, Name: strings.TrimSuffix(name.Name, "-workspace-0")}
	a := &agent{world: w, pod: uid, workspace: workspace, journal: map[string]*entry{}}
	w.agents[uid] = a
	w.after(agentDials, a.dial)
}

// removePod removes a pod that has ended.
func (w *world) removePod(name types.NamespacedName, uid types.UID) {
	if p := (&corev1.Pod{}); w.store.get(name, p) == nil && p.UID == uid {
		if a := w.agents[uid]; a != nil {
			a.die(false)
		}
		w.store.vanish("Pod", name)
	}
}

// evict fails a pod under its agent.
func (w *world) evict(name types.NamespacedName) {
	w.store.edit("Pod", name, func(object client.Object) {
		p := object.(*corev1.Pod)
		p.Status.Phase, p.Status.Reason = corev1.PodFailed, "Evicted"
		if a := w.agents[p.UID]; a != nil {
			a.die(false)
		}
	})
}

// sweep is one round of the garbage collector.
func (w *world) sweep() {
	w.sweeping = false
	for _, kind := range []string{"Stack", "Workspace", "Update", "Pod", "Secret"} {
		for _, object := range w.store.all(kind) {
			w.collect(kind, object)
		}
	}
}

// collect does with one object what the garbage collector does.
func (w *world) collect(kind string, object client.Object) {
	name := client.ObjectKeyFromObject(object)
	finalizers := object.GetFinalizers()
	if object.GetDeletionTimestamp() != nil && slices.Contains(finalizers, metav1.FinalizerOrphanDependents) {
		w.orphan(object)
		w.store.edit(kind, name, func(o client.Object) { o.SetFinalizers(without(o.GetFinalizers(), metav1.FinalizerOrphanDependents)) })
		return
	}
	if object.GetDeletionTimestamp() != nil && slices.Contains(finalizers, metav1.FinalizerDeleteDependents) && !w.blocked(object) {
		w.store.edit(kind, name, func(o client.Object) { o.SetFinalizers(without(o.GetFinalizers(), metav1.FinalizerDeleteDependents)) })
		return
	}
	var solid, rest []metav1.OwnerReference
	for _, owner := range object.GetOwnerReferences() {
		if o := w.owner(name.Namespace, owner); o != nil && (o.GetDeletionTimestamp() == nil || !slices.Contains(o.GetFinalizers(), metav1.FinalizerDeleteDependents)) {
			solid = append(solid, owner)
		} else {
			rest = append(rest, owner)
		}
	}
	switch {
	case len(rest) == 0:
	case len(solid) > 0:
		w.store.edit(kind, name, func(o client.Object) { o.SetOwnerReferences(solid) })
	case object.GetDeletionTimestamp() == nil:
		uid, policy := object.GetUID(), metav1.DeletePropagationBackground
		if w.blocked(object) {
			policy = metav1.DeletePropagationForeground
		}
		_ = w.store.remove(kind, name, client.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}, PropagationPolicy: &policy})
	}
}

// owner is what a reference is of; nil if that is gone.
func (w *world) owner(namespace string, owner metav1.OwnerReference) client.Object {
	for _, object := range w.store.all(owner.Kind) {
		if object.GetNamespace() == namespace && object.GetName() == owner.Name && object.GetUID() == owner.UID {
			return object
		}
	}
	return nil
}

// dependents are what an object owns, and whether it blocks the object's deletion.
func (w *world) dependents(of client.Object, visit func(kind string, object client.Object, blocks bool)) {
	for _, kind := range []string{"Workspace", "Update", "Pod", "Secret"} {
		for _, object := range w.store.all(kind) {
			for _, owner := range object.GetOwnerReferences() {
				if owner.UID == of.GetUID() {
					visit(kind, object, owner.BlockOwnerDeletion != nil && *owner.BlockOwnerDeletion)
				}
			}
		}
	}
}

func (w *world) blocked(object client.Object) bool {
	blocked := false
	w.dependents(object, func(_ string, _ client.Object, blocks bool) { blocked = blocked || blocks })
	return blocked
}

func (w *world) orphan(owner client.Object) {
	w.dependents(owner, func(kind string, object client.Object, _ bool) {
		w.store.edit(kind, client.ObjectKeyFromObject(object), func(o client.Object) {
			o.SetOwnerReferences(slices.DeleteFunc(slices.Clone(o.GetOwnerReferences()), func(ref metav1.OwnerReference) bool { return ref.UID == owner.GetUID() }))
		})
	})
}

func without(list []string, word string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(w string) bool { return w == word })
}

// podOf is the pod of a Stack's Workspace.
func podOf(stack types.NamespacedName) types.NamespacedName {
	return types.NamespacedName{Namespace: stack.Namespace, Name: autov1alpha1.PodName(stack.Name)}
}
