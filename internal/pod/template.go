package pod

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/validate"
)

// InvalidError says what in a Workspace no pod can be built from. A person has to mend it.
type InvalidError struct {
	// Path of the field, from the Workspace's root.
	Path string
	// Problem with it.
	Problem string
}

// Error is the path and the problem.
func (e *InvalidError) Error() string { return e.Path + ": " + e.Problem }

// PathTemplate is the path of a Workspace's pod template, with which the paths of its errors begin.
const PathTemplate = "spec.podTemplate"

const pathTemplateSpec = PathTemplate + ".spec"

// template is the user's, decoded to look into and raw to merge: only the raw one tells what the user did not say.
type template struct {
	labels, annotations map[string]string
	spec                corev1.PodSpec
	raw                 map[string]any
}

// readTemplate decodes a template strictly. A template may be absent, or have no spec.
func readTemplate(from *autov1alpha1.EmbeddedPodTemplate) (*template, error) {
	t := &template{}
	if from == nil {
		return t, nil
	}
	t.labels, t.annotations = from.Metadata.Labels, from.Metadata.Annotations
	if from.Spec == nil || len(from.Spec.Raw) == 0 {
		return t, nil
	}
	var value any
	if err := utiljson.Unmarshal(from.Spec.Raw, &value); err != nil {
		return nil, &InvalidError{Path: pathTemplateSpec, Problem: "is not JSON"}
	}
	value = withoutNulls(value)
	if value == nil {
		return t, nil
	}
	if err := decodeSpec(value, &t.spec); err != nil {
		return nil, err
	}
	raw, ok := value.(map[string]any)
	if !ok {
		return nil, &InvalidError{Path: pathTemplateSpec, Problem: "is not an object"}
	}
	t.raw = raw
	return t, checkMergeKeys(podSpecMeta(), t.raw, pathTemplateSpec)
}

// checkImages refuses images of the template's containers whose names kubelet would refuse. A container may have none: it
// patches a generated one.
func checkImages(spec *corev1.PodSpec) error {
	var problems validate.Problems
	for field, containers := range map[string][]corev1.Container{"containers": spec.Containers, "initContainers": spec.InitContainers} {
		for i, container := range containers {
			if container.Image != "" {
				problems.Image(fmt.Sprintf("%s.%s[%d].image", pathTemplateSpec, field, i), container.Image)
			}
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return &InvalidError{Path: problems[0].Path, Problem: problems[0].Text}
}

// mergeOnto merges the template onto the generated one, strategically: lists with a merge key are merged by it, the
// template's elements first; others are replaced.
func (t *template) mergeOnto(generated *corev1.PodTemplateSpec) (*corev1.PodTemplateSpec, error) {
	for key, value := range t.labels {
		generated.Labels = withValue(generated.Labels, key, value)
	}
	for key, value := range t.annotations {
		generated.Annotations = withValue(generated.Annotations, key, value)
	}
	if len(t.raw) == 0 {
		return generated, nil
	}
	original, err := json.Marshal(generated.Spec)
	if err != nil {
		return nil, fmt.Errorf("encode the generated pod: %w", err)
	}
	patch, err := json.Marshal(t.raw)
	if err != nil {
		return nil, fmt.Errorf("encode the pod template: %w", err)
	}
	merged, err := strategicpatch.StrategicMergePatchUsingLookupPatchMeta(original, patch, podSpecMeta())
	if err != nil {
		return nil, &InvalidError{Path: pathTemplateSpec, Problem: "cannot be merged into the generated pod: " + err.Error()}
	}
	out := &corev1.PodTemplateSpec{ObjectMeta: generated.ObjectMeta}
	if err := json.Unmarshal(merged, &out.Spec); err != nil {
		return nil, fmt.Errorf("decode the merged pod: %w", err)
	}
	return out, nil
}

// podSpecMeta knows how the fields of a PodSpec are merged.
func podSpecMeta() strategicpatch.LookupPatchMeta {
	return strategicpatch.PatchMetaFromStruct{T: strategicpatch.GetTagStructTypeOrDie(corev1.PodSpec{})}
}

// withoutNulls drops nulls: like an absent field, and unlike in a merge patch, they say nothing. An empty
// "volumes:" of a chart must not remove the generated volumes.
func withoutNulls(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, child := range v {
			if child = withoutNulls(child); child == nil {
				delete(v, key)
			} else {
				v[key] = child
			}
		}
	case []any:
		kept := make([]any, 0, len(v))
		for _, child := range v {
			if child = withoutNulls(child); child != nil {
				kept = append(kept, child)
			}
		}
		return kept
	}
	return value
}
