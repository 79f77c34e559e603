package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gantry-operator/gantry/api/internal/lenient"
)

// SecurityProfile names how much the pod of a Workspace may do.
type SecurityProfile string

const (
	// SecurityProfileBaseline sets only the seccomp profile; users come from the images.
	SecurityProfileBaseline SecurityProfile = "baseline"
	// SecurityProfileRestricted fits the restricted Pod Security Standard.
	SecurityProfileRestricted SecurityProfile = "restricted"
)

// WorkspaceSpec says where stacks run: the image, the source and the stacks of one pod.
type WorkspaceSpec struct {
	// serviceAccountName is the ServiceAccount of the pod.
	// +kubebuilder:default="default"
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// securityProfile is "baseline" or "restricted" (default).
	// +kubebuilder:default="restricted"
	// +optional
	SecurityProfile SecurityProfile `json:"securityProfile,omitempty"`

	// image is the image of the pulumi container. Default: the manager's workspace image.
	// +optional
	Image string `json:"image,omitempty"`

	// imagePullPolicy is the pull policy of the pulumi container.
	// +optional
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`

	// agentPath is the path of a Gantry agent that the image already carries, so that the pod starts
	// without an init container. Default: none, except for the manager's own workspace image.
	// +optional
	AgentPath string `json:"agentPath,omitempty"`

	// git is a git source.
	// +optional
	Git *GitSource `json:"git,omitempty"`

	// flux is an artifact: a Flux source's, or one of the manager's own store.
	// +optional
	Flux *FluxSource `json:"flux,omitempty"`

	// local is a directory that the image already carries.
	// +optional
	Local *LocalSource `json:"local,omitempty"`

	// projectInfo makes a project without a program, which is enough to destroy a stack from its state.
	// +optional
	ProjectInfo *ProjectInfo `json:"projectInfo,omitempty"`

	// envFrom is added to the pulumi container.
	// +listType=atomic
	// +optional
	EnvFrom []corev1.EnvFromSource `json:"envFrom,omitempty"`

	// env is added to the pulumi container.
	// +listType=map
	// +listMapKey=name
	// +optional
	Env []corev1.EnvVar `json:"env,omitempty" patchStrategy:"merge" patchMergeKey:"name"`

	// resources of the pulumi container. Requests default to 64Mi of memory and 100m of CPU.
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitempty,omitzero"`

	// podTemplate is merged into the generated pod (strategic merge). It is kept as it is given and
	// checked when the pod is built.
	// +optional
	PodTemplate *EmbeddedPodTemplate `json:"podTemplate,omitempty"`

	// serviceTemplate is accepted for PKO's sake: Gantry makes no Service for a Workspace.
	// +optional
	ServiceTemplate *EmbeddedServiceTemplate `json:"serviceTemplate,omitempty"`

	// pulumiLogLevel is the verbosity of the Pulumi CLI; 0 (default) is off.
	// +optional
	PulumiLogLevel *int32 `json:"pulumiLogLevel,omitempty"`

	// idleTimeout is how long the pod is kept after its last operation, as a duration such as "5m".
	// Default: the manager's (5 minutes). "0s" removes the pod at once.
	// +optional
	IdleTimeout string `json:"idleTimeout,omitempty"`

	// kubeconfig says which cluster the Kubernetes provider of the stacks talks to. Default: the
	// cluster the pod runs in, as the pod's ServiceAccount.
	// +optional
	Kubeconfig *KubeconfigSource `json:"kubeconfig,omitempty"`

	// inputs stands for the content of the Secrets and ConfigMaps that the pod takes values from. A pod that was started
	// with another one is replaced when it is idle. The Stack that owns the Workspace sets it.
	// +optional
	Inputs string `json:"inputs,omitempty"`

	// stacks are the stacks that run here.
	// +listType=map
	// +listMapKey=name
	// +optional
	Stacks []WorkspaceStack `json:"stacks,omitempty" patchStrategy:"merge" patchMergeKey:"name"`

	// Unreadable names the fields whose values the schema admits but that could not be read, and why; they are
	// left empty. A spec with such a field must not be acted on. It is never stored.
	Unreadable string `json:"-"`
}

