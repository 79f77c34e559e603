package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// Stack is a Pulumi stack that is kept in line with its source. Use pulumi.com/v1 instead.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=stacks,scope=Namespaced,categories=pulumi
type Stack struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what stack is wanted.
	// +optional
	Spec pulumiv1.StackSpec `json:"spec,omitempty"`
	// status is what the stack controller saw and did. It is v1's: a narrower one would lose v1's fields whenever
	// an object is written through this version.
	// +kubebuilder:default:={"observedGeneration":-1}
	// +optional
	Status pulumiv1.StackStatus `json:"status,omitempty,omitzero"`
}

// StackList is a list of Stacks.
//
// +kubebuilder:object:root=true
type StackList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Stack `json:"items"`
}
