package pod

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	strictjson "sigs.k8s.io/json"
)

// decodeSpec decodes a PodSpec and refuses wrong types and unknown fields, with the path of the first one.
func decodeSpec(value any, into *corev1.PodSpec) error {
	err := decodeStrict(value, into)
	if err == nil {
		return nil
	}
	path, problem := locate(value, func(candidate any) error { return decodeStrict(candidate, &corev1.PodSpec{}) })
	if problem == nil {
		problem = err
	}
	return &InvalidError{Path: pathTemplateSpec + path, Problem: wordsOf(problem)}
}

// decodeStrict decodes one value.
func decodeStrict(value any, into *corev1.PodSpec) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	strict, err := strictjson.UnmarshalStrict(data, into)
	if err == nil && len(strict) > 0 {
		err = strict[0]
	}
	return err
}

// locate finds the smallest part of value that is refused by itself, and says where it is and why. Decoders name a
// path for some errors only (none for a malformed quantity), so it is found by looking.
func locate(value any, try func(any) error) (string, error) {
	problem := try(value)
	if problem == nil {
		return "", nil
	}
	switch v := value.(type) {
	case map[string]any:
		if empty := try(map[string]any{}); empty != nil {
			return "", empty
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			path, err := locate(v[key], func(child any) error { return try(map[string]any{key: child}) })
			if err != nil {
				return "." + key + path, err
			}
		}
	case []any:
		if empty := try([]any{}); empty != nil {
			return "", empty
		}
		for i, element := range v {
			path, err := locate(element, func(child any) error { return try([]any{child}) })
			if err != nil {
				return fmt.Sprintf("[%d]%s", i, path), err
			}
		}
	}
	return "", problem
}

// wordsOf makes a decoder's message readable beside the path.
func wordsOf(err error) string {
	message := strings.TrimPrefix(err.Error(), "json: ")
	if strings.HasPrefix(message, "unknown field") {
		return "there is no such field in a pod's spec"
	}
	return message
}

// checkMergeKeys refuses list elements that cannot be merged since they lack what identifies them.
func checkMergeKeys(meta strategicpatch.LookupPatchMeta, value map[string]any, path string) error {
	for _, field := range slices.Sorted(maps.Keys(value)) {
		var err error
		switch child := value[field].(type) {
		case map[string]any:
			// A field that is no struct (a map of labels, say) holds no merged lists.
			if sub, _, lookup := meta.LookupPatchMetadataForStruct(field); lookup == nil {
				err = checkMergeKeys(sub, child, path+"."+field)
			}
		case []any:
			if sub, merge, lookup := meta.LookupPatchMetadataForSlice(field); lookup == nil {
				err = checkElements(sub, merge.GetPatchMergeKey(), child, path+"."+field)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkElements is checkMergeKeys for the elements of one list.
func checkElements(meta strategicpatch.LookupPatchMeta, mergeKey string, elements []any, path string) error {
	for i, element := range elements {
		fields, ok := element.(map[string]any)
		if !ok {
			continue
		}
		at := fmt.Sprintf("%s[%d]", path, i)
		if _, ok := fields[mergeKey]; mergeKey != "" && !ok {
			return &InvalidError{Path: at + "." + mergeKey, Problem: "is missing: it says what to merge with"}
		}
		if err := checkMergeKeys(meta, fields, at); err != nil {
			return err
		}
	}
	return nil
}
