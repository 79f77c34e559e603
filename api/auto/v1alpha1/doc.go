// Package v1alpha1 owns the kinds that run Pulumi: Workspace (where) and Update (what).
//
// The fields, names and meanings are those of the Pulumi Kubernetes Operator 2.9, so that its
// objects are accepted as they are; what Gantry adds is optional and says so.
//
// +kubebuilder:object:generate=true
// +groupName=auto.pulumi.com
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// GroupVersion is the group and version of this package's kinds.
	GroupVersion = schema.GroupVersion{Group: "auto.pulumi.com", Version: "v1alpha1"}

	// SchemeBuilder registers this package's kinds.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme adds this package's kinds to a scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &Workspace{}, &WorkspaceList{}, &Update{}, &UpdateList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
