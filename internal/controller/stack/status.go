package stack

import (
	"fmt"
	"slices"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/operation"
)

// status is the whole status of a Stack for which a step was planned.
func status(o Observed, step Step, now time.Time) *pulumiv1.StackStatus {
	s := o.Stack.Status.DeepCopy()
	s.ObservedGeneration = o.Stack.Generation
	s.ObservedReconcileRequest = o.Stack.Annotations[pulumiv1.AnnotationReconciliationRequest]
	want := append(step.State.Conditions(o.Stack.Generation), conditions.FieldsIgnored(slices.Concat(ignored(&o.Stack.Spec), ignoredAnnotations(o.Stack)), o.Stack.Generation)...)
	want = append(want, sourceStale(o)...)
	want = append(want, pendingOperations(o.Stack)...)
	want = append(want, suspension(o.Stack)...)
	s.Conditions = conditions.Merge(s.Conditions, want, metav1.NewTime(now))
	adoptInputs(s.LastUpdate, o.Stack.Generation, o.Inputs)
	adoptSource(s, o)
	adoptSpec(s.LastUpdate, o.Stack)
	s.Canceled = cancellation(o, step)
	if request := cancelRequest(o.Stack); request != "" {
		s.ObservedCancelRequest = request
	}
	if o.Update == nil || step.Act == Supersede {
		s.CurrentUpdate = nil
	} else if s.LastUpdate != nil && o.Update.Status.Progress != nil {
		s.LastUpdate.Message = conditions.Bound(progressText(o.Update))
	}
	if s.Decision != "" || o.Absorbed != nil || !equality.Semantic.DeepEqual(s, &o.Stack.Status) {
		s.Decision = step.Check // what was never on record alone makes no write
	}
	return s
}

// progressState is what is said while an Update is not complete: how far it is, or what keeps its pod from starting.
func progressState(stack *pulumiv1.Stack, update *autov1alpha1.Update, workspace *autov1alpha1.Workspace) conditions.State {
	if update.Status.PodUID == "" && workspace != nil {
		if stalled := meta.FindStatusCondition(workspace.Status.Conditions, autov1alpha1.ConditionTypeStalled); stalled != nil {
			return conditions.Stalled(pulumiv1.ReasonWorkspaceFailed, stalled.Reason+": "+stalled.Message+heldBack(stack))
		}
		if waits := meta.FindStatusCondition(workspace.Status.Conditions, autov1alpha1.ConditionTypeReconciling); waits != nil {
			return conditions.Reconciling(pulumiv1.ReasonWorkspaceNotReady, waits.Reason+": "+waits.Message+heldBack(stack))
		}
	}
	return conditions.Reconciling(pulumiv1.ReasonStackProcessing, progressText(update))
}

// progressText is how far an Update is.
func progressText(update *autov1alpha1.Update) string {
	progress := update.Status.Progress
	if progress == nil {
		return fmt.Sprintf("%s %s is starting", update.Spec.Type, shownName(update))
	}
	text := fmt.Sprintf("%s %s is running: %d resources done", update.Spec.Type, shownName(update), progress.Done)
	if progress.Step != "" {
		text += ", " + progress.Step
	}
	return text
}

// shownName is an Update's name, with the namespace where that is not its Stack's.
func shownName(update *autov1alpha1.Update) string {
	if update.Annotations[pulumiv1.AnnotationStack] != "" {
		return update.Namespace + "/" + update.Name
	}
	return update.Name
}

// settledState is what is said when there is no reason to run.
func settledState(o Observed) conditions.State {
	last := lastUpdate(o.Stack)
	switch {
	case last.State == pulumiv1.SucceededStackState:
		return conditions.Ready(pulumiv1.ReasonProcessingCompleted, "the stack has been processed and is up to date"+unchanged(last))
	case deleting(o.Stack) && last.Reason == operation.ReasonProtected:
		return protectedState(o.Stack, last)
	case exhausted(o.Stack, last):
		return conditions.Stalled(pulumiv1.ReasonUpdateFailed,
			fmt.Sprintf("%s failed %d times; not retrying until the spec or source changes: %s", last.Type, last.Failures, last.Message))
	case last.Reason == operation.ReasonConflict:
		return conditions.Reconciling(pulumiv1.ReasonUpdateConflict, fmt.Sprintf("waiting for the stack to be free, met %d time(s), %s: %s", last.Failures, outlook(o.Stack, last), last.Message))
	case last.Type == autov1alpha1.PreviewUpdate:
		return conditions.Reconciling(pulumiv1.ReasonPreviewFailed, fmt.Sprintf("%d preview failure(s), %s: %s", last.Failures, outlook(o.Stack, last), last.Message))
	default:
		return conditions.Reconciling(pulumiv1.ReasonRetryingAfterFailure, fmt.Sprintf("%d update failure(s), %s: %s", last.Failures, outlook(o.Stack, last), last.Message))
	}
}

