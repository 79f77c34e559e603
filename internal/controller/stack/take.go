package stack

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/kube"
)

// take does the one step planned. The status is written once, before anything is made that it has to tell of: a name
// on record that does not exist is harmless, a running Update that is not on record is not.
func (r *Reconciler) take(ctx context.Context, stack *pulumiv1.Stack, o Observed, step *Step) error {
	if err := r.keepKubeconfig(ctx, o, step); err != nil {
		return err
	}
	if step.Act == Run {
		return r.run(ctx, stack, o, step)
	}
	if step.Act == Prepare {
		if err := r.prepare(ctx, stack, o, step); err != nil {
			return err
		}
	}
	if step.Act != Cancel {
		if err := r.clear(ctx, o, step); err != nil {
			return err
		}
	}
	for _, touch := range step.Touch {
		if err := r.touch(ctx, touch); err != nil {
			return err
		}
	}
	if err := r.writeStatus(ctx, stack, o, *step, nil); err != nil {
		return err
	}
	return r.conclude(ctx, stack, o, step)
}

// conclude does what a step has to do after its status is written.
func (r *Reconciler) conclude(ctx context.Context, stack *pulumiv1.Stack, o Observed, step *Step) error {
	switch step.Act {
	case Cancel: // only now that it is on record who wants it: an Update that is gone says nothing of that
		return r.clear(ctx, o, step)
	case Reclaim:
		r.emit(stack, workspaceDeleted())
		return nil
	case Release:
	default:
		return nil
	}
	// Before the Stack goes: once it is gone, the garbage collector takes the trace of it from its Updates.
	if _, err := r.releaseUpdates(ctx, client.ObjectKeyFromObject(stack), ""); err != nil {
		return err
	}
	return r.release(ctx, stack, o)
}

// clear deletes what a step wants gone. The preconditions make sure that it is what the step was planned for: an Update
// that gives way must not be begun in the meantime; one that is canceled is kept by its finalizer until that is over.
func (r *Reconciler) clear(ctx context.Context, o Observed, step *Step) error {
	var err error
	switch update, workspace := o.Update, o.Workspace; step.Act {
	case Supersede:
		err = r.Client.Delete(ctx, update, client.Preconditions{UID: &update.UID, ResourceVersion: &update.ResourceVersion})
	case Cancel:
		err = r.Client.Delete(ctx, update, client.Preconditions{UID: &update.UID})
	case Reclaim:
		err = r.Client.Delete(ctx, workspace, client.Preconditions{UID: &workspace.UID})
	default:
	}
	return client.IgnoreNotFound(err)
}

// run applies the Workspace, puts the Update on record and creates it. Where the API server refuses the Workspace, the
// step becomes one that says so.
func (r *Reconciler) run(ctx context.Context, stack *pulumiv1.Stack, o Observed, step *Step) error {
	if !r.Claims.Take(o.Stack.UID, o.Project) {
		*step = Step{After: kube.ConflictRetry} // another Stack was quicker; the next look tells
		return nil
	}
	workspace := o.Desired.DeepCopy()
	if err := kube.Apply(ctx, r.Client, workspace, kube.ManagerObjects); err != nil {
		refused := refusal(err, stack, workspace)
		if refused == nil {
			return fmt.Errorf("apply Workspace: %w", err)
		}
		refused.Check = step.Check
		*step = *refused
		return r.writeStatus(ctx, stack, o, *step, nil)
	}
	if usesCopy(o.Workspace) && !usesCopy(workspace) {
		if err := r.dropKubeconfig(ctx, client.ObjectKeyFromObject(stack)); err != nil {
			return err
		}
	}
	update, err := buildUpdate(o, *step, workspace)
	if err != nil {
		*step = Step{Check: step.Check, State: conditions.Stalled(pulumiv1.ReasonSpecInvalid, err.Error())}
		return r.writeStatus(ctx, stack, o, *step, nil)
	}
	o.Update, step.Update = update, update.Name
	current := &pulumiv1.CurrentUpdate{
		Namespace:  o.Elsewhere,
		Generation: stack.Generation, SpecDigest: wanted(stack), ReconcileRequest: request(o.Stack), RequestedAt: requestedAt(o.Stack), Name: update.Name, Commit: o.Source.Revision,
		Inputs: o.Inputs.Digests, Source: o.Source.record(),
	}
	if err := r.writeStatus(ctx, stack, o, *step, current); err != nil {
		return err
	}
	if err := r.Client.Create(ctx, update); client.IgnoreAlreadyExists(err) != nil {
		return fmt.Errorf("create Update %s: %w", update.Name, err)
	} else if err == nil {
		r.emitAt(stack, updateDetected(*step), o.Source.Revision)
		r.traceDecision(update, stack.Name, o.Began)
	}
	return nil
}

