package v1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/api/internal/lenient"
)

// StackUpdateState is how the last update ended.
type StackUpdateState string

const (
	// SucceededStackState is a success.
	SucceededStackState StackUpdateState = "succeeded"
	// FailedStackState is a failure.
	FailedStackState StackUpdateState = "failed"
)

// LastUpdate is what is on record of the last update of the stack.
type LastUpdate struct {
	// generation of the Stack that the update was for.
	// +optional
	Generation int64 `json:"generation,omitempty"`
	// reconcileRequest that the update answered.
	// +optional
	ReconcileRequest string `json:"reconcileRequest,omitempty"`
	// name of the Update.
	// +optional
	Name string `json:"name,omitempty"`
	// type of the Update.
	// +optional
	Type autov1alpha1.UpdateType `json:"type,omitempty"`
	// state is succeeded or failed.
	// +optional
	State StackUpdateState `json:"state,omitempty"`
	// message says why it failed, or what it had to heal.
	// +optional
	Message string `json:"message,omitempty"`
	// lastAttemptedCommit is the revision of the source that was tried last.
	// +optional
	LastAttemptedCommit string `json:"lastAttemptedCommit,omitempty"`
	// lastSuccessfulCommit is the revision of the source that succeeded last.
	// +optional
	LastSuccessfulCommit string `json:"lastSuccessfulCommit,omitempty"`
	// permalink to the update in the backend's console.
	// +optional
	Permalink string `json:"permalink,omitempty"`
	// lastResyncTime is when the result was recorded.
	// +optional
	LastResyncTime metav1.Time `json:"lastResyncTime,omitempty,omitzero"`
	// lastSuccessTime is when the last success was recorded.
	// +optional
	LastSuccessTime metav1.Time `json:"lastSuccessTime,omitempty,omitzero"`
	// failures counts the failures in a row since the last success or change.
	// +optional
	Failures int64 `json:"failures,omitempty"`
	// attempts counts those of the failures that are not tried again for ever: after four of them the Stack stalls.
	// +optional
	Attempts int64 `json:"attempts,omitempty"`
	// reason of the failure, in one word.
	// +optional
	Reason string `json:"reason,omitempty"`
	// inputs are digests of the Secrets and ConfigMaps that the stack took values from, by kind and name. Only the
	// manager can compute them. What has none is taken as it is when it is first seen.
	// +optional
	Inputs map[string]string `json:"inputs,omitempty"`
	// source that was tried last.
	// +optional
	Source *SourceRecord `json:"source,omitempty"`
	// specDigest stands for the spec that was run, but for suspend.
	// +optional
	SpecDigest string `json:"specDigest,omitempty"`
}

// Succeeded is when the last success was recorded, also in a record from before it was kept apart; zero if none is known.
func (l *LastUpdate) Succeeded() metav1.Time {
	switch {
	case l == nil:
		return metav1.Time{}
	case l.LastSuccessTime.IsZero() && l.State == SucceededStackState:
		return l.LastResyncTime
	}
	return l.LastSuccessTime
}

// SourceRecord is a source that an update ran, or runs: enough to run it again when the source itself is gone.
type SourceRecord struct {
	// revision of the source.
	// +optional
	Revision string `json:"revision,omitempty"`
	// digest of the archive that the manager keeps of it, as "sha256:<hex>".
	// +optional
	Digest string `json:"digest,omitempty"`
	// content identifies the files of the program: as long as it stays, nothing of the program changed.
	// +optional
	Content string `json:"content,omitempty"`
	// dir is the directory of the program in the archive.
	// +optional
	Dir string `json:"dir,omitempty"`
	// origin identifies what the spec says of the source, but for its revision.
	// +optional
	Origin string `json:"origin,omitempty"`
}

// CurrentUpdate is the update under way.
type CurrentUpdate struct {
	// generation of the Stack that the update is for.
	// +optional
	Generation int64 `json:"generation,omitempty"`
	// reconcileRequest that the update answers.
	// +optional
	ReconcileRequest string `json:"reconcileRequest,omitempty"`
	// name of the Update.
	// +optional
	Name string `json:"name,omitempty"`
	// namespace of the Update, where it is not the Stack's own.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// commit is the revision of the source.
	// +optional
	Commit string `json:"commit,omitempty"`
	// inputs are digests of the Secrets and ConfigMaps that the update takes values from, by kind and name.
	// +optional
	Inputs map[string]string `json:"inputs,omitempty"`
	// source that the update runs.
	// +optional
	Source *SourceRecord `json:"source,omitempty"`
	// requestedAt is the value of reconcile.fluxcd.io/requestedAt that the update answers.
	// +optional
	RequestedAt string `json:"requestedAt,omitempty"`
	// specDigest stands for the spec that is run, but for suspend.
	// +optional
	SpecDigest string `json:"specDigest,omitempty"`
}

