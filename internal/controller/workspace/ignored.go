package workspace

import (
	"fmt"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/conditions"
)

// ignored lists the fields of the spec that are set and have no effect.
func ignored(spec *autov1alpha1.WorkspaceSpec) []string {
	fields := conditions.IgnoredSources(
		conditions.Source{Field: "spec.git", Set: spec.Git != nil},
		conditions.Source{Field: "spec.flux", Set: spec.Flux != nil},
		conditions.Source{Field: "spec.local", Set: spec.Local != nil},
		conditions.Source{Field: "spec.projectInfo", Set: spec.ProjectInfo != nil},
	)
	fields = append(fields, ignoredProviders(spec.Stacks)...)
	if spec.ServiceTemplate != nil {
		fields = append(fields, "spec.serviceTemplate: there is no Service, since nothing connects to the pod; remove it")
	}
	if k := spec.Kubeconfig; k != nil && k.SecretRef != nil && k.Type != autov1alpha1.KubeconfigSecret {
		fields = append(fields, "spec.kubeconfig.secretRef: it is read with type Secret only")
	}
	return fields
}

// ignoredProviders are the secrets providers of stacks that are not made here.
func ignoredProviders(stacks []autov1alpha1.WorkspaceStack) []string {
	var fields []string
	for i := range stacks {
		stack := &stacks[i]
		if stack.SecretsProvider != nil && *stack.SecretsProvider != "" && (stack.Create == nil || !*stack.Create) {
			fields = append(fields, fmt.Sprintf("spec.stacks[%s].secretsProvider: it is used when the stack is made only; set create: true", stack.Name))
		}
	}
	return fields
}
