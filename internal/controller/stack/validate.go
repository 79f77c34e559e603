package stack

import (
	"errors"
	"fmt"
	"strings"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/configitems"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/pod"
	"github.com/gantry-operator/gantry/internal/validate"
)

// invalidSpec is a failure.TerminalError that says all that is wrong with the spec by itself, whatever the source is. A
// deletion is held up only by what its destroy needs.
func invalidSpec(stack *pulumiv1.Stack) error {
	spec := &stack.Spec
	var p validate.Problems
	p.StackName("spec.stack", spec.Stack)
	p = append(p, configitems.Check(stack.Namespace, spec)...)
	if spec.SecretsProvider != "" {
		p.Text("spec.secretsProvider", spec.SecretsProvider)
	}
	if spec.ServiceAccountName != "" {
		p.ObjectName("spec.serviceAccountName", "ServiceAccount", spec.ServiceAccountName)
	}
	for i, environment := range spec.Environment {
		p.Text(fmt.Sprintf("spec.environment[%d]", i), environment)
	}
	checkKubeconfig(&p, stack)
	if !deleting(stack) {
		checkRun(&p, stack)
	}
	checkTemplates(&p, spec)
	if len(p) == 0 {
		return nil
	}
	return failure.NewTerminal(pulumiv1.ReasonSpecInvalid, "%s", p)
}

// checkKubeconfig checks where the kubeconfig comes from; what is not another Stack's output is the Workspace's.
func checkKubeconfig(p *validate.Problems, stack *pulumiv1.Stack) {
	const at = "spec.kubeconfig"
	from := stack.Spec.Kubeconfig
	if from == nil {
		return
	}
	given := from.Type == pulumiv1.KubeconfigStackOutput
	switch {
	case from.SecretRef != nil && from.Type != pulumiv1.KubeconfigSecret:
		p.Add(at+".secretRef", "is for type Secret only")
	case from.StackRef != nil && !given:
		p.Add(at+".stackRef", "is for type StackOutput only")
	case given && from.StackRef == nil:
		p.Add(at+".stackRef", "is needed with type StackOutput")
	case given:
		p.ObjectName(at+".stackRef.name", "Stack", from.StackRef.Name)
		p.Text(at+".stackRef.output", from.StackRef.Output)
		if from.StackRef.Name == stack.Name {
			p.Add(at+".stackRef.name", "is the Stack itself, which cannot take its own output: name another one")
		}
	default:
		p.Kubeconfig(at, workspaceKubeconfig(stack))
	}
}

// checkRun checks what a destroy has no need of.
func checkRun(p *validate.Problems, stack *pulumiv1.Stack) {
	spec := &stack.Spec
	if spec.ProgramRef != nil {
		p.ObjectName("spec.programRef.name", "Program", spec.ProgramRef.Name)
	}
	if usesGit(spec) {
		checkGit(p, stack.Namespace, &spec.GitSource)
	} else if spec.FluxSource != nil {
		checkFlux(p, spec.FluxSource)
	}
	p.Targets("spec.targets", spec.Targets)
	for i, ref := range spec.Prerequisites {
		at := fmt.Sprintf("spec.prerequisites[%d]", i)
		p.ObjectName(at+".name", "Stack", ref.Name)
		if ref.Name == stack.Name {
			p.Add(at+".name", "is the Stack itself, which can never have run before it runs: remove it")
		}
		if _, err := (Prerequisite{PrerequisiteRef: ref}).within(); err != nil {
			p.Add(at+".requirement.succeededWithinDuration", "%v", err)
		}
	}
}

// checkTemplates checks the kinds and the metadata of both templates, and the Update that a template makes.
func checkTemplates(p *validate.Problems, spec *pulumiv1.StackSpec) {
	if t := spec.WorkspaceTemplate; t != nil {
		checkKind(p, "spec.workspaceTemplate", t.APIVersion, t.Kind, "Workspace")
		checkMetadata(p, "spec.workspaceTemplate.metadata", t.Metadata)
	}
	template := spec.UpdateTemplate
	if template == nil {
		return
	}
	checkKind(p, "spec.updateTemplate", template.APIVersion, template.Kind, "Update")
	checkMetadata(p, "spec.updateTemplate.metadata", template.Metadata)
	if template.Spec == nil {
		return
	}
	if unreadable := template.Spec.Unreadable; unreadable != "" {
		p.Add("spec.updateTemplate.spec", "cannot be read: %s", unreadable)
		return
	}
	update := &autov1alpha1.Update{Spec: autov1alpha1.UpdateSpec{WorkspaceName: "workspace", StackName: "stack", Type: autov1alpha1.UpUpdate}}
	if err := mergeUpdateTemplate(update, template); err != nil {
		p.Add("spec.updateTemplate.spec", "%v", err)
		return
	}
	if ttl := update.Spec.TTLAfterCompleted; ttl != nil && *ttl != "" {
		p.Duration("spec.updateTemplate.spec.ttlAfterCompleted", *ttl)
	}
	*p = append(*p, below("spec.updateTemplate.", validate.Update(&update.Spec))...)
}

// checkKind checks what a template says it is, where it says so.
func checkKind(p *validate.Problems, at, apiVersion, kind, want string) {
	if group := autov1alpha1.GroupVersion.String(); apiVersion != "" && apiVersion != group {
		p.Add(at+".apiVersion", "%s is not %s: correct or remove it", validate.Quote(apiVersion), group)
	}
	if kind != "" && kind != want {
		p.Add(at+".kind", "%s is not %s: correct or remove it", validate.Quote(kind), want)
	}
}

func checkMetadata(p *validate.Problems, at string, metadata *pulumiv1.TemplateObjectMeta) {
	if metadata != nil {
		p.Labels(at+".labels", metadata.Labels)
		p.Annotations(at+".annotations", metadata.Annotations)
	}
}

// invalidWorkspace is a failure.TerminalError that says what is wrong with a Workspace made from a template, and where in
// the template: what is not the template's has been checked before.
func invalidWorkspace(workspace *autov1alpha1.Workspace) error {
	if p := below(workspaceTemplate, validate.Workspace(&workspace.Spec)); len(p) > 0 {
		return failure.NewTerminal(pulumiv1.ReasonSpecInvalid, "%s", p)
	}
	var invalid *pod.InvalidError
	if _, err := pod.Build(workspace, pod.Settings{}); errors.As(err, &invalid) {
		return failure.NewTerminal(pulumiv1.ReasonSpecInvalid, "%s%s", workspaceTemplate, invalid)
	}
	return nil
}

const workspaceTemplate = "spec.workspaceTemplate."

// below are the problems of an object that a template makes, with paths in the template.
func below(template string, problems validate.Problems) validate.Problems {
	for i := range problems {
		problems[i].Path = template + strings.TrimPrefix(problems[i].Path, template)
	}
	return problems
}
