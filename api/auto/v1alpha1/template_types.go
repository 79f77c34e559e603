package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// EmbeddedObjectMeta is the part of an object's metadata that a template may set.
type EmbeddedObjectMeta struct {
	// labels to add.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// annotations to add.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// IsZero tells that nothing is set. It keeps an empty object out of what is applied: where it had fields before, the
// API server would store null and refuse that.
func (m EmbeddedObjectMeta) IsZero() bool { return len(m.Labels) == 0 && len(m.Annotations) == 0 }

// EmbeddedPodTemplate is a partial pod, merged into the generated one.
type EmbeddedPodTemplate struct {
	// metadata of the pod.
	// +optional
	Metadata EmbeddedObjectMeta `json:"metadata,omitempty,omitzero"`

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
	Metadata EmbeddedObjectMeta `json:"metadata,omitempty,omitzero"`
}