// prepare applies the Workspace of an Update that is not there yet, or that waits. Where the API server refuses it, the step becomes one
// that says so.
func (r *Reconciler) prepare(ctx context.Context, stack *pulumiv1.Stack, o Observed, step *Step) error {
	workspace := o.Desired.DeepCopy()
	if o.Update == nil {
		workspace = expectant(workspace, r.Clock.Now())
	}
	err := kube.Apply(ctx, r.Client, workspace, kube.ManagerObjects)
	if err == nil {
		return nil
	}
	refused := refusal(err, stack, o.Desired)
	if refused == nil {
		return fmt.Errorf("apply Workspace: %w", err)
	}
	refused.Check = step.Check
	*step = *refused
	return nil
}

// refusal is the step for a Workspace that the API server will refuse again, nil if it may not.
func refusal(err error, stack *pulumiv1.Stack, workspace *autov1alpha1.Workspace) *Step {
	if step := refusedElsewhere(err, stack, workspace); step != nil {
		return step
	}
	switch {
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return terminatingStep(stack)
	case kube.TooLarge(err):
		return &Step{State: conditions.Stalled(pulumiv1.ReasonSpecInvalid, "spec.config: the Workspace made of this Stack is larger than the API server keeps, "+
			"which is about 1.5 MB with what it notes of each key; put large values, and many, into ConfigMaps and Secrets, and name them in configRef and secretsRef")}
	case apierrors.IsInvalid(err):
		return &Step{State: conditions.Stalled(pulumiv1.ReasonSpecInvalid, "the API server refuses the Workspace: "+err.Error())}
	}
	return nil
}

// touch asks an outdated prerequisite to run again, once per update it ran.
func (r *Reconciler) touch(ctx context.Context, t Touch) error {
	if t.Stack.Annotations[pulumiv1.AnnotationReconciliationRequest] == t.Request {
		return nil
	}
	changed := t.Stack.DeepCopy()
	if changed.Annotations == nil {
		changed.Annotations = map[string]string{}
	}
	changed.Annotations[pulumiv1.AnnotationReconciliationRequest] = t.Request
	return r.Client.Patch(ctx, changed, client.MergeFrom(t.Stack), client.FieldOwner(kube.ManagerPrerequisiteRequest))
}

// ensureFinalizer puts the finalizer on a living Stack by a patch of nothing but that, so that the generation stays.
func (r *Reconciler) ensureFinalizer(ctx context.Context, stack *pulumiv1.Stack) error {
	if deleting(stack) || slices.Contains(stack.Finalizers, pulumiv1.Finalizer) {
		return nil
	}
	was := stack.DeepCopy()
	stack.Finalizers = append(stack.Finalizers, pulumiv1.Finalizer)
	return r.patchFinalizers(ctx, stack, was)
}

// release removes the finalizer, after which the Stack goes.
func (r *Reconciler) release(ctx context.Context, stack *pulumiv1.Stack, o Observed) error {
	if left := leftBehind(o); left != nil {
		r.emit(stack, *left)
		ctrl.LoggerFrom(ctx).Info("A Stack goes and its resources stay", "reason", left.reason, "message", left.note)
	}
	if _, err := r.releaseKubeconfig(ctx, client.ObjectKeyFromObject(stack)); err != nil {
		return err
	}
	if err := r.leaveElsewhere(ctx, client.ObjectKeyFromObject(stack)); err != nil {
		return err
	}
	was := stack.DeepCopy()
	stack.Finalizers = slices.DeleteFunc(stack.Finalizers, func(f string) bool { return f == pulumiv1.Finalizer })
	return client.IgnoreNotFound(r.patchFinalizers(ctx, stack, was))
}

