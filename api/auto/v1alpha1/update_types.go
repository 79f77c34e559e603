package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gantry-operator/gantry/api/internal/lenient"
)

// UpdateType is what an Update does.
type UpdateType string

const (
	// UpUpdate is `pulumi up`.
	UpUpdate UpdateType = "up"
	// PreviewUpdate is `pulumi preview`.
	PreviewUpdate UpdateType = "preview"
	// RefreshUpdate is `pulumi refresh`.
	RefreshUpdate UpdateType = "refresh"
	// DestroyUpdate is `pulumi destroy`.
	DestroyUpdate UpdateType = "destroy"
)

// Types of an Update's conditions, beside Ready, Reconciling and Stalled.
const (
	// UpdateConditionTypeComplete is True when the operation is over, however it went.
	UpdateConditionTypeComplete = "Complete"
	// UpdateConditionTypeFailed is True when the operation is over and did not succeed.
	UpdateConditionTypeFailed = "Failed"
	// UpdateConditionTypeProgressing is True while the operation runs.
	UpdateConditionTypeProgressing = "Progressing"
)

// UpdateSpec says what is to be run, once.
type UpdateSpec struct {
	// workspaceName is the Workspace to run in.
	// +optional
	WorkspaceName string `json:"workspaceName,omitempty"`
	// stackName is the stack to work on.
	// +optional
	StackName string `json:"stackName,omitempty"`
	// type is up, preview, refresh or destroy.
	// +optional
	Type UpdateType `json:"type,omitempty"`
	// ttlAfterCompleted is how long the Update is kept when it is complete, as a duration such as "24h".
	// +optional
	TTLAfterCompleted *string `json:"ttlAfterCompleted,omitempty"`
	// timeout is how long the operation may take once it has begun in the pod, as a duration such as "30m". One that
	// takes longer is ended as a canceled one is, and has failed (Timeout). Without it there is no limit.
	// +optional
	Timeout *string `json:"timeout,omitempty"`
	// parallel is the number of resource operations at once.
	// +optional
	Parallel *int32 `json:"parallel,omitempty"`
	// message is recorded with the update.
	// +optional
	Message *string `json:"message,omitempty"`
	// expectNoChanges makes any change a failure.
	// +optional
	ExpectNoChanges *bool `json:"expectNoChanges,omitempty"`
	// replace lists URNs to replace.
	// +optional
	Replace []string `json:"replace,omitempty"`
	// target lists the URNs to work on; others are left alone.
	// +optional
	Target []string `json:"target,omitempty"`
	// targetDependents works on the dependents of the targets too.
	// +optional
	TargetDependents *bool `json:"targetDependents,omitempty"`
	// refresh the state first.
	// +optional
	Refresh *bool `json:"refresh,omitempty"`
	// expectNoRefreshChanges, with refresh, looks first whether the refresh would change anything. If it would, the
	// update fails and changes nothing.
	// +optional
	ExpectNoRefreshChanges *bool `json:"expectNoRefreshChanges,omitempty"`
	// continueOnError goes on after a resource failed.
	// +optional
	ContinueOnError *bool `json:"continueOnError,omitempty"`
	// remove the stack from the backend after a destroy.
	// +optional
	Remove *bool `json:"remove,omitempty"`
	// runProgram runs the program for refresh and destroy.
	// +optional
	RunProgram *bool `json:"runProgram,omitempty"`
	// pendingOperations says what is done with operations that an interrupted update left pending in the state: Refresh
	// or Keep. Without it nobody looks for any. A preview never does.
	// +kubebuilder:validation:Enum=Refresh;Keep
	// +optional
	PendingOperations PendingOperationsPolicy `json:"pendingOperations,omitempty"`

	// Unreadable names the fields whose values the schema admits but that could not be read, and why; they are
	// left empty. A spec with such a field must not be acted on. It is never stored.
	Unreadable string `json:"-"`
}

// UnmarshalJSON reads what can be read, so that one odd object does not stop the others from being listed.
func (s *UpdateSpec) UnmarshalJSON(data []byte) error {
	type plain UpdateSpec
	read, unreadable, err := lenient.Unmarshal[plain](data)
	*s = UpdateSpec(read)
	s.Unreadable = unreadable
	return err
}

