package workspace

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/kube"
	"github.com/gantry-operator/gantry/internal/pod"
)

// removalGrace is how long, in seconds, a pod without an operation may take to end. The agent ends at once; this is for
// the user's containers beside it.
const removalGrace = int64(10)

// take does what the step says, and returns the step as it turned out.
func (r *Reconciler) take(ctx context.Context, o *Observed, step Step) (Step, error) {
	switch step.Act {
	case CreatePod:
		return r.create(ctx, o, step)
	case DeletePod:
		return r.remove(ctx, o, step)
	case DeleteFormer:
		return step, r.deleteFormer(ctx, o)
	case Protect, Unprotect:
		return step, r.protect(ctx, o, step.Act == Protect)
	default:
		return step, nil
	}
}

// create makes the pod, protected from the start: it is made for an operation.
func (r *Reconciler) create(ctx context.Context, o *Observed, step Step) (Step, error) {
	wanted := o.Built.DeepCopy()
	pod.Protect(wanted)
	pod.NameHost(wanted, o.Workspace, rand.Text())
	err := r.Client.Create(ctx, wanted, client.FieldOwner(kube.ManagerObjects))
	switch {
	case err == nil:
		return step, nil
	case apierrors.IsAlreadyExists(err):
		return r.inTheWay(ctx, o, step)
	default:
		return r.refused(ctx, o, err)
	}
}

// inTheWay looks at the pod that has the name already: ours, which the cache does not have yet, or another's, which it
// never has.
func (r *Reconciler) inTheWay(ctx context.Context, o *Observed, step Step) (Step, error) {
	existing := &corev1.Pod{}
	err := r.Reader.Get(ctx, types.NamespacedName{Namespace: o.Built.Namespace, Name: o.Built.Name}, existing)
	if err != nil && !apierrors.IsNotFound(err) {
		return step, fmt.Errorf("get the pod that has the name already: %w", err)
	}
	if err == nil && !metav1.IsControlledBy(existing, o.Workspace) {
		return takenStep(existing), nil
	}
	step.After = caRecheck
	return step, nil
}

// remove deletes the pod, if the hub agrees that there is no operation in it and will be none.
func (r *Reconciler) remove(ctx context.Context, o *Observed, step Step) (Step, error) {
	name := client.ObjectKeyFromObject(o.Workspace)
	if !r.Hub.Retire(name, o.Pod.UID) {
		// An operation was given to the pod that the cache does not show yet.
		kept := keep(o, r.Clock.Now(), true)
		return Step{Check: step.Check, State: kept.State, PodName: kept.PodName, After: caRecheck}, nil
	}
	r.memory.retire(name)
	uid, grace := o.Pod.UID, removalGrace
	if own := o.Pod.Spec.TerminationGracePeriodSeconds; own != nil {
		grace = min(grace, *own)
	}
	err := r.Client.Delete(ctx, o.Pod, client.Preconditions{UID: &uid}, client.GracePeriodSeconds(grace))
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return step, fmt.Errorf("delete pod %s: %w", o.Pod.Name, err)
	}
	return step, nil
}

// deleteFormer deletes what PKO left. The StatefulSet waits for its pod to end, in the grace period that PKO gave it, so
// that it can be told until then whose the pod is.
func (r *Reconciler) deleteFormer(ctx context.Context, o *Observed) error {
	var all error
	for _, object := range o.Former.Remove {
		uid, how := object.UID, metav1.DeletePropagationBackground
		if object.Kind == kindStatefulSet {
			how = metav1.DeletePropagationForeground
		}
		err := r.Client.Delete(ctx, object, client.Preconditions{UID: &uid}, client.PropagationPolicy(how))
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			all = errors.Join(all, fmt.Errorf("delete %s %s of the operator before: %w", object.Kind, object.Name, err))
		}
	}
	return all
}

// protect puts the marks for autoscalers on the pod, or takes them off.
func (r *Reconciler) protect(ctx context.Context, o *Observed, on bool) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": o.Pod.UID, "annotations": pod.ProtectionPatch(o.Pod, o.Built, on),
	}})
	if err != nil {
		return fmt.Errorf("encode the annotations of pod %s: %w", o.Pod.Name, err)
	}
	err = r.Client.Patch(ctx, o.Pod.DeepCopy(), client.RawPatch(types.MergePatchType, patch), client.FieldOwner(kube.ManagerObjects))
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("annotate pod %s: %w", o.Pod.Name, err)
	}
	return nil
}

// record writes the status if it changed, and emits the events of the change.
func (r *Reconciler) record(ctx context.Context, o *Observed, step Step) error {
	status := statusOf(o, step, r.Clock.Now())
	err := kube.ApplyStatus(ctx, r.Client, o.Workspace, kube.ManagerWorkspaceStatus, &o.Workspace.Status, &status)
	if err != nil {
		return client.IgnoreNotFound(fmt.Errorf("write the status of the workspace: %w", err))
	}
	if o.Connected && r.memory.connect(client.ObjectKeyFromObject(o.Workspace)) && step.State.IsReady() && !wasConnected(&o.Workspace.Status) {
		r.Metrics.PodStarted(age(o.Pod, r.Clock.Now()))
	}
	if e, ok := changeEvent(o.Workspace.Status.Conditions, status.Conditions); ok {
		r.Recorder.Eventf(o.Workspace, nil, e.kind, e.reason, e.action, "%s", e.note)
	}
	if fields := conditions.NewlyIgnored(o.Workspace.Status.Conditions, status.Conditions); fields != "" {
		r.Recorder.Eventf(o.Workspace, nil, corev1.EventTypeWarning, autov1alpha1.ConditionTypeFieldsIgnored, "Plan", "%s", conditions.BoundNote(fields))
	}
	return nil
}
