package compat

import (
	"cmp"
	"reflect"
	"slices"
)

// values compares what single values are limited to by name.
func (w *walk) values(path string, theirs, ours *schema) {
	if ours.Pattern != "" && ours.Pattern != theirs.Pattern {
		w.report(path, "has the pattern %q, theirs %q", ours.Pattern, theirs.Pattern)
	}
	if !wider(ours.Format, theirs.Format) {
		w.report(path, "has the format %q, theirs %q", ours.Format, theirs.Format)
	}
	if len(ours.Enum) > 0 {
		if len(theirs.Enum) == 0 {
			w.report(path, "takes only some values")
		}
		for _, value := range theirs.Enum {
			same := func(v any) bool { return reflect.DeepEqual(v, value) }
			if !slices.ContainsFunc(anys(ours.Enum), same) {
				w.report(path, "does not take %s", value.Raw)
			}
		}
	}
	w.combined(path, theirs, ours)
}

func anys[T any](values []T) []any {
	all := make([]any, 0, len(values))
	for _, value := range values {
		all = append(all, value)
	}
	return all
}

// wider is true if what has the format theirs has the format ours, too.
func wider(ours, theirs string) bool {
	return ours == "" || ours == theirs || ours == "int64" && theirs == "int32" || ours == "double" && theirs == "float"
}

// combined compares schemas inside schemas, which are only ever taken over as they are.
func (w *walk) combined(path string, theirs, ours *schema) {
	for _, word := range []struct {
		name        string
		their, our  any
		oursIsEmpty bool
	}{
		{"allOf", theirs.AllOf, ours.AllOf, len(ours.AllOf) == 0},
		{"anyOf", theirs.AnyOf, ours.AnyOf, len(ours.AnyOf) == 0},
		{"oneOf", theirs.OneOf, ours.OneOf, len(ours.OneOf) == 0},
		{"not", theirs.Not, ours.Not, ours.Not == nil},
	} {
		if !word.oursIsEmpty && !reflect.DeepEqual(word.their, word.our) {
			w.report(path, "has another %s than theirs", word.name)
		}
	}
}

func (w *walk) numbers(path string, theirs, ours *schema) {
	if our, their := ours.Minimum, theirs.Minimum; our != nil && narrows(their, our, -1, ours.ExclusiveMinimum && !theirs.ExclusiveMinimum) {
		w.report(path, "has the higher minimum %v", *our)
	}
	if our, their := ours.Maximum, theirs.Maximum; our != nil && narrows(their, our, 1, ours.ExclusiveMaximum && !theirs.ExclusiveMaximum) {
		w.report(path, "has the lower maximum %v", *our)
	}
	if our, their := ours.MultipleOf, theirs.MultipleOf; our != nil && (their == nil || *their != *our) {
		w.report(path, "has to be a multiple of %v", *our)
	}
}

// narrows tells whether our limit takes less than theirs, which lies in the given direction from ours if so; equal
// limits narrow only if ours excludes the limit itself and theirs does not.
func narrows(their, our *float64, direction int, excludes bool) bool {
	return their == nil || cmp.Compare(*their, *our) == direction || (*their == *our && excludes)
}

func (w *walk) sizes(path string, theirs, ours *schema) {
	for _, limit := range []struct {
		name       string
		their, our *int64
	}{
		{"minLength", theirs.MinLength, ours.MinLength},
		{"minItems", theirs.MinItems, ours.MinItems},
		{"minProperties", theirs.MinProperties, ours.MinProperties},
	} {
		if limit.our != nil && *limit.our > 0 && (limit.their == nil || *limit.their < *limit.our) {
			w.report(path, "has the higher %s %d", limit.name, *limit.our)
		}
	}
	for _, limit := range []struct {
		name       string
		their, our *int64
	}{
		{"maxLength", theirs.MaxLength, ours.MaxLength},
		{"maxItems", theirs.MaxItems, ours.MaxItems},
		{"maxProperties", theirs.MaxProperties, ours.MaxProperties},
	} {
		if limit.our != nil && (limit.their == nil || *limit.their > *limit.our) {
			w.report(path, "has the lower %s %d", limit.name, *limit.our)
		}
	}
	if ours.UniqueItems && !theirs.UniqueItems {
		w.report(path, "takes no equal items")
	}
}
