package v1

// WorkspaceReclaimPolicy says what happens to a Workspace after a success.
type WorkspaceReclaimPolicy string

const (
	// WorkspaceReclaimRetain keeps the Workspace; its pod goes after the idle time.
	WorkspaceReclaimRetain WorkspaceReclaimPolicy = "Retain"
	// WorkspaceReclaimDelete deletes the Workspace.
	WorkspaceReclaimDelete WorkspaceReclaimPolicy = "Delete"
)

// ProgramReference names a Program of the same namespace.
type ProgramReference struct {
	// name of the Program.
	// +required
	Name string `json:"name"`
}

// FluxSource is a Flux source and a directory in its artifact.
type FluxSource struct {
	// sourceRef names the source object.
	// +required
	SourceRef FluxSourceReference `json:"sourceRef"`
	// dir is the directory of the program in the artifact.
	// +optional
	Dir string `json:"dir,omitempty"`
}

// FluxSourceReference names an object that has a Flux artifact in its status.
type FluxSourceReference struct {
	// apiVersion of the source.
	// +required
	APIVersion string `json:"apiVersion"`
	// kind of the source.
	// +required
	Kind string `json:"kind"`
	// name of the source.
	// +required
	Name string `json:"name"`
}

// PrerequisiteRef is a Stack that has to succeed first.
type PrerequisiteRef struct {
	// name of the Stack.
	// +required
	Name string `json:"name"`
	// requirement it has to meet.
	// +optional
	Requirement *RequirementSpec `json:"requirement,omitempty"`
}

// RequirementSpec is what a prerequisite has to meet.
type RequirementSpec struct {
	// succeededWithinDuration is how old its last success may be, as a duration such as "1h".
	// +optional
	SucceededWithinDuration string `json:"succeededWithinDuration,omitempty"`
}

// ConfigMapRef is one key of a ConfigMap of the same namespace.
type ConfigMapRef struct {
	// name of the ConfigMap.
	// +required
	Name string `json:"name"`
	// key in the ConfigMap.
	// +required
	Key string `json:"key"`
	// json parses the value as JSON.
	// +optional
	JSON *bool `json:"json,omitempty"`
}
