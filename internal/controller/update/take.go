package update

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/kube"
)

// managerFinalizer is the field manager of the patches that add and remove the finalizer.
const managerFinalizer = kube.ManagerObjects + "/update-finalizer"

// take does a step. Every status is written against the version of the Update that the step was planned from, so a plan
// made from a stale copy changes nothing.
func (r *Reconciler) take(ctx context.Context, o Observed, s Step) (ctrl.Result, error) {
	switch s.Act {
	case Expire:
		return r.expire(ctx, o, s)
	case Tidy:
		return r.tidy(ctx, o, s)
	case Record:
		return r.record(ctx, o, s)
	case End:
		return r.end(ctx, o, s)
	case Start:
		return r.start(ctx, o, s)
	case Resume:
		return r.resume(ctx, o, s)
	case KeepSnapshot:
		return r.keepSnapshot(ctx, o, s)
	case Cancel:
		r.Hub.Cancel(workspaceKey(o.Update), o.Update.UID, "the Update was deleted")
		return r.follow(ctx, o, s)
	case Follow:
		return r.follow(ctx, o, s)
	case Wait:
	}
	return r.wait(ctx, o, s)
}

// wait says what is waited for. The finalizer is added here already, so that it costs no time when the pod is there.
func (r *Reconciler) wait(ctx context.Context, o Observed, s Step) (ctrl.Result, error) {
	if err := r.protect(ctx, o.Update); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: s.After}, r.write(ctx, o, s, keptOutputs{})
}

// start binds the Update to the pod and offers the operation. If the hub does not take it, it was not given to the pod,
// and the Update is free for another one.
func (r *Reconciler) start(ctx context.Context, o Observed, s Step) (ctrl.Result, error) {
	if err := r.protect(ctx, o.Update); err != nil {
		return ctrl.Result{}, err
	}
	if err := r.write(ctx, o, s, keptOutputs{}); err != nil {
		return ctrl.Result{}, err
	}
	if err := r.Hub.Offer(workspaceKey(o.Update), o.Session.PodUID, s.Operation); err != nil {
		free := Step{Act: Wait, Reason: ReasonWorkspaceNotReady, Message: fmt.Sprintf("waiting for the pod %s: %v", o.pod(), err)}
		r.memory.forget(o.Update.UID)
		return ctrl.Result{RequeueAfter: offerAgain}, r.write(ctx, o, free, keptOutputs{})
	}
	r.Metrics.Offered(o.Update.Spec.Type, r.existed(o.Update))
	r.traceOffer(ctx, o)
	ctrl.LoggerFrom(ctx).Info("Operation offered", "type", o.Update.Spec.Type, "uid", o.Update.UID, "workspace", workspaceKey(o.Update), "podUID", o.Session.PodUID)
	return ctrl.Result{}, nil
}

// existed is how long there has been the Update.
func (r *Reconciler) existed(update *autov1alpha1.Update) time.Duration {
	return r.Clock.Since(update.CreationTimestamp.Time)
}

// resume offers the operation again to the pod that the Update is bound to. Where the hub does not know of it, the
// binding is confirmed first: a stale copy may be of an Update whose result was recorded and forgotten since.
func (r *Reconciler) resume(ctx context.Context, o Observed, s Step) (ctrl.Result, error) {
	if !o.State.Offered {
		bound, err := r.stillBound(ctx, o.Update)
		if err != nil || !bound {
			return ctrl.Result{RequeueAfter: kube.ConflictRetry}, err
		}
		ctrl.LoggerFrom(ctx).Info("Operation offered again", "uid", o.Update.UID, "workspace", workspaceKey(o.Update), "podUID", o.Update.Status.PodUID)
	}
	if err := r.Hub.Offer(workspaceKey(o.Update), types.UID(o.Update.Status.PodUID), s.Operation); err != nil {
		s.After = offerAgain
		s.Message = fmt.Sprintf("waiting for the pod %s: %v", o.pod(), err)
	}
	return r.follow(ctx, o, s)
}