// Cancellation is a cancel request that met an update under way. Until something of it is otherwise, nothing is run.
type Cancellation struct {
	// request is the value of pulumi.com/cancel-request.
	// +optional
	Request string `json:"request,omitempty"`
	// update is the name of the Update that was under way.
	// +optional
	Update string `json:"update,omitempty"`
	// specDigest stands for the spec at that time, but for suspend.
	// +optional
	SpecDigest string `json:"specDigest,omitempty"`
	// reconcileRequest is the reconcile request that there was at that time.
	// +optional
	ReconcileRequest string `json:"reconcileRequest,omitempty"`
	// requestedAt is the value of reconcile.fluxcd.io/requestedAt at that time.
	// +optional
	RequestedAt string `json:"requestedAt,omitempty"`
}

// StackStatus is what the stack controller saw and did.
type StackStatus struct {
	// outputs of the stack; secret ones read "[secret]".
	// ---
	// The values have no schema, with which the API server would drop outputs that are null.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Outputs map[string]apiextensionsv1.JSON `json:"outputs,omitempty"`
	// lastUpdate is the last update's record.
	// +optional
	LastUpdate *LastUpdate `json:"lastUpdate,omitempty"`
	// observedGeneration is the generation this status is about; -1 before the first.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// observedReconcileRequest is the request that was seen last.
	// +optional
	ObservedReconcileRequest string `json:"observedReconcileRequest,omitempty"`
	// lastHandledReconcileAt is the value of reconcile.fluxcd.io/requestedAt that was answered last: the update that it asked
	// for has ended.
	// +optional
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`
	// observedCancelRequest is the cancel request that was seen last.
	// +optional
	ObservedCancelRequest string `json:"observedCancelRequest,omitempty"`
	// canceled is what a person had canceled last; absent once something was run after it.
	// +optional
	Canceled *Cancellation `json:"canceled,omitempty"`
	// currentUpdate is the update under way.
	// +optional
	CurrentUpdate *CurrentUpdate `json:"currentUpdate,omitempty"`
	// projectInfo of the program that ran last.
	// +optional
	ProjectInfo *autov1alpha1.ProjectInfo `json:"projectInfo,omitempty"`
	// applied is true once an up was started, or may have been, so that there may be resources to destroy; false where it
	// is certain that none was; absent before Gantry looked at the Stack first.
	// +optional
	Applied *bool `json:"applied,omitempty"`
	// resources is how many resources the stack has, the stack's own among them, as far as the updates told; absent where
	// that is not known.
	// +optional
	Resources *int32 `json:"resources,omitempty"`
	// source is the one that was applied last. Its archive is kept for as long as the Stack lives.
	// +optional
	Source *SourceRecord `json:"source,omitempty"`
	// interruptedUpdate is the Update that may have left pending operations in the state. The next one looks for them.
	// +optional
	InterruptedUpdate string `json:"interruptedUpdate,omitempty"`
	// pendingOperations are those that an update met last. They are forgotten when an update succeeds that was made for
	// another generation or another reconcile request.
	// +optional
	PendingOperations *PendingOperationsRecord `json:"pendingOperations,omitempty"`
	// decision names the check of the controller's plan that decided what the conditions say, such as upToDate or
	// sourceUnavailable; run where none kept an update from running. It is for people to read and changes with versions.
	// +optional
	Decision string `json:"decision,omitempty"`
	// conditions are Ready, Reconciling and Stalled, and those that say something beside the state.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// UnmarshalJSON reads what can be read. What cannot is left empty and recorded anew: only controllers write it.
func (s *StackStatus) UnmarshalJSON(data []byte) error {
	type plain StackStatus
	read, _, err := lenient.Unmarshal[plain](data)
	*s = StackStatus(read)
	return err
}
