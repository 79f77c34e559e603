package v1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// StackSpec says what stack is wanted: its source, its configuration and how it is kept.
type StackSpec struct {
	// accessTokenSecret names a Secret whose key accessToken becomes PULUMI_ACCESS_TOKEN.
	// Deprecated: use envRefs.
	// +optional
	AccessTokenSecret string `json:"accessTokenSecret,omitempty"`

	// envs names ConfigMaps whose keys become environment variables.
	// Deprecated: use envRefs or workspaceTemplate.
	// +optional
	Envs []string `json:"envs,omitempty"`

	// envSecrets names Secrets whose keys become environment variables.
	// Deprecated: use envRefs or workspaceTemplate.
	// +optional
	EnvSecrets []string `json:"envSecrets,omitempty"`

	// envRefs are environment variables by name. Types Literal and Secret work.
	// +optional
	EnvRefs map[string]ResourceRef `json:"envRefs,omitempty"`

	// backend is the URL of the backend that keeps the state (PULUMI_BACKEND_URL).
	// +optional
	Backend string `json:"backend,omitempty"`

	// stack is the name of the stack, short or fully qualified.
	// +required
	Stack string `json:"stack"`

	// config of the stack; a value may be a string, number, boolean, object or array.
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Config *apiextensionsv1.JSON `json:"config,omitempty"`

	// secrets are secret configuration values in clear.
	// Deprecated: use secretsRef.
	// +optional
	Secrets map[string]string `json:"secrets,omitempty"`

	// configRef takes configuration values from ConfigMaps.
	// +optional
	ConfigRef map[string]ConfigMapRef `json:"configRef,omitempty"`

	// secretsRef takes secret configuration values from Secrets. Types Literal and Secret work.
	// +optional
	SecretsRef map[string]ResourceRef `json:"secretsRef,omitempty"`

	// secretsProvider is used when the stack is created.
	// +optional
	SecretsProvider string `json:"secretsProvider,omitempty"`

	GitSource `json:",inline"`

	// fluxSource is a Flux source of the same namespace.
	// +optional
	FluxSource *FluxSource `json:"fluxSource,omitempty"`

	// programRef is a Program of the same namespace.
	// +optional
	ProgramRef *ProgramReference `json:"programRef,omitempty"`

	// targets lists the URNs to work on; others are left alone.
	// +optional
	Targets []string `json:"targets,omitempty"`

	// targetDependents works on the dependents of the targets too.
	// +optional
	TargetDependents bool `json:"targetDependents,omitempty"`

	// prerequisites are Stacks of the same namespace that have to succeed first.
	// +optional
	Prerequisites []PrerequisiteRef `json:"prerequisites,omitempty"`

	// continueResyncOnCommitMatch runs the stack every resyncFrequencySeconds even if nothing changed.
	// +optional
	ContinueResyncOnCommitMatch bool `json:"continueResyncOnCommitMatch,omitempty"`

	// refresh the state before each up or preview.
	// +optional
	Refresh bool `json:"refresh,omitempty"`

	// expectNoRefreshChanges makes it a failure if a refresh finds changes.
	// +optional
	ExpectNoRefreshChanges bool `json:"expectNoRefreshChanges,omitempty"`

	// destroyOnFinalize destroys the stack's resources when the Stack is deleted.
	// +optional
	DestroyOnFinalize bool `json:"destroyOnFinalize,omitempty"`

	// runProgram runs the program for a destroy.
	// +optional
	RunProgram bool `json:"runProgram,omitempty"`

	// retryOnUpdateConflict is accepted for the sake of old manifests: conflicts are always retried.
	// +optional
	RetryOnUpdateConflict bool `json:"retryOnUpdateConflict,omitempty"`

	// useLocalStackOnly never creates the stack in the backend.
	// +optional
	UseLocalStackOnly bool `json:"useLocalStackOnly,omitempty"`

	// resyncFrequencySeconds is how often the source is polled and the stack resynced; 60 or more.
	// +optional
	ResyncFrequencySeconds int64 `json:"resyncFrequencySeconds,omitempty"`

	// serviceAccountName is the ServiceAccount of the stack's pod. Default: "default".
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// workspaceTemplate is merged into the generated Workspace (strategic merge).
	// +optional
	WorkspaceTemplate *WorkspaceTemplate `json:"workspaceTemplate,omitempty"`

	// workspaceReclaimPolicy says what happens to the Workspace after a success: Retain (default) or Delete.
	// +kubebuilder:validation:Enum=Retain;Delete
	// +optional
	WorkspaceReclaimPolicy WorkspaceReclaimPolicy `json:"workspaceReclaimPolicy,omitempty"`

	// environment lists Pulumi ESC environments.
	// +listType=atomic
	// +optional
	Environment []string `json:"environment,omitempty"`

	// updateTemplate is merged into each generated Update (strategic merge).
	// +optional
	UpdateTemplate *UpdateTemplate `json:"updateTemplate,omitempty"`

	// retryMaxBackoffDurationSeconds caps the time between retries. Default: 86400.
	// +optional
	RetryMaxBackoffDurationSeconds int64 `json:"retryMaxBackoffDurationSeconds,omitempty"`

	// preview only ever runs previews.
	// +optional
	Preview bool `json:"preview,omitempty"`

	// kubeconfig says which cluster the Kubernetes provider talks to. Default: the cluster the stack's
	// pod runs in, as the stack's ServiceAccount.
	// +optional
	Kubeconfig *autov1alpha1.KubeconfigSource `json:"kubeconfig,omitempty"`
}

