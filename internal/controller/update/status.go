package update

import (
	"fmt"
	"maps"
	"regexp"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/operation"
)

// Reasons of an Update's conditions, beside those of a result (operation.Reason…).
const (
	// ReasonProgressing: the operation runs. It is also that of Failed=False and Complete=False before the end.
	ReasonProgressing = "Progressing"
	// ReasonComplete with Progressing=False: the agent reported a result.
	ReasonComplete = "Complete"
	// ReasonUpdated with Complete=True: the result is on record.
	ReasonUpdated = "Updated"
	// ReasonFailed with Progressing=False and Complete=True: it ended without a result.
	ReasonFailed = "Failed"
	// ReasonInvalidSpec with Failed=True: the Update asks for something that does not exist.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonWorkspaceNotFound with Reconciling=True: the Workspace is not there.
	ReasonWorkspaceNotFound = "WorkspaceNotFound"
	// ReasonWorkspaceNotReady with Reconciling=True: the Workspace's pod is not there yet.
	ReasonWorkspaceNotReady = "WorkspaceNotReady"
	// ReasonSourceUnavailable with Reconciling=True: the commit that the Workspace names is not there yet. With
	// Stalled=True: the repository refuses.
	ReasonSourceUnavailable = "SourceUnavailable"
	// ReasonQueued with Reconciling=True: another Update of the Workspace has to end first.
	ReasonQueued = "Queued"
	// ReasonOutputsNotWritten with Reconciling=True: the Secret with the outputs could not be made; it is tried again.
	ReasonOutputsNotWritten = "OutputsNotWritten"
	// ReasonPermissionMissing with Reconciling=True: the manager lacks a right that the Update needs.
	ReasonPermissionMissing = "PermissionMissing"
	// ReasonWorkspaceStalled with Stalled=True: the Workspace needs a person.
	ReasonWorkspaceStalled = "WorkspaceStalled"
	// ReasonWorkspaceInvalid with Stalled=True: the Workspace's spec makes no operation.
	ReasonWorkspaceInvalid = "WorkspaceInvalid"
)

// maxPermalink bounds what is kept of a link, which comes from the pod.
const maxPermalink = 2 << 10

// verdict is the three conditions that PKO has too, and the state that says the same in kstatus' words.
type verdict struct {
	progressing, failed, complete metav1.Condition
	state                         conditions.State
}

// statusOf is the whole status after a step. Only Record looks at kept, what became of the outputs.
func statusOf(o Observed, s Step, kept keptOutputs, now time.Time) autov1alpha1.UpdateStatus {
	old := o.Update.Status
	status := autov1alpha1.UpdateStatus{
		ObservedGeneration: o.Update.Generation,
		StartTime:          old.StartTime,
		Permalink:          old.Permalink,
		PodUID:             old.PodUID,
		Digest:             old.Digest,
		Message:            conditions.Bound(s.Message),
		PendingOperations:  old.PendingOperations.DeepCopy(),
	}
	var v verdict
	switch s.Act {
	case Record:
		v = recordResult(&status, o.State.Result, kept, now)
	case End:
		status.EndTime = seconds(now)
		status.Interrupted = s.Reason == operation.ReasonAborted && o.Update.Spec.Type != autov1alpha1.PreviewUpdate
		v = over(ReasonFailed, ReasonFailed, s.Reason, s.Message)
	case Start:
		status.PodUID, status.StartTime = string(o.Session.PodUID), seconds(now)
		status.Digest = s.Operation.GetSource().GetArtifact().GetDigest()
		v = underWay(metav1.ConditionTrue, s)
	case Resume, Follow, KeepSnapshot, Cancel:
		if s.Pending != nil {
			status.PendingOperations = s.Pending
		}
		status.Progress = old.Progress // the last that was known, while the agent is away
		recordProgress(&status, o.State.Progress)
		v = underWay(metav1.ConditionTrue, s)
	case Wait, Tidy, Expire: // of which only Wait gets here
		status.PodUID, status.StartTime, status.Digest, status.PendingOperations = "", nil, "", nil
		v = underWay(metav1.ConditionFalse, s)
	}
	want := append(v.conditions(o.Update.Generation), conditions.FieldsIgnored(ignored(o.Update.Spec), o.Update.Generation)...)
	status.Conditions = conditions.Merge(old.Conditions, want, metav1.NewTime(now))
	return status
}

