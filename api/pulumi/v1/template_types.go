package v1

import (
	"encoding/json"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	kjson "k8s.io/apimachinery/pkg/util/json"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// WorkspaceTemplate is a partial Workspace. Unlike a Workspace it has no defaults: what is not given is
// not merged.
type WorkspaceTemplate struct {
	// apiVersion of the Workspace.
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
	// kind is Workspace.
	// +optional
	Kind string `json:"kind,omitempty"`
	// metadata of the Workspace. Only labels and annotations are used.
	// +optional
	Metadata *TemplateObjectMeta `json:"metadata,omitempty"`
	// spec of the Workspace.
	// +optional
	Spec *WorkspaceTemplateSpec `json:"spec,omitempty"`
	// status is accepted and not used.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Status *apiextensionsv1.JSON `json:"status,omitempty"`
}

// WorkspaceTemplateSpec is a partial WorkspaceSpec; its fields mean what the Workspace's mean.
type WorkspaceTemplateSpec struct {
	// serviceAccountName is the ServiceAccount of the pod.
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// securityProfile is "baseline" or "restricted".
	// +optional
	SecurityProfile autov1alpha1.SecurityProfile `json:"securityProfile,omitempty"`
	// image of the pulumi container.
	// +optional
	Image string `json:"image,omitempty"`
	// imagePullPolicy of the pulumi container.
	// +optional
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`
	// agentPath is the path of a Gantry agent that the image already carries.
	// +optional
	AgentPath string `json:"agentPath,omitempty"`
	// git is a git source.
	// +optional
	Git *TemplateGitSource `json:"git,omitempty"`
	// flux is an artifact.
	// +optional
	Flux *autov1alpha1.FluxSource `json:"flux,omitempty"`
	// local is a directory that the image already carries.
	// +optional
	Local *autov1alpha1.LocalSource `json:"local,omitempty"`
	// projectInfo makes a project without a program.
	// +optional
	ProjectInfo *TemplateProjectInfo `json:"projectInfo,omitempty"`
	// envFrom is added to the pulumi container.
	// +optional
	EnvFrom []corev1.EnvFromSource `json:"envFrom,omitempty"`
	// env is added to the pulumi container.
	// +optional
	Env []corev1.EnvVar `json:"env,omitempty"`
	// resources of the pulumi container.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
	// podTemplate is merged into the generated pod.
	// +optional
	PodTemplate *autov1alpha1.EmbeddedPodTemplate `json:"podTemplate,omitempty"`
	// serviceTemplate is accepted for PKO's sake.
	// +optional
	ServiceTemplate *autov1alpha1.EmbeddedServiceTemplate `json:"serviceTemplate,omitempty"`
	// pulumiLogLevel is the verbosity of the Pulumi CLI.
	// +optional
	PulumiLogLevel *int32 `json:"pulumiLogLevel,omitempty"`
	// idleTimeout is how long the pod is kept after its last operation.
	// +optional
	IdleTimeout string `json:"idleTimeout,omitempty"`
	// stacks are further stacks of the Workspace.
	// +optional
	Stacks []WorkspaceTemplateStack `json:"stacks,omitempty"`
}

// WorkspaceTemplateStack is a partial WorkspaceStack.
type WorkspaceTemplateStack struct {
	// name of the stack.
	// +optional
	Name string `json:"name,omitempty"`
	// create the stack in the backend if it is not there.
	// +optional
	Create *bool `json:"create,omitempty"`
	// secretsProvider is used when the stack is created.
	// +optional
	SecretsProvider *string `json:"secretsProvider,omitempty"`
	// config of the stack.
	// +optional
	Config []WorkspaceTemplateConfigItem `json:"config,omitempty"`
	// environment lists Pulumi ESC environments.
	// +optional
	Environment []string `json:"environment,omitempty"`
}

// WorkspaceTemplateConfigItem is a partial ConfigItem.
type WorkspaceTemplateConfigItem struct {
	// key of the value.
	// +optional
	Key string `json:"key,omitempty"`
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
	ValueFrom *autov1alpha1.ConfigValueFrom `json:"valueFrom,omitempty"`
	// secret encrypts the value.
	// +optional
	Secret *bool `json:"secret,omitempty"`
}

// UpdateTemplate is a partial Update.
type UpdateTemplate struct {
	// apiVersion of the Update.
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
	// kind is Update.
	// +optional
	Kind string `json:"kind,omitempty"`
	// metadata of the Update. Only labels and annotations are used.
	// +optional
	Metadata *TemplateObjectMeta `json:"metadata,omitempty"`
	// spec of the Update.
	// +optional
	Spec *autov1alpha1.UpdateSpec `json:"spec,omitempty"`
	// status is accepted and not used.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Status *apiextensionsv1.JSON `json:"status,omitempty"`
}

// TemplateObjectMeta is the metadata of a template. An object's other metadata is accepted and not used.
//
// +kubebuilder:pruning:PreserveUnknownFields
type TemplateObjectMeta struct {
	// labels to add.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// annotations to add.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`

	// Others names the other metadata that was given. It is never stored.
	Others []string `json:"-"`
}

// UnmarshalJSON reads what is used, and names the rest.
func (m *TemplateObjectMeta) UnmarshalJSON(data []byte) error {
	type plain TemplateObjectMeta
	if err := kjson.Unmarshal(data, (*plain)(m)); err != nil {
		return err
	}
	var all map[string]json.RawMessage
	if err := kjson.Unmarshal(data, &all); err != nil {
		return err
	}
	m.Others = nil
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if name != "labels" && name != "annotations" && string(all[name]) != "null" {
			m.Others = append(m.Others, name)
		}
	}
	return nil
}
