package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	Env []corev1.EnvVar `json:"env,omitempty"`

	// resources of the pulumi container. Requests default to 64Mi of memory and 100m of CPU.
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitempty"`

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

	// stacks are the stacks that run here.
	// +listType=map
	// +listMapKey=name
	// +optional
	Stacks []WorkspaceStack `json:"stacks,omitempty"`
}

// KubeconfigType names where a kubeconfig comes from.
// +kubebuilder:validation:Enum=InCluster;None;Secret
type KubeconfigType string

const (
	// KubeconfigInCluster is a generated kubeconfig of the pod's own cluster and ServiceAccount.
	KubeconfigInCluster KubeconfigType = "InCluster"
	// KubeconfigNone leaves kubernetes:kubeconfig alone.
	KubeconfigNone KubeconfigType = "None"
	// KubeconfigSecret takes the kubeconfig from a key of a Secret.
	KubeconfigSecret KubeconfigType = "Secret"
)

// KubeconfigSource says where the value of the stack configuration kubernetes:kubeconfig comes from.
// A value that the user's own configuration gives always wins.
// +kubebuilder:validation:XValidation:rule="(self.type == 'Secret') == has(self.secretRef)",message="secretRef is needed with type Secret, and only then"
type KubeconfigSource struct {
	// type is InCluster (default), None or Secret.
	// +kubebuilder:default=InCluster
	// +optional
	Type KubeconfigType `json:"type,omitempty"`

	// secretRef names the Secret, in the same namespace, and the key that holds the kubeconfig.
	// +optional
	SecretRef *SecretKey `json:"secretRef,omitempty"`
}

// SecretKey is one key of a Secret of the same namespace.
type SecretKey struct {
	// name of the Secret.
	// +kubebuilder:validation:MinLength=1
	// +required
	Name string `json:"name"`

	// key in the Secret.
	// +kubebuilder:validation:MinLength=1
	// +required
	Key string `json:"key"`
}

// GitSource is a commit of a git repository.
type GitSource struct {
	// url of the repository.
	// +optional
	URL string `json:"url,omitempty"`
	// ref is a commit, branch or tag.
	// +optional
	Ref string `json:"ref,omitempty"`
	// dir is the directory of the program in the repository.
	// +optional
	Dir string `json:"dir,omitempty"`
	// auth says how to authenticate.
	// +optional
	Auth *GitAuth `json:"auth,omitempty"`
	// shallow fetches one commit instead of the history.
	// +optional
	Shallow bool `json:"shallow,omitempty"`
}

// GitAuth is how to authenticate to a git host. Every field names a key of a Secret.
type GitAuth struct {
	// sshPrivateKey is a private key for SSH.
	// +optional
	SSHPrivateKey *corev1.SecretKeySelector `json:"sshPrivateKey,omitempty"`
	// username for basic authentication.
	// +optional
	Username *corev1.SecretKeySelector `json:"username,omitempty"`
	// password for basic authentication, or the passphrase of the private key.
	// +optional
	Password *corev1.SecretKeySelector `json:"password,omitempty"`
	// token for token authentication.
	// +optional
	Token *corev1.SecretKeySelector `json:"token,omitempty"`
	// githubApp authenticates as an installation of a GitHub App.
	// +optional
	GitHubApp *GitHubAppAuth `json:"githubApp,omitempty"`
}

// GitHubAppAuth names an installation of a GitHub App and its key.
type GitHubAppAuth struct {
	// appID is the App's ID.
	// +required
	AppID *corev1.SecretKeySelector `json:"appID"`
	// installationID is the installation's ID.
	// +required
	InstallationID *corev1.SecretKeySelector `json:"installationID"`
	// privateKey is the App's private key, in PEM.
	// +required
	PrivateKey *corev1.SecretKeySelector `json:"privateKey"`
}

// FluxSource is a tar.gz archive that is named by its digest.
type FluxSource struct {
	// url of the archive.
	// +optional
	URL string `json:"url,omitempty"`
	// digest of the archive, as "sha256:<hex>".
	// +optional
	Digest string `json:"digest,omitempty"`
	// dir is the directory of the program in the archive.
	// +optional
	Dir string `json:"dir,omitempty"`
}

// LocalSource is a directory of the image.
type LocalSource struct {
	// dir is the directory of the program.
	// +optional
	Dir string `json:"dir,omitempty"`
}

// ProjectInfo is what Pulumi needs to know of a project to work on its stacks' state.
type ProjectInfo struct {
	// name of the project.
	// +required
	Name string `json:"name"`
	// runtime of the project, such as "yaml" or "nodejs".
	// +required
	Runtime string `json:"runtime"`
}

// EmbeddedObjectMeta is the part of an object's metadata that a template may set.
type EmbeddedObjectMeta struct {
	// labels to add.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// annotations to add.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// EmbeddedPodTemplate is a partial pod, merged into the generated one.
type EmbeddedPodTemplate struct {
	// metadata of the pod.
	// +optional
	Metadata EmbeddedObjectMeta `json:"metadata,omitempty"`

	// spec is a partial PodSpec.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Spec *apiextensionsv1.JSON `json:"spec,omitempty"`
}

// EmbeddedServiceTemplate is a partial Service.
type EmbeddedServiceTemplate struct {
	// metadata of the Service.
	// +optional
	Metadata EmbeddedObjectMeta `json:"metadata,omitempty"`
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
	Config []ConfigItem `json:"config,omitempty"`

	// environment lists Pulumi ESC environments.
	// +listType=atomic
	// +optional
	Environment []string `json:"environment,omitempty"`
}

// ConfigItem is one value of a stack's configuration.
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
	// +optional
	ValueFrom *ConfigValueFrom `json:"valueFrom,omitempty"`

	// secret encrypts the value.
	// +optional
	Secret *bool `json:"secret,omitempty"`
}

// ConfigValueFrom takes a value from the pulumi container.
// +structType=atomic
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

// Workspace is where stacks run: at most one pod, which exists only while there is something to do.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=workspaces,scope=Namespaced,categories=pulumi
// +kubebuilder:printcolumn:name="Image",type="string",JSONPath=".spec.image"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Address",type="string",JSONPath=".status.address"
type Workspace struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec WorkspaceSpec `json:"spec,omitempty"`
	// +kubebuilder:default={observedGeneration: -1}
	Status WorkspaceStatus `json:"status,omitempty"`
}

// WorkspaceList is a list of Workspaces.
//
// +kubebuilder:object:root=true
type WorkspaceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Workspace `json:"items"`
}

func init() {
	SchemeBuilder.Register(&Workspace{}, &WorkspaceList{})
}
