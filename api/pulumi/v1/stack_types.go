package v1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/api/internal/lenient"
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

	// expectNoRefreshChanges, with refresh, makes it a failure if the refresh would change anything; nothing is done then.
	// +optional
	ExpectNoRefreshChanges bool `json:"expectNoRefreshChanges,omitempty"`

	// destroyOnFinalize destroys the stack's resources when the Stack is deleted.
	// +optional
	DestroyOnFinalize bool `json:"destroyOnFinalize,omitempty"`

	// runProgram runs the program for a destroy.
	// +optional
	RunProgram bool `json:"runProgram,omitempty"`

	// retryOnUpdateConflict tries an update that met another one of the same stack again within a minute, instead of
	// with a backoff of up to 15 minutes.
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

	// retryMaxBackoffDurationSeconds caps the time between retries. Default: 86400; 900 for causes that pass by themselves.
	// +optional
	RetryMaxBackoffDurationSeconds int64 `json:"retryMaxBackoffDurationSeconds,omitempty"`

	// preview only ever runs previews.
	// +optional
	Preview bool `json:"preview,omitempty"`

	// pendingOperations says what an update does with operations that an interrupted one left pending in the state:
	// Refresh (default) refreshes the state, keeps what is found, and drops pending creates; Keep leaves them. Either way
	// the state is kept in a Secret first, and what may have leaked is reported.
	// +kubebuilder:validation:Enum=Refresh;Keep
	// +optional
	PendingOperations autov1alpha1.PendingOperationsPolicy `json:"pendingOperations,omitempty"`

	// suspend, while it is true, has no operation begin, and the source not followed. What runs goes on to its end. A Stack that
	// is deleted is not destroyed before it is resumed.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// kubeconfig says which cluster the Kubernetes provider talks to. Default: the cluster the stack's
	// pod runs in, as the stack's ServiceAccount.
	// +optional
	Kubeconfig *KubeconfigSource `json:"kubeconfig,omitempty"`

	// Unreadable names the fields whose values the schema admits but that could not be read, and why; they are
	// left empty. A spec with such a field must not be acted on. It is never stored.
	Unreadable string `json:"-"`
}

// UnmarshalJSON reads what can be read, so that one odd object does not stop the others from being listed.
func (s *StackSpec) UnmarshalJSON(data []byte) error {
	type plain StackSpec
	read, unreadable, err := lenient.Unmarshal[plain](data)
	*s = StackSpec(read)
	s.Unreadable = unreadable
	return err
}

// Stack is a Pulumi stack that is kept in line with its source.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:storageversion
// +kubebuilder:resource:path=stacks,scope=Namespaced,categories=pulumi
// +kubebuilder:printcolumn:name="Stack",type="string",priority=10,JSONPath=".spec.stack"
// +kubebuilder:printcolumn:name="Last Update",type="string",JSONPath=".status.lastUpdate.state"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".status.lastUpdate.lastResyncTime"
// +kubebuilder:printcolumn:name="Last Commit",type="string",priority=10,JSONPath=".status.lastUpdate.lastAttemptedCommit"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reconciling",type="string",JSONPath=".status.conditions[?(@.type==\"Reconciling\")].reason"
// +kubebuilder:printcolumn:name="Stalled",type="string",JSONPath=".status.conditions[?(@.type==\"Stalled\")].reason"
// +kubebuilder:printcolumn:name="Permalink",type="string",JSONPath=".status.lastUpdate.permalink"
// +kubebuilder:printcolumn:name="Suspended",type="boolean",priority=10,JSONPath=".spec.suspend"
type Stack struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what stack is wanted.
	// +optional
	Spec StackSpec `json:"spec,omitempty"`
	// status is what the stack controller saw and did.
	// +kubebuilder:default:={"observedGeneration":-1}
	// +optional
	Status StackStatus `json:"status,omitempty,omitzero"`
}

// StackList is a list of Stacks.
//
// +kubebuilder:object:root=true
type StackList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Stack `json:"items"`
}