// UnmarshalJSON reads what can be read, so that one odd object does not stop the others from being listed.
func (s *WorkspaceSpec) UnmarshalJSON(data []byte) error {
	type plain WorkspaceSpec
	read, unreadable, err := lenient.Unmarshal[plain](data)
	*s = WorkspaceSpec(read)
	s.Unreadable = unreadable
	return err
}

// WorkspaceStack is one stack of a Workspace.
type WorkspaceStack struct {
	// name of the stack, short or fully qualified.
	// +required
	Name string `json:"name"`

	// create the stack in the backend if it is not there.
	// +optional
	Create *bool `json:"create,omitempty"`

	// secretsProvider is used when the stack is created.
	// +optional
	SecretsProvider *string `json:"secretsProvider,omitempty"`

	// config of the stack.
	// +listType=map
	// +listMapKey=key
	// +optional
	Config []ConfigItem `json:"config,omitempty" patchStrategy:"merge" patchMergeKey:"key"`

	// environment lists Pulumi ESC environments.
	// +listType=atomic
	// +optional
	Environment []string `json:"environment,omitempty"`
}

// ConfigItem is one value of a stack's configuration.
//
// +structType=atomic
type ConfigItem struct {
	// key of the value; without a colon it is in the project's namespace.
	// +required
	Key string `json:"key"`

	// path says that key is a path into a structured value.
	// +optional
	Path *bool `json:"path,omitempty"`

	// value is a string, number, boolean, object or array.
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Value *apiextensionsv1.JSON `json:"value,omitempty"`

	// valueFrom takes the value from the pod.
	// +structType=atomic
	// +optional
	ValueFrom *ConfigValueFrom `json:"valueFrom,omitempty"`

	// secret encrypts the value.
	// +optional
	Secret *bool `json:"secret,omitempty"`
}

// ConfigValueFrom takes a value from the pulumi container.
type ConfigValueFrom struct {
	// env is an environment variable.
	// +optional
	Env string `json:"env,omitempty"`
	// path is a file.
	// +optional
	Path string `json:"path,omitempty"`
	// json parses the value as JSON.
	// +optional
	JSON *bool `json:"json,omitempty"`
}

// WorkspaceStatus is what the workspace controller saw.
type WorkspaceStatus struct {
	// observedGeneration is the generation this status is about; -1 before the first.
	// +kubebuilder:validation:Minimum=-1
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// address is PKO's; Gantry's agents call home and have none.
	// +optional
	Address string `json:"address,omitempty"`

	// pulumiVersion is the version of the Pulumi CLI in the pod.
	// +optional
	PulumiVersion string `json:"pulumiVersion,omitempty"`

	// podName is the name of the pod while there is one. An asleep Workspace has none.
	// +optional
	PodName string `json:"podName,omitempty"`

	// conditions are Ready, Reconciling and Stalled.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// UnmarshalJSON reads what can be read. What cannot is left empty and recorded anew: only controllers write it.
func (s *WorkspaceStatus) UnmarshalJSON(data []byte) error {
	type plain WorkspaceStatus
	read, _, err := lenient.Unmarshal[plain](data)
	*s = WorkspaceStatus(read)
	return err
}

// Workspace is where stacks run: at most one pod, which exists only while there is something to do.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=workspaces,scope=Namespaced,categories=pulumi
// +kubebuilder:printcolumn:name="Image",type="string",JSONPath=".spec.image"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Address",type="string",JSONPath=".status.address"
type Workspace struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says where stacks run.
	// +optional
	Spec WorkspaceSpec `json:"spec,omitempty"`
	// status is what the workspace controller saw.
	// +kubebuilder:default:={"observedGeneration":-1}
	// +optional
	Status WorkspaceStatus `json:"status,omitempty,omitzero"`
}

// WorkspaceList is a list of Workspaces.
//
// +kubebuilder:object:root=true
type WorkspaceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Workspace `json:"items"`
}