// settledStatus is the status of a complete Update: its record as it is, said of the newest generation, and in kstatus'
// words too where only PKO's are there. Without these kstatus takes an Update of PKO's that failed for a good one, and
// one whose time to live was changed since for one that is under way.
func settledStatus(update *autov1alpha1.Update, now time.Time) autov1alpha1.UpdateStatus {
	status := *update.Status.DeepCopy()
	status.ObservedGeneration = update.Generation
	if meta.FindStatusCondition(status.Conditions, autov1alpha1.ConditionTypeReady) == nil {
		state := conditions.Ready(operation.ReasonSucceeded, status.Message)
		if failed := meta.FindStatusCondition(status.Conditions, autov1alpha1.UpdateConditionTypeFailed); failed != nil && failed.Status == metav1.ConditionTrue {
			state = conditions.Stalled(failed.Reason, failed.Message)
		}
		status.Conditions = append(status.Conditions, state.Conditions(update.Generation)...)
	}
	for i := range status.Conditions {
		status.Conditions[i].ObservedGeneration = update.Generation
	}
	meta.RemoveStatusCondition(&status.Conditions, autov1alpha1.ConditionTypeFieldsIgnored)
	status.Conditions = append(status.Conditions, conditions.FieldsIgnored(ignored(update.Spec), update.Generation)...)
	status.Conditions = conditions.Merge(update.Status.Conditions, status.Conditions, metav1.NewTime(now))
	return status
}

func (v verdict) conditions(generation int64) []metav1.Condition {
	all := v.state.Conditions(generation)
	for _, condition := range []metav1.Condition{v.progressing, v.failed, v.complete} {
		condition.ObservedGeneration = generation
		condition.Message = conditions.Bound(condition.Message)
		all = append(all, condition)
	}
	return all
}

// underWay is the verdict before the end.
func underWay(progressing metav1.ConditionStatus, s Step) verdict {
	v := verdict{
		progressing: metav1.Condition{Type: autov1alpha1.UpdateConditionTypeProgressing, Status: progressing, Reason: s.Reason, Message: s.Message},
		failed:      metav1.Condition{Type: autov1alpha1.UpdateConditionTypeFailed, Status: metav1.ConditionFalse, Reason: ReasonProgressing},
		complete:    metav1.Condition{Type: autov1alpha1.UpdateConditionTypeComplete, Status: metav1.ConditionFalse, Reason: ReasonProgressing},
		state:       conditions.Reconciling(s.Reason, s.Message),
	}
	if s.Stalled {
		v.state = conditions.Stalled(s.Reason, s.Message)
	}
	return v
}

// over is the verdict after the end. An empty failure is a success.
func over(progressing, complete, failure, message string) verdict {
	v := verdict{
		progressing: metav1.Condition{Type: autov1alpha1.UpdateConditionTypeProgressing, Status: metav1.ConditionFalse, Reason: progressing},
		complete:    metav1.Condition{Type: autov1alpha1.UpdateConditionTypeComplete, Status: metav1.ConditionTrue, Reason: complete},
	}
	if failure == "" {
		v.failed = metav1.Condition{Type: autov1alpha1.UpdateConditionTypeFailed, Status: metav1.ConditionFalse, Reason: operation.ReasonSucceeded}
		v.state = conditions.Ready(operation.ReasonSucceeded, message)
		return v
	}
	v.failed = metav1.Condition{Type: autov1alpha1.UpdateConditionTypeFailed, Status: metav1.ConditionTrue, Reason: failure, Message: message}
	v.state = conditions.Stalled(failure, message)
	return v
}