func (r *Reconciler) stillBound(ctx context.Context, update *autov1alpha1.Update) (bool, error) {
	live := &autov1alpha1.Update{}
	err := r.Reader.Get(ctx, client.ObjectKeyFromObject(update), live)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("get Update %s: %w", update.Name, err)
	}
	return live.UID == update.UID && live.Status.PodUID == update.Status.PodUID && !isComplete(live), nil
}

// follow writes how far the operation is, no more often than progressEvery unless the Update itself changed.
func (r *Reconciler) follow(ctx context.Context, o Observed, s Step) (ctrl.Result, error) {
	now := r.Clock.Now()
	status := statusOf(o, s, keptOutputs{}, now)
	if equality.Semantic.DeepEqual(o.Update.Status, status) {
		if r.memory.written(o.Update.UID).IsZero() {
			r.memory.see(o.Update.UID, client.ObjectKeyFromObject(o.Update), workspaceKey(o.Update), now.Add(-progressEvery))
		}
		return ctrl.Result{RequeueAfter: s.After}, nil
	}
	// A link is what tells later whose update it is that Pulumi Cloud still takes for alive: it must not be lost.
	observed := o.Update.Status.ObservedGeneration == o.Update.Generation && o.Update.Status.Permalink == status.Permalink
	if early := progressEvery - now.Sub(r.memory.written(o.Update.UID)); early > 0 && observed {
		return ctrl.Result{RequeueAfter: soonest(early, s.After)}, nil
	}
	return ctrl.Result{RequeueAfter: s.After}, r.write(ctx, o, s, keptOutputs{})
}