// patchFinalizers patches nothing but the finalizers, and only if the object is still the one that was read. The list
// has no merge key, so that a patch without this lock could drop another controller's finalizer.
func (r *Reconciler) patchFinalizers(ctx context.Context, object, was client.Object) error {
	return r.Client.Patch(ctx, object, client.MergeFromWithOptions(was, client.MergeFromWithOptimisticLock{}), client.FieldOwner(kube.ManagerObjects))
}

// writeStatus writes the status of a step and tells of what is new in it. current is put on record as the update under
// way; nil leaves what the step says.
func (r *Reconciler) writeStatus(ctx context.Context, stack *pulumiv1.Stack, o Observed, step Step, current *pulumiv1.CurrentUpdate) error {
	step.State, _ = heldBy(stack, step.State)
	s := status(o, step, r.Clock.Now())
	if current != nil {
		s.CurrentUpdate = current
		if applies(o.Update) {
			s.Applied = new(true)
		}
	}
	news := append(r.news(stack, o, step), fieldsIgnored(stack.Status.Conditions, s.Conditions)...)
	err := kube.ApplyStatus(ctx, r.Client, stack, kube.ManagerStackStatus, &stack.Status, s)
	if kube.TooLarge(err) {
		s.Outputs = withoutLarge(s.Outputs)
		err = kube.ApplyStatus(ctx, r.Client, stack, kube.ManagerStackStatus, &stack.Status, s)
	}
	if kube.TooLarge(err) {
		r.emit(stack, tooLarge())
	}
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	stack.Status = *s
	for _, n := range news {
		r.emit(stack, n)
	}
	return nil
}

// news is what a status has to tell that the one before did not.
func (r *Reconciler) news(stack *pulumiv1.Stack, o Observed, step Step) []notice {
	notices := endNews(o)
	if o.Skipped != "" {
		notices = append(notices, sourceUnchanged(o.Skipped))
	}
	return append(append(notices, cancelNoticed(o, step)...), stateChange(stack, step)...)
}

// stateChange is what is told of a step's state, where that is another one than the one on record.
func stateChange(stack *pulumiv1.Stack, step Step) []notice {
	condition := autov1alpha1.ConditionTypeReconciling
	switch {
	case step.State.IsStalled():
		condition = autov1alpha1.ConditionTypeStalled
	case step.State.IsSuspended():
		condition = autov1alpha1.ConditionTypeReady
	}
	was := meta.FindStatusCondition(stack.Status.Conditions, condition)
	same := was != nil && was.Reason == step.State.Reason() && was.Message == step.State.Message()
	if same {
		return nil
	}
	if step.State.IsSuspended() && deleting(stack) {
		return []notice{notStarting(step.State)}
	}
	return stateNews(step.State)
}

// endNews is what is told of an update that has ended.
func endNews(o Observed) []notice {
	if o.Absorbed == nil {
		return nil
	}
	var notices []notice
	if o.Absorbed.Status.Healed != "" {
		notices = append(notices, lockHealed(o.Absorbed))
	}
	notices = append(notices, updateEnded(o.Stack.Status.LastUpdate))
	if met := o.Stack.Status.PendingOperations; met != nil && met.Update == o.Absorbed.Name {
		notices = append(notices, pendingMet(met))
	}
	return notices
}

// stateNews is what is told of a state that is new.
func stateNews(state conditions.State) []notice {
	switch state.Reason() {
	case pulumiv1.ReasonSpecInvalid:
		return []notice{configInvalid(state)}
	case pulumiv1.ReasonWorkspaceFailed, pulumiv1.ReasonSourceInvalid, pulumiv1.ReasonNamespaceTerminating,
		pulumiv1.ReasonStackInUse, pulumiv1.ReasonSourceUnavailable, pulumiv1.ReasonDependentsExist, pulumiv1.ReasonPermissionMissing:
		return []notice{notStarting(state)}
	}
	return nil
}

// emit tells of a Stack what is about the revision that is on record.
func (r *Reconciler) emit(stack *pulumiv1.Stack, n notice) {
	_, revision := lastSource(stack)
	r.emitAt(stack, n, revision)
}

// emitAt tells of a Stack what is about a revision.
func (r *Reconciler) emitAt(stack *pulumiv1.Stack, n notice, revision string) {
	if r.Notifier != nil {
		r.Notifier.Post(stack, n.kind, n.reason, n.note, revision)
	}
	r.Recorder.Eventf(stack, nil, n.kind, n.reason, n.action, "%s", conditions.BoundNote(n.note))
}
