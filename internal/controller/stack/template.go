package stack

import (
	"encoding/json"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
)

// mergeTemplate merges a workspaceTemplate into a generated Workspace, as a strategic merge would: what the template
// gives wins, lists with a merge key are merged by it with the template's entries first, other lists are replaced.
func mergeTemplate(workspace *autov1alpha1.Workspace, template *pulumiv1.WorkspaceTemplate) error {
	if template == nil {
		return nil
	}
	if template.Metadata != nil {
		workspace.Labels = overlay(workspace.Labels, template.Metadata.Labels)
		workspace.Annotations = overlay(workspace.Annotations, template.Metadata.Annotations)
	}
	if template.Spec == nil {
		return nil
	}
	// What has a merge key is merged by itself; all else is a plain strategic merge.
	patch := template.Spec.DeepCopy()
	patch.PodTemplate, patch.Stacks, patch.Env = nil, nil, nil
	if err := strategicMerge(&workspace.Spec, patch); err != nil {
		return failure.NewTerminal(pulumiv1.ReasonSpecInvalid, "spec.workspaceTemplate.spec: %w", err)
	}
	workspace.Spec.Env = mergeEnv(template.Spec.Env, workspace.Spec.Env)
	var err error
	if workspace.Spec.Stacks, err = templateStacks(template.Spec.Stacks); err != nil {
		return failure.NewTerminal(pulumiv1.ReasonSpecInvalid, "spec.workspaceTemplate.spec.stacks: %w", err)
	}
	return mergePodTemplate(workspace, template.Spec.PodTemplate)
}

// mergePodTemplate merges a template's partial pod into the generated one.
func mergePodTemplate(workspace *autov1alpha1.Workspace, template *autov1alpha1.EmbeddedPodTemplate) error {
	if template == nil {
		return nil
	}
	if workspace.Spec.PodTemplate == nil || workspace.Spec.PodTemplate.Spec == nil {
		workspace.Spec.PodTemplate = template.DeepCopy()
		return nil
	}
	merged := workspace.Spec.PodTemplate
	merged.Metadata = *template.Metadata.DeepCopy()
	if template.Spec == nil {
		return nil
	}
	raw, err := strategicpatch.StrategicMergePatch(merged.Spec.Raw, template.Spec.Raw, corev1.PodSpec{})
	if err != nil {
		return failure.NewTerminal(pulumiv1.ReasonSpecInvalid, "spec.workspaceTemplate.spec.podTemplate.spec: %w", err)
	}
	merged.Spec = &apiextensionsv1.JSON{Raw: raw}
	return nil
}

// templateStacks turns a template's further stacks into a Workspace's.
func templateStacks(templates []pulumiv1.WorkspaceTemplateStack) ([]autov1alpha1.WorkspaceStack, error) {
	raw, err := json.Marshal(templates)
	if err != nil {
		return nil, err
	}
	var stacks []autov1alpha1.WorkspaceStack
	return stacks, json.Unmarshal(raw, &stacks)
}

// mergeUpdateTemplate merges an updateTemplate into a generated Update.
func mergeUpdateTemplate(update *autov1alpha1.Update, template *pulumiv1.UpdateTemplate) error {
	if template == nil {
		return nil
	}
	if template.Metadata != nil {
		update.Labels = overlay(update.Labels, template.Metadata.Labels)
		update.Annotations = overlay(update.Annotations, template.Metadata.Annotations)
	}
	if template.Spec == nil {
		return nil
	}
	if err := strategicMerge(&update.Spec, template.Spec); err != nil {
		return failure.NewTerminal(pulumiv1.ReasonSpecInvalid, "spec.updateTemplate.spec: %w", err)
	}
	return nil
}

// strategicMerge merges patch into target, both of which marshal to the same fields.
func strategicMerge[T, P any](target *T, patch P) error {
	original, err := json.Marshal(target)
	if err != nil {
		return err
	}
	changes, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	merged, err := strategicpatch.StrategicMergePatch(original, changes, *target)
	if err != nil {
		return err
	}
	var result T
	if err := json.Unmarshal(merged, &result); err != nil {
		return err
	}
	*target = result
	return nil
}

// mergeEnv puts the template's variables first and drops generated ones of the same name.
func mergeEnv(template, generated []corev1.EnvVar) []corev1.EnvVar {
	merged := slices.Clone(template)
	for _, variable := range generated {
		if !slices.ContainsFunc(merged, func(e corev1.EnvVar) bool { return e.Name == variable.Name }) {
			merged = append(merged, variable)
		}
	}
	return merged
}

func overlay(base, over map[string]string) map[string]string {
	merged := maps.Clone(base)
	if merged == nil && len(over) > 0 {
		merged = map[string]string{}
	}
	maps.Copy(merged, over)
	return merged
}