// WorkspaceReclaimPolicy says what happens to a Workspace after a success.
type WorkspaceReclaimPolicy string

const (
	// WorkspaceReclaimRetain keeps the Workspace; its pod goes after the idle time.
	WorkspaceReclaimRetain WorkspaceReclaimPolicy = "Retain"
	// WorkspaceReclaimDelete deletes the Workspace.
	WorkspaceReclaimDelete WorkspaceReclaimPolicy = "Delete"
)

// ProgramReference names a Program of the same namespace.
type ProgramReference struct {
	// name of the Program.
	// +required
	Name string `json:"name"`
}

// FluxSource is a Flux source and a directory in its artifact.
type FluxSource struct {
	// sourceRef names the source object.
	// +required
	SourceRef FluxSourceReference `json:"sourceRef"`
	// dir is the directory of the program in the artifact.
	// +optional
	Dir string `json:"dir,omitempty"`
}

// FluxSourceReference names an object that has a Flux artifact in its status.
type FluxSourceReference struct {
	// apiVersion of the source.
	// +required
	APIVersion string `json:"apiVersion"`
	// kind of the source.
	// +required
	Kind string `json:"kind"`
	// name of the source.
	// +required
	Name string `json:"name"`
}

// PrerequisiteRef is a Stack that has to succeed first.
type PrerequisiteRef struct {
	// name of the Stack.
	// +required
	Name string `json:"name"`
	// requirement it has to meet.
	// +optional
	Requirement *RequirementSpec `json:"requirement,omitempty"`
}

// RequirementSpec is what a prerequisite has to meet.
type RequirementSpec struct {
	// succeededWithinDuration is how old its last success may be, as a duration such as "1h".
	// +optional
	SucceededWithinDuration string `json:"succeededWithinDuration,omitempty"`
}

// ConfigMapRef is one key of a ConfigMap of the same namespace.
type ConfigMapRef struct {
	// name of the ConfigMap.
	// +required
	Name string `json:"name"`
	// key in the ConfigMap.
	// +required
	Key string `json:"key"`
	// json parses the value as JSON.
	// +optional
	JSON *bool `json:"json,omitempty"`
}

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
	// message says why it failed.
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
	LastResyncTime metav1.Time `json:"lastResyncTime,omitempty"`
	// failures counts the failed attempts since the last success or change.
	// +optional
	Failures int64 `json:"failures,omitempty"`
	// reason of the failure, in one word.
	// +optional
	Reason string `json:"reason,omitempty"`
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
	// commit is the revision of the source.
	// +optional
	Commit string `json:"commit,omitempty"`
}

// StackStatus is what the stack controller saw and did.
type StackStatus struct {
	// outputs of the stack; secret ones read "[secret]".
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
	// currentUpdate is the update under way.
	// +optional
	CurrentUpdate *CurrentUpdate `json:"currentUpdate,omitempty"`
	// projectInfo of the program that ran last.
	// +optional
	ProjectInfo *autov1alpha1.ProjectInfo `json:"projectInfo,omitempty"`
	// applied is true once an up was started, so that there may be resources to destroy.
	// +optional
	Applied bool `json:"applied,omitempty"`
	// conditions are Ready, Reconciling and Stalled.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Stack is a Pulumi stack that is kept in line with its source.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:storageversion
// +kubebuilder:resource:path=stacks,scope=Namespaced,categories=pulumi
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 42",message="name may not exceed 42 characters"
// +kubebuilder:printcolumn:name="Stack",type="string",priority=10,JSONPath=".spec.stack"
// +kubebuilder:printcolumn:name="Last Update",type="string",JSONPath=".status.lastUpdate.state"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".status.lastUpdate.lastResyncTime"
// +kubebuilder:printcolumn:name="Last Commit",type="string",priority=10,JSONPath=".status.lastUpdate.lastAttemptedCommit"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reconciling",type="string",JSONPath=".status.conditions[?(@.type==\"Reconciling\")].reason"
// +kubebuilder:printcolumn:name="Stalled",type="string",JSONPath=".status.conditions[?(@.type==\"Stalled\")].reason"
// +kubebuilder:printcolumn:name="Permalink",type="string",JSONPath=".status.lastUpdate.permalink"
type Stack struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec StackSpec `json:"spec,omitempty"`
	// +kubebuilder:default={observedGeneration: -1}
	Status StackStatus `json:"status,omitempty"`
}

// StackList is a list of Stacks.
//
// +kubebuilder:object:root=true
type StackList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Stack `json:"items"`
}

func init() {
	SchemeBuilder.Register(&Stack{}, &StackList{})
}