// soonest is the shorter of two waits; zero is none.
func soonest(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// outputsNotWritten says why there is no Secret with the outputs yet.
func (r *Reconciler) outputsNotWritten(ctx context.Context, o Observed, cause error) (ctrl.Result, error) {
	trouble, why := Step{Act: Follow, Reason: ReasonOutputsNotWritten}, string(apierrors.ReasonForError(cause))
	denial, denied := kube.Denied(cause)
	if denied {
		trouble.Reason, why = ReasonPermissionMissing, denial.String()
	}
	trouble.Message = fmt.Sprintf("the operation succeeded, but the Secret %q with its outputs could not be made (%s); it is tried again",
		autov1alpha1.OutputsSecretName(o.Update.Name), why)
	err := r.write(ctx, o, trouble, keptOutputs{})
	if denied {
		return ctrl.Result{RequeueAfter: kube.DeniedRetry}, err
	}
	return ctrl.Result{}, errors.Join(cause, err)
}

// record puts the result on record: outputs first, so that whoever sees the end sees them too. Only then may the agent
// forget it.
func (r *Reconciler) record(ctx context.Context, o Observed, s Step) (ctrl.Result, error) {
	kept, err := r.keepOutputs(ctx, o)
	if err != nil {
		return r.outputsNotWritten(ctx, o, err)
	}
	if err := r.write(ctx, o, s, kept); err != nil {
		return ctrl.Result{}, err
	}
	r.Metrics.Ended(o.Update.Spec.Type, o.State.Result, r.existed(o.Update))
	r.traceEnd(o)
	r.emit(o.Update, completion(o.Update, o.State.Result, kept)...)
	return r.release(ctx, o)
}

// end completes the Update without a result.
func (r *Reconciler) end(ctx context.Context, o Observed, s Step) (ctrl.Result, error) {
	if err := r.write(ctx, o, s, keptOutputs{}); err != nil {
		return ctrl.Result{}, err
	}
	r.Metrics.EndedWithoutResult(o.Update.Spec.Type, s.Reason)
	r.traceEnd(o)
	r.emit(o.Update, ending(o.Update, s)...)
	return r.release(ctx, o)
}

// release lets everybody forget a complete Update's operation, and the Update be deleted.
func (r *Reconciler) release(ctx context.Context, o Observed) (ctrl.Result, error) {
	left, _ := timeLeft(o.Update, r.Clock.Now())
	return r.tidy(ctx, o, Step{After: max(left, 0)})
}

func (r *Reconciler) tidy(ctx context.Context, o Observed, s Step) (ctrl.Result, error) {
	if !isDeleting(o.Update) {
		if err := r.settle(ctx, o.Update); err != nil {
			return ctrl.Result{}, err
		}
	}
	if o.State.Offered || o.State.Result != nil {
		r.Hub.Recorded(workspaceKey(o.Update), o.Update.UID)
	}
	r.memory.forget(o.Update.UID)
	return ctrl.Result{RequeueAfter: s.After}, r.unprotect(ctx, o.Update)
}

// settle writes the status of a complete Update where it is not of the newest generation, or not ours.
func (r *Reconciler) settle(ctx context.Context, update *autov1alpha1.Update) error {
	status := settledStatus(update, r.Clock.Now())
	if err := kube.ApplyStatus(ctx, r.Client, update, kube.ManagerUpdateStatus, &update.Status, &status); err != nil {
		return fmt.Errorf("write the status of Update %s: %w", update.Name, err)
	}
	update.Status = status
	return nil
}

// expire deletes the Update, and no namesake of it.
func (r *Reconciler) expire(ctx context.Context, o Observed, s Step) (ctrl.Result, error) {
	if err := r.unprotect(ctx, o.Update); err != nil {
		return ctrl.Result{}, err
	}
	uid := o.Update.UID
	if err := r.Client.Delete(ctx, o.Update, client.Preconditions{UID: &uid}); err != nil {
		return ctrl.Result{}, fmt.Errorf("delete the expired Update: %w", err)
	}
	r.emit(o.Update, expiredNow(s.Message))
	return ctrl.Result{}, nil
}

// write writes the status that the step leads to, if it is another one, and puts it into the copy at hand.
func (r *Reconciler) write(ctx context.Context, o Observed, s Step, kept keptOutputs) error {
	now := r.Clock.Now()
	status := statusOf(o, s, kept, now)
	if err := kube.ApplyStatus(ctx, r.Client, o.Update, kube.ManagerUpdateStatus, &o.Update.Status, &status); err != nil {
		return fmt.Errorf("write the status of Update %s: %w", o.Update.Name, err)
	}
	if fields := conditions.NewlyIgnored(o.Update.Status.Conditions, status.Conditions); fields != "" {
		r.emit(o.Update, fieldsIgnored(fields))
	}
	o.Update.Status = status
	if isStarted(o.Update) && !isComplete(o.Update) {
		r.memory.see(o.Update.UID, client.ObjectKeyFromObject(o.Update), workspaceKey(o.Update), now)
	}
	return nil
}

// protect adds the finalizer, unless the Update is on its way out.
func (r *Reconciler) protect(ctx context.Context, update *autov1alpha1.Update) error {
	if isDeleting(update) || controllerutil.ContainsFinalizer(update, autov1alpha1.FinalizerOperation) {
		return nil
	}
	return r.patchFinalizers(ctx, update, func() { controllerutil.AddFinalizer(update, autov1alpha1.FinalizerOperation) })
}

// unprotect removes the finalizer.
func (r *Reconciler) unprotect(ctx context.Context, update *autov1alpha1.Update) error {
	if !controllerutil.ContainsFinalizer(update, autov1alpha1.FinalizerOperation) {
		return nil
	}
	return r.patchFinalizers(ctx, update, func() { controllerutil.RemoveFinalizer(update, autov1alpha1.FinalizerOperation) })
}

// patchFinalizers changes nothing but the list, and not if anybody else changed the Update since it was read.
func (r *Reconciler) patchFinalizers(ctx context.Context, update *autov1alpha1.Update, change func()) error {
	before := update.DeepCopy()
	change()
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, update, patch, client.FieldOwner(managerFinalizer)); err != nil {
		return fmt.Errorf("change the finalizer of Update %s: %w", update.Name, err)
	}
	return nil
}

func (r *Reconciler) emit(update *autov1alpha1.Update, all ...occurrence) {
	for _, e := range all {
		r.Recorder.Eventf(update, nil, e.kind, e.reason, e.action, "%s", e.note)
	}
}
