package v1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// The types of this file describe the usual parts of a program in the CRD, for `kubectl explain` and for editors.
// Nothing reads a program through them. A key that they do not name is kept. What the language takes an expression for
// has no type here, and may be null; maps of any values have no schema for their values, since the API server would then
// drop values that are null.

// ProgramSchema is the outermost part of a program.
//
// +kubebuilder:object:generate=false
type ProgramSchema struct {
	// configuration declares the configuration keys that the program reads, by name: the type of each (String, Number,
	// Boolean, List<String> and the like), its default, and whether it is secret; or a value.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Configuration *apiextensionsv1.JSON `json:"configuration,omitempty"`
	// config is the project's configuration, by key: values, or declarations of them with type, default, items and secret.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Config *apiextensionsv1.JSON `json:"config,omitempty"`
	// resources of the program, by name.
	// +optional
	Resources map[string]programResource `json:"resources,omitempty"`
	// variables are values that other parts refer to, by name.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Variables *apiextensionsv1.JSON `json:"variables,omitempty"`
	// outputs of the stack, by name.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Outputs *apiextensionsv1.JSON `json:"outputs,omitempty"`
	// packages maps names of packages to where they come from: a source, or a description of one.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Packages *apiextensionsv1.JSON `json:"packages,omitempty"`
}

// programResource is one resource.
//
// +kubebuilder:pruning:PreserveUnknownFields
type programResource struct {
	// type is the token of the resource's type, such as kubernetes:core/v1:ConfigMap.
	// +kubebuilder:validation:MinLength=1
	// +required
	Type string `json:"type"`
	// properties are the resource's inputs, by name, or an expression that gives them.
	// +nullable
	// +optional
	Properties *apiextensionsv1.JSON `json:"properties,omitempty"`
	// options say how Pulumi treats the resource.
	// +optional
	Options *programOptions `json:"options,omitempty"`
	// get reads an existing resource instead of making one.
	// +optional
	Get *programGet `json:"get,omitempty"`
}

// programOptions say how Pulumi treats a resource.
//
// +kubebuilder:pruning:PreserveUnknownFields
type programOptions struct {
	// additionalSecretOutputs names outputs that are secret.
	// +optional
	AdditionalSecretOutputs []string `json:"additionalSecretOutputs,omitempty"`
	// aliases are other names that the resource had: URNs, or descriptions of them.
	// +nullable
	// +optional
	Aliases *apiextensionsv1.JSON `json:"aliases,omitempty"`
	// customTimeouts of the provider's operations.
	// +optional
	CustomTimeouts *programTimeouts `json:"customTimeouts,omitempty"`
	// deleteBeforeReplace deletes the old resource before its replacement is made.
	// +optional
	DeleteBeforeReplace bool `json:"deleteBeforeReplace,omitempty"`
	// dependsOn lists resources that come first.
	// +nullable
	// +optional
	DependsOn *apiextensionsv1.JSON `json:"dependsOn,omitempty"`
	// ignoreChanges lists properties whose changes are ignored.
	// +optional
	IgnoreChanges []string `json:"ignoreChanges,omitempty"`
	// import is the ID of an existing resource to take over.
	// +optional
	Import string `json:"import,omitempty"`
	// parent of the resource.
	// +nullable
	// +optional
	Parent *apiextensionsv1.JSON `json:"parent,omitempty"`
	// protect the resource from being deleted: true, false or an expression.
	// +nullable
	// +optional
	Protect *apiextensionsv1.JSON `json:"protect,omitempty"`
	// provider of the resource.
	// +nullable
	// +optional
	Provider *apiextensionsv1.JSON `json:"provider,omitempty"`
	// providers of a component's resources: a list, or by package.
	// +nullable
	// +optional
	Providers *apiextensionsv1.JSON `json:"providers,omitempty"`
	// version of the provider's plugin.
	// +optional
	Version string `json:"version,omitempty"`
}

// programTimeouts are durations such as "5m".
//
// +kubebuilder:pruning:PreserveUnknownFields
type programTimeouts struct {
	// create may take this long.
	// +nullable
	// +optional
	Create *apiextensionsv1.JSON `json:"create,omitempty"`
	// delete may take this long.
	// +nullable
	// +optional
	Delete *apiextensionsv1.JSON `json:"delete,omitempty"`
	// update may take this long.
	// +nullable
	// +optional
	Update *apiextensionsv1.JSON `json:"update,omitempty"`
}

// programGet names an existing resource.
//
// +kubebuilder:pruning:PreserveUnknownFields
type programGet struct {
	// id of the resource.
	// +nullable
	// +required
	ID *apiextensionsv1.JSON `json:"id"`
	// state narrows the search, by property.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	State *apiextensionsv1.JSON `json:"state,omitempty"`
}
