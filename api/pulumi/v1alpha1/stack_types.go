package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// StackStatus is the part of the status that this version knows.
type StackStatus struct {
	// outputs of the stack; secret ones read "[secret]".
	// +optional
	Outputs map[string]apiextensionsv1.JSON `json:"outputs,omitempty"`
	// lastUpdate is the last update's record.
	// +optional
	LastUpdate *pulumiv1.LastUpdate `json:"lastUpdate,omitempty"`
	// observedGeneration is the generation this status is about; -1 before the first.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// Stack is a Pulumi stack that is kept in line with its source. Use pulumi.com/v1 instead.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=stacks,scope=Namespaced,categories=pulumi
type Stack struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec pulumiv1.StackSpec `json:"spec,omitempty"`
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