// absorb records a complete Update in the Stack's status, and clears it as the one under way. It answers the same for
// the same Update however often it is asked. outputs is nil where the Update says nothing of them.
func absorb(stack *pulumiv1.Stack, update *autov1alpha1.Update, outputs *Outputs) {
	current, last := stack.Status.CurrentUpdate, lastUpdate(stack)
	stack.Status.CurrentUpdate = nil
	record := &pulumiv1.LastUpdate{
		Generation: current.Generation, ReconcileRequest: current.ReconcileRequest, Name: update.Name, Type: update.Spec.Type,
		State: pulumiv1.SucceededStackState, LastAttemptedCommit: current.Commit, LastSuccessfulCommit: current.Commit,
		Permalink: update.Status.Permalink, LastResyncTime: completionTime(update), Inputs: current.Inputs,
		Source: current.Source, SpecDigest: current.SpecDigest, Message: conditions.Bound(update.Status.Healed),
	}
	again := current.RequestedAt == stack.Status.LastHandledReconcileAt
	stack.Status.LastHandledReconcileAt = current.RequestedAt
	if failed := meta.FindStatusCondition(update.Status.Conditions, autov1alpha1.UpdateConditionTypeFailed); failed != nil && failed.Status == metav1.ConditionTrue {
		record.State, record.Reason = pulumiv1.FailedStackState, failed.Reason
		record.Message, record.LastSuccessfulCommit = conditions.Bound(update.Status.Message), ""
		if last != nil {
			record.LastSuccessfulCommit, record.LastSuccessTime = last.LastSuccessfulCommit, last.Succeeded()
		}
		if again {
			count(last, record)
		} else {
			count(nil, record)
		}
	} else {
		record.LastSuccessTime = record.LastResyncTime
	}
	recordPending(&stack.Status, update, record)
	if outputs != nil && record.State == pulumiv1.SucceededStackState {
		stack.Status.Outputs = outputs.Values
	}
	if update.Spec.Type == autov1alpha1.UpUpdate && (record.State == pulumiv1.SucceededStackState || stack.Status.Source == nil) {
		stack.Status.Source = current.Source
	}
	stack.Status.Resources = resourcesAfter(stack.Status.Resources, update, record.State)
	if update.Status.ProjectInfo != nil {
		stack.Status.ProjectInfo = update.Status.ProjectInfo.DeepCopy()
	}
	stack.Status.LastUpdate = record
}

// count counts the failures in a row of the same thing, and those of them that are attempts: a change of the spec, the
// request, the source or an input begins anew.
func count(last, record *pulumiv1.LastUpdate) {
	same := last != nil && last.State == pulumiv1.FailedStackState && last.Generation == record.Generation &&
		last.ReconcileRequest == record.ReconcileRequest && last.LastAttemptedCommit == record.LastAttemptedCommit &&
		len(differing(last.Inputs, record.Inputs)) == 0
	if same {
		record.Failures, record.Attempts = last.Failures, attempts(last)
	}
	record.Failures++
	if !passes(record.Reason) {
		record.Attempts++
	}
}

// completionTime is when the Update was recorded as complete.
func completionTime(update *autov1alpha1.Update) metav1.Time {
	if complete := meta.FindStatusCondition(update.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete); complete != nil {
		return complete.LastTransitionTime
	}
	return metav1.Time{}
}

// largeOutput is the size in bytes of an output that a status may have to do without.
const largeOutput = 1 << 10

// withoutLarge are the outputs that a status holds which would be too large with all of them.
func withoutLarge(outputs map[string]apiextensionsv1.JSON) map[string]apiextensionsv1.JSON {
	kept := map[string]apiextensionsv1.JSON{}
	for name, value := range outputs {
		if len(value.Raw) > largeOutput {
			value = apiextensionsv1.JSON{Raw: []byte(`"[too large: see the Secret with the outputs]"`)}
		}
		kept[name] = value
	}
	return kept
}