// recordResult puts a result into the status.
func recordResult(status *autov1alpha1.UpdateStatus, result *operation.Result, kept keptOutputs, now time.Time) verdict {
	if started := timeOf(result.GetStarted()); started != nil {
		status.StartTime = started
	}
	if status.EndTime = timeOf(result.GetEnded()); status.EndTime == nil {
		status.EndTime = seconds(now)
	}
	message := result.GetMessage()
	if result.GetHealed() != "" {
		message = joinLines(message, result.GetHealed())
	}
	if kept.warning != "" {
		message = joinLines(message, kept.warning)
	}
	status.Message = conditions.Bound(message)
	status.Permalink = permalinkOf(result.GetPermalink(), status.Permalink)
	status.Outputs = kept.secret
	status.Changes = maps.Clone(result.GetChanges())
	status.Healed = conditions.Bound(result.GetHealed())
	status.PendingOperations = settledPending(status.PendingOperations, result.GetPending())
	status.Interrupted = result.GetInterrupted()
	if project := result.GetProject(); project != nil {
		status.ProjectInfo = &autov1alpha1.ProjectInfo{Name: project.GetName(), Runtime: project.GetRuntime()}
	}
	return over(ReasonComplete, ReasonUpdated, failureOf(result), message)
}

// recordProgress puts into the status how far the operation is.
func recordProgress(status *autov1alpha1.UpdateStatus, progress *operation.Progress) {
	if progress == nil {
		return
	}
	if started := timeOf(progress.GetStarted()); started != nil {
		status.StartTime = started
	}
	status.Permalink = permalinkOf(progress.GetPermalink(), status.Permalink)
	status.Progress = &autov1alpha1.UpdateProgress{Done: progress.GetDone(), Step: conditions.Bound(progress.GetStep())}
}

// failureOf is the reason of a result that is no success; it is empty for a success. The words come from the pod, so
// one that the API server would refuse is replaced: it must not keep the result off the record.
func failureOf(result *operation.Result) string {
	if result.GetOutcome() == operation.Outcome_SUCCEEDED {
		return ""
	}
	if reason := result.GetReason(); reason != operation.ReasonSucceeded && isReason(reason) {
		return reason
	}
	switch result.GetOutcome() {
	case operation.Outcome_CANCELED:
		return operation.ReasonCanceled
	case operation.Outcome_INTERRUPTED:
		return operation.ReasonAborted
	case operation.Outcome_FAILED, operation.Outcome_SUCCEEDED, operation.Outcome_OUTCOME_UNSPECIFIED:
	}
	return operation.ReasonFailed
}

// isReason tells whether the API server takes the text as a condition's reason.
func isReason(text string) bool {
	const most = 256
	return len(text) <= most && regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`).MatchString(text)
}

// progressText says in words how far an operation is.
func progressText(progress *operation.Progress) string {
	done, step := progress.GetDone(), progress.GetStep()
	switch {
	case progress == nil, done == 0 && step == "":
		return "the operation is starting"
	case step == "":
		return fmt.Sprintf("%s done", resources(done))
	case done == 0:
		return step
	default:
		return fmt.Sprintf("%s done; %s", resources(done), step)
	}
}

func resources(count int32) string {
	if count == 1 {
		return "1 resource"
	}
	return fmt.Sprintf("%d resources", count)
}

// joinLines puts two texts on lines of their own.
func joinLines(first, second string) string {
	if first == "" {
		return second
	}
	return first + "\n" + second
}

func permalinkOf(link, old string) string {
	if link == "" || len(link) > maxPermalink {
		return old
	}
	return link
}

// seconds is a time as the API keeps it, so that what is written equals what is read.
func seconds(t time.Time) *metav1.Time {
	kept := metav1.NewTime(t).Rfc3339Copy()
	return &kept
}

// timeOf is nil for a time that was not told or makes no sense.
func timeOf(t *timestamppb.Timestamp) *metav1.Time {
	if !t.IsValid() || t.AsTime().Unix() <= 0 {
		return nil
	}
	return seconds(t.AsTime())
}
