package compat

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

type schema = apiextensionsv1.JSONSchemaProps

// walk gathers the differences of two schemas.
type walk struct {
	found []Difference
}

// CompareSchemas tells each place where ours refuses or loses what theirs accepts and keeps, and each place where what
// a value defaults to, or how lists and maps merge, is not the same.
func CompareSchemas(theirs, ours *schema) []Difference {
	w := &walk{}
	w.schemas("", theirs, ours)
	return w.found
}

func (w *walk) report(path, problem string, args ...any) {
	w.found = append(w.found, Difference{path, fmt.Sprintf(problem, args...)})
}

func (w *walk) schemas(path string, theirs, ours *schema) {
	w.defaults(path, theirs, ours)
	if acceptsAnything(ours) {
		return
	}
	if !w.types(path, theirs, ours) {
		return
	}
	w.values(path, theirs, ours)
	w.numbers(path, theirs, ours)
	w.sizes(path, theirs, ours)
	w.structure(path, theirs, ours)
	w.properties(path, theirs, ours)
	w.additional(path, theirs, ours)
	w.items(path, theirs, ours)
}

func acceptsAnything(s *schema) bool { return s.Type == "" && preserves(s) && len(s.Properties) == 0 }

func preserves(s *schema) bool { return s.XPreserveUnknownFields != nil && *s.XPreserveUnknownFields }

func (w *walk) defaults(path string, theirs, ours *schema) {
	var their, our any
	// What does not decode is no JSON, which a definition that was loaded cannot hold.
	if theirs.Default != nil && json.Unmarshal(theirs.Default.Raw, &their) != nil ||
		ours.Default != nil && json.Unmarshal(ours.Default.Raw, &our) != nil {
		w.report(path, "has a default that is no JSON")
		return
	}
	if (theirs.Default == nil) != (ours.Default == nil) || !reflect.DeepEqual(their, our) {
		w.report(path, "defaults to %s, theirs to %s", shown(ours.Default), shown(theirs.Default))
	}
}

func shown(value *apiextensionsv1.JSON) string {
	if value == nil {
		return "nothing"
	}
	return string(value.Raw)
}

// types is false where the two have nothing in common, so that there is no sense in looking further.
func (w *walk) types(path string, theirs, ours *schema) bool {
	if theirs.Nullable && !ours.Nullable {
		w.report(path, "may not be null")
	}
	if ours.XIntOrString {
		if !theirs.XIntOrString && theirs.Type != "integer" && theirs.Type != "string" {
			w.report(path, "is an integer or a string, theirs is %s", typeOf(theirs))
			return false
		}
		return true
	}
	if ours.Type == theirs.Type && !theirs.XIntOrString || ours.Type == "number" && theirs.Type == "integer" {
		return true
	}
	w.report(path, "is %s, theirs is %s", typeOf(ours), typeOf(theirs))
	return false
}

func typeOf(s *schema) string {
	switch {
	case s.XIntOrString:
		return "an integer or a string"
	case s.Type == "":
		return "any value"
	}
	return s.Type
}

// structure is what server-side apply and the API server's own rules go by.
func (w *walk) structure(path string, theirs, ours *schema) {
	if preserves(theirs) && !preserves(ours) {
		w.report(path, "loses unknown fields")
	}
	if theirs.XEmbeddedResource != ours.XEmbeddedResource {
		w.report(path, "embeds a resource: %t, theirs: %t", ours.XEmbeddedResource, theirs.XEmbeddedResource)
	}
	if their, our := or(theirs.XListType, "atomic"), or(ours.XListType, "atomic"); their != our {
		w.report(path, "is a list of type %s, theirs of type %s", our, their)
	}
	if !reflect.DeepEqual(theirs.XListMapKeys, ours.XListMapKeys) {
		w.report(path, "has the list keys %v, theirs %v", ours.XListMapKeys, theirs.XListMapKeys)
	}
	if their, our := or(theirs.XMapType, "granular"), or(ours.XMapType, "granular"); their != our {
		w.report(path, "is a map of type %s, theirs of type %s", our, their)
	}
	for _, rule := range ours.XValidations {
		if !hasRule(theirs.XValidations, rule.Rule) {
			w.report(path, "has the rule %q, which theirs lacks", rule.Rule)
		}
	}
}

func or(value *string, otherwise string) string {
	if value == nil {
		return otherwise
	}
	return *value
}

func hasRule(rules apiextensionsv1.ValidationRules, rule string) bool {
	return slices.ContainsFunc(rules, func(r apiextensionsv1.ValidationRule) bool { return r.Rule == rule })
}

func (w *walk) properties(path string, theirs, ours *schema) {
	for _, name := range ours.Required {
		if !slices.Contains(theirs.Required, name) {
			w.report(join(path, name), "is required")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(theirs.Properties)) {
		their, our := theirs.Properties[name], schema{}
		switch known, ok := ours.Properties[name]; {
		case ok:
			our = known
		case ours.AdditionalProperties != nil && ours.AdditionalProperties.Schema != nil:
			our = *ours.AdditionalProperties.Schema
		case preserves(ours):
			continue
		default:
			w.report(join(path, name), "is missing")
			continue
		}
		w.schemas(join(path, name), &their, &our)
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// additional compares maps: where theirs takes any key, so must ours.
func (w *walk) additional(path string, theirs, ours *schema) {
	their, our := theirs.AdditionalProperties, ours.AdditionalProperties
	if their == nil {
		return
	}
	switch {
	case !their.Allows && their.Schema == nil:
	case our != nil && our.Schema != nil && their.Schema != nil:
		w.schemas(path+"{}", their.Schema, our.Schema)
	case our != nil && our.Schema != nil:
		w.report(path+"{}", "is %s, theirs is any value", typeOf(our.Schema))
	case our == nil && !preserves(ours):
		w.report(path, "takes no keys of the user's choice")
	}
	if len(ours.Properties) > 0 {
		w.report(path, "has fixed fields, theirs is a map")
	}
}

func (w *walk) items(path string, theirs, ours *schema) {
	if ours.Items == nil || ours.Items.Schema == nil {
		return
	}
	if theirs.Items == nil || theirs.Items.Schema == nil {
		w.report(path+"[]", "is %s, theirs is any value", typeOf(ours.Items.Schema))
		return
	}
	w.schemas(path+"[]", theirs.Items.Schema, ours.Items.Schema)
}