// UpdateStatus is what the update controller recorded of the operation.
type UpdateStatus struct {
	// observedGeneration is the generation this status is about; -1 before the first.
	// +kubebuilder:validation:Minimum=-1
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// startTime of the operation.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// endTime of the operation.
	// +optional
	EndTime *metav1.Time `json:"endTime,omitempty"`
	// permalink to the update in the backend's console.
	// +optional
	Permalink string `json:"permalink,omitempty"`
	// message says how it went, or how far it is.
	// +optional
	Message string `json:"message,omitempty"`
	// outputs is the name of the Secret with the stack's outputs.
	// +optional
	Outputs string `json:"outputs,omitempty"`
	// projectInfo of the program that ran.
	// +optional
	ProjectInfo *ProjectInfo `json:"projectInfo,omitempty"`
	// podUID is the pod the operation was given to. An operation is never given to a second one.
	// +optional
	PodUID string `json:"podUID,omitempty"`
	// digest of the archive that the operation runs from, as "sha256:<hex>"; absent where it runs from none.
	// +optional
	Digest string `json:"digest,omitempty"`
	// progress of the operation while it runs.
	// +optional
	Progress *UpdateProgress `json:"progress,omitempty"`
	// changes counts the resources by what was done to them: create, update, delete, same, ….
	// +optional
	Changes map[string]int32 `json:"changes,omitempty"`
	// healed says what a dead operation had left locked, and that this one canceled it; absent where nothing was.
	// +optional
	Healed string `json:"healed,omitempty"`
	// pendingOperations are those that an earlier update left in the state, and what became of them; absent where they
	// were not looked for.
	// +optional
	PendingOperations *PendingOperations `json:"pendingOperations,omitempty"`
	// interrupted is true where this update may have left pending operations itself: it ended without a result, was
	// killed, or could not save the state.
	// +optional
	Interrupted bool `json:"interrupted,omitempty"`
	// conditions are Ready, Reconciling, Stalled, Progressing, Failed and Complete.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// UnmarshalJSON reads what can be read. What cannot is left empty and recorded anew: only controllers write it.
func (s *UpdateStatus) UnmarshalJSON(data []byte) error {
	type plain UpdateStatus
	read, _, err := lenient.Unmarshal[plain](data)
	*s = UpdateStatus(read)
	return err
}

// UpdateProgress is how far an operation is.
type UpdateProgress struct {
	// done is the number of resources that are done. It is always written: what is applied must not become an empty
	// object, which the API server turns into a null and refuses.
	// +optional
	Done int32 `json:"done"`
	// step is what is being done now, such as "creating kubernetes:core/v1:Namespace demo".
	// +optional
	Step string `json:"step,omitempty"`
}

// Update is one operation on one stack, run at most once.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=updates,scope=Namespaced,categories=pulumi
// +kubebuilder:printcolumn:name="Workspace",type="string",JSONPath=".spec.workspaceName"
// +kubebuilder:printcolumn:name="Type",type="string",priority=10,JSONPath=".spec.type"
// +kubebuilder:printcolumn:name="Start Time",type="date",priority=10,JSONPath=".status.startTime"
// +kubebuilder:printcolumn:name="End Time",type="date",priority=10,JSONPath=".status.endTime"
// +kubebuilder:printcolumn:name="Progressing",type="string",JSONPath=".status.conditions[?(@.type==\"Progressing\")].status"
// +kubebuilder:printcolumn:name="Failed",type="string",JSONPath=".status.conditions[?(@.type==\"Failed\")].status"
// +kubebuilder:printcolumn:name="Complete",type="string",JSONPath=".status.conditions[?(@.type==\"Complete\")].status"
// +kubebuilder:printcolumn:name="URL",type="string",JSONPath=".status.permalink"
type Update struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what is to be run.
	// +optional
	Spec UpdateSpec `json:"spec,omitempty"`
	// status is what was recorded of the operation.
	// +kubebuilder:default:={"observedGeneration":-1}
	// +optional
	Status UpdateStatus `json:"status,omitempty,omitzero"`
}

// UpdateList is a list of Updates.
//
// +kubebuilder:object:root=true
type UpdateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Update `json:"items"`
}
