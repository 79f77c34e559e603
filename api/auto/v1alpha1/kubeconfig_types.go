package v1alpha1

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
