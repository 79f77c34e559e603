package compat

import (
	"fmt"
	"reflect"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// CompareDefinitions tells where ours refuses, loses or shows otherwise what theirs accepts, keeps and shows.
func CompareDefinitions(theirs, ours *apiextensionsv1.CustomResourceDefinition) []Difference {
	var found []Difference
	equal := func(what string, their, our any) {
		if !reflect.DeepEqual(their, our) {
			found = append(found, Difference{what, fmt.Sprintf("is %v, theirs is %v", our, their)})
		}
	}
	equal("group", theirs.Spec.Group, ours.Spec.Group)
	equal("scope", theirs.Spec.Scope, ours.Spec.Scope)
	equal("names", theirs.Spec.Names, ours.Spec.Names)
	equal("conversion", strategy(theirs), strategy(ours))
	for _, version := range theirs.Spec.Versions {
		at := slices.IndexFunc(ours.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
			return v.Name == version.Name
		})
		if at < 0 {
			found = append(found, Difference{version.Name, "version is missing"})
			continue
		}
		found = append(found, compareVersions(version, ours.Spec.Versions[at])...)
	}
	return found
}

func strategy(definition *apiextensionsv1.CustomResourceDefinition) apiextensionsv1.ConversionStrategyType {
	if definition.Spec.Conversion == nil {
		return apiextensionsv1.NoneConverter
	}
	return definition.Spec.Conversion.Strategy
}

// compareVersions wants all of a version equal, except for the schema, which may accept more.
func compareVersions(theirs, ours apiextensionsv1.CustomResourceDefinitionVersion) []Difference {
	var found []Difference
	equal := func(what string, their, our any) {
		if !reflect.DeepEqual(their, our) {
			found = append(found, Difference{theirs.Name + " " + what, fmt.Sprintf("is %v, theirs is %v", our, their)})
		}
	}
	equal("served", theirs.Served, ours.Served)
	equal("storage", theirs.Storage, ours.Storage)
	equal("deprecated", theirs.Deprecated, ours.Deprecated)
	equal("subresources", theirs.Subresources, ours.Subresources)
	equal("number of columns", len(theirs.AdditionalPrinterColumns), len(ours.AdditionalPrinterColumns))
	for i, column := range theirs.AdditionalPrinterColumns {
		if i < len(ours.AdditionalPrinterColumns) {
			our := ours.AdditionalPrinterColumns[i]
			column.Description, our.Description = "", ""
			equal(fmt.Sprintf("column %d", i), column, our)
		}
	}
	their, our := theirs.Schema.OpenAPIV3Schema, ours.Schema.OpenAPIV3Schema
	for _, difference := range CompareSchemas(their, our) {
		difference.Path = theirs.Name + " " + difference.Path
		found = append(found, difference)
	}
	return found
}
