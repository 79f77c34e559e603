package v1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gantry-operator/gantry/api/internal/lenient"
)

// ProgramSpec is a Pulumi YAML program. It is kept as it is given, whatever it holds: what its parts mean is the
// business of Pulumi's YAML language host.
//
// +kubebuilder:pruning:PreserveUnknownFields
// +kubebuilder:object:generate=false
type ProgramSpec struct {
	// JSON holds, in Raw, the whole program as it was given.
	apiextensionsv1.JSON `json:"-"`

	// Schema is there for the CRD, which describes the usual parts of a program. It is always nil.
	Schema *ProgramSchema `json:",inline"`
}

// DeepCopyInto copies the program.
func (in *ProgramSpec) DeepCopyInto(out *ProgramSpec) {
	*out = ProgramSpec{JSON: *in.JSON.DeepCopy()}
}

// DeepCopy copies the program.
func (in *ProgramSpec) DeepCopy() *ProgramSpec {
	if in == nil {
		return nil
	}
	out := new(ProgramSpec)
	in.DeepCopyInto(out)
	return out
}

// Artifact is an archive of a source, in the shape of a Flux source's artifact.
type Artifact struct {
	// path of the archive in the store.
	// +required
	Path string `json:"path"`
	// url of the archive.
	// +required
	URL string `json:"url"`
	// revision of the source.
	// +required
	Revision string `json:"revision"`
	// digest of the archive, as "sha256:<hex>".
	// +kubebuilder:validation:Pattern="^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$"
	// +optional
	Digest string `json:"digest,omitempty"`
	// lastUpdateTime is when the archive was made.
	// +required
	LastUpdateTime metav1.Time `json:"lastUpdateTime"`
	// size of the archive in bytes.
	// +optional
	Size *int64 `json:"size,omitempty"`
	// metadata of the source.
	// +optional
	Metadata map[string]string `json:"metadata,omitempty"`
}

// ProgramStatus is what the program controller made of the program.
type ProgramStatus struct {
	// observedGeneration is the generation this status is about; -1 before the first.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// artifact is the program as an archive.
	// +optional
	Artifact *Artifact `json:"artifact,omitempty"`
	// conditions are Ready and Stalled.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// UnmarshalJSON reads what can be read. What cannot is left empty and recorded anew: only controllers write it.
func (s *ProgramStatus) UnmarshalJSON(data []byte) error {
	type plain ProgramStatus
	read, _, err := lenient.Unmarshal[plain](data)
	*s = ProgramStatus(read)
	return err
}

// Program is a Pulumi YAML program in an object.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=programs,scope=Namespaced,categories=pulumi
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="URL",type="string",JSONPath=".status.artifact.url"
type Program struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// program is the Pulumi YAML program.
	// +optional
	Program ProgramSpec `json:"program,omitempty,omitzero"`
	// status is what the program controller made of the program.
	// +kubebuilder:default:={"observedGeneration":-1}
	// +optional
	Status ProgramStatus `json:"status,omitempty,omitzero"`
}

// ProgramList is a list of Programs.
//
// +kubebuilder:object:root=true
type ProgramList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Program `json:"items"`
}
