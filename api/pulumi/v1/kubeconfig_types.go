package v1

import autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"

// KubeconfigType names where a stack's kubeconfig comes from: all that a Workspace knows, and another Stack.
// +kubebuilder:validation:Enum=InCluster;None;Secret;StackOutput
type KubeconfigType string

const (
	// KubeconfigSecret takes the kubeconfig from a key of a Secret.
	KubeconfigSecret = KubeconfigType(autov1alpha1.KubeconfigSecret)
	// KubeconfigStackOutput takes the kubeconfig from an output of another Stack.
	KubeconfigStackOutput KubeconfigType = "StackOutput"
)

// KubeconfigSource says where the value of the stack configuration kubernetes:kubeconfig comes from.
// A value that the user's own configuration gives always wins.
// +kubebuilder:validation:XValidation:rule="(self.type == 'Secret') == has(self.secretRef)",message="secretRef is needed with type Secret, and only then"
// +kubebuilder:validation:XValidation:rule="(self.type == 'StackOutput') == has(self.stackRef)",message="stackRef is needed with type StackOutput, and only then"
type KubeconfigSource struct {
	// type is InCluster (default), None, Secret or StackOutput.
	// +kubebuilder:default=InCluster
	// +optional
	Type KubeconfigType `json:"type,omitempty"`

	// secretRef names the Secret, in the same namespace, and the key that holds the kubeconfig.
	// +optional
	SecretRef *autov1alpha1.SecretKey `json:"secretRef,omitempty"`

	// stackRef names the Stack, in the same namespace, and the output that is the kubeconfig: its text, or an object
	// of the same form. It may be a secret output. The stack waits until it is there, and runs again when it changes.
	// +optional
	StackRef *StackOutput `json:"stackRef,omitempty"`
}

// StackOutput is an output of a Stack of the same namespace.
type StackOutput struct {
	// name of the Stack.
	// +kubebuilder:validation:MinLength=1
	// +required
	Name string `json:"name"`

	// output is the name of the output.
	// +kubebuilder:validation:MinLength=1
	// +required
	Output string `json:"output"`
}
