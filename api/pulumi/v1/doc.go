// Package v1 owns the kinds that users write: Stack and Program.
//
// The fields, names and meanings are those of the Pulumi Kubernetes Operator 2.9, so that its
// objects are accepted as they are; what Gantry adds is optional and says so.
//
// +kubebuilder:object:generate=true
// +groupName=pulumi.com
package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// GroupVersion is the group and version of this package's kinds.
	GroupVersion = schema.GroupVersion{Group: "pulumi.com", Version: "v1"}

	// SchemeBuilder registers this package's kinds.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme adds this package's kinds to a scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &Stack{}, &StackList{}, &Program{}, &ProgramList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
