package stack

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
)

// ignored lists the fields of the spec that are set and have no effect, with why, and what to do. A spec that cannot be
// read as a whole says less than it holds, and is not judged.
func ignored(spec *pulumiv1.StackSpec) []string {
	if spec.Unreadable != "" {
		return nil
	}
	fields := slices.Concat(
		ignoredSources(spec), ignoredTimes(spec), ignoredOptions(spec),
		ignoredBodies("spec.envRefs", spec.EnvRefs), ignoredBodies("spec.secretsRef", spec.SecretsRef),
	)
	if t := spec.WorkspaceTemplate; t != nil {
		fields = append(fields, ignoredTemplate("spec.workspaceTemplate", t.Metadata, t.Status != nil)...)
		fields = append(fields, ignoredOfWorkspace(t.Spec)...)
	}
	if t := spec.UpdateTemplate; t != nil {
		fields = append(fields, ignoredTemplate("spec.updateTemplate", t.Metadata, t.Status != nil)...)
	}
	return fields
}

// ignoredSources are all sources but the one that counts.
func ignoredSources(spec *pulumiv1.StackSpec) []string {
	template := &pulumiv1.WorkspaceTemplateSpec{}
	if spec.WorkspaceTemplate != nil && spec.WorkspaceTemplate.Spec != nil {
		template = spec.WorkspaceTemplate.Spec
	}
	return conditions.IgnoredSources(
		conditions.Source{Field: "spec.projectRepo", Set: usesGit(spec)},
		conditions.Source{Field: "spec.fluxSource", Set: spec.FluxSource != nil},
		conditions.Source{Field: "spec.programRef", Set: spec.ProgramRef != nil},
		conditions.Source{Field: "spec.workspaceTemplate.spec.git", Set: template.Git != nil},
		conditions.Source{Field: "spec.workspaceTemplate.spec.local", Set: template.Local != nil},
		conditions.Source{Field: "spec.workspaceTemplate.spec.projectInfo", Set: template.ProjectInfo != nil},
	)
}

// usesGit tells whether the source is a git repository, which any of its fields selects.
func usesGit(spec *pulumiv1.StackSpec) bool {
	return !reflect.ValueOf(spec.GitSource).IsZero()
}

// ignoredTimes are numbers of seconds that do not count, or not as they are.
func ignoredTimes(spec *pulumiv1.StackSpec) []string {
	var fields []string
	shortest := int64(minResync.Seconds())
	switch seconds := spec.ResyncFrequencySeconds; {
	case seconds == 0:
	case !spec.ContinueResyncOnCommitMatch && (!usesGit(spec) || spec.Branch == ""):
		fields = append(fields, "spec.resyncFrequencySeconds: nothing is resynced or polled; set continueResyncOnCommitMatch: true to run the stack at intervals")
	case seconds < shortest:
		fields = append(fields, fmt.Sprintf("spec.resyncFrequencySeconds: %d counts as %d, which is the shortest", seconds, shortest))
	}
	if spec.RetryMaxBackoffDurationSeconds < 0 {
		fields = append(fields, "spec.retryMaxBackoffDurationSeconds: a negative number stands for the default; give one that is at least 1, or none")
	}
	return fields
}

// ignoredOptions are options that need another one to do something.
func ignoredOptions(spec *pulumiv1.StackSpec) []string {
	update := &autov1alpha1.UpdateSpec{}
	if spec.UpdateTemplate != nil && spec.UpdateTemplate.Spec != nil {
		update = spec.UpdateTemplate.Spec
	}
	refresh := spec.Refresh
	if update.Refresh != nil {
		refresh = *update.Refresh
	}
	targets := len(spec.Targets) > 0 || len(update.Target) > 0
	var fields []string
	report := func(set bool, field, why string) {
		if set {
			fields = append(fields, field+": "+why)
		}
	}
	report(spec.TargetDependents && !targets, "spec.targetDependents", "there are no targets; name them in spec.targets")
	report(spec.ExpectNoRefreshChanges && !refresh, "spec.expectNoRefreshChanges", "nothing is refreshed; set refresh: true")
	report(spec.RunProgram && !spec.DestroyOnFinalize, "spec.runProgram", "it is for the destroy; set destroyOnFinalize: true to have one")
	report(spec.SecretsProvider != "" && spec.UseLocalStackOnly, "spec.secretsProvider", "it is used when the stack is made, which useLocalStackOnly forbids")
	destroys := spec.DestroyOnFinalize || update.Type == autov1alpha1.DestroyUpdate
	report(isTrue(update.Remove) && !destroys, "spec.updateTemplate.spec.remove", "it is for the destroy; set destroyOnFinalize: true to have one")
	return fields
}

func isTrue(b *bool) bool { return b != nil && *b }

// ignoredBodies are those of references that are not of their type.
func ignoredBodies(field string, refs map[string]pulumiv1.ResourceRef) []string {
	var fields []string
	for _, key := range slices.Sorted(maps.Keys(refs)) {
		ref := refs[key]
		bodies := []struct {
			name string
			set  bool
			kind pulumiv1.ResourceRefType
		}{
			{"secret", ref.SecretRef != nil, pulumiv1.ResourceRefSecret},
			{"literal", ref.LiteralRef != nil, pulumiv1.ResourceRefLiteral},
			{"env", ref.Env != nil, pulumiv1.ResourceRefEnv},
			{"filesystem", ref.FileSystem != nil, pulumiv1.ResourceRefFS},
		}
		for _, body := range bodies {
			if body.set && body.kind != ref.SelectorType {
				fields = append(fields, fmt.Sprintf("%s[%s].%s: the type is %s; remove it, or change the type", field, key, body.name, ref.SelectorType))
			}
		}
	}
	return fields
}

// ignoredTemplate is what a template may hold and no object is made of.
func ignoredTemplate(field string, metadata *pulumiv1.TemplateObjectMeta, status bool) []string {
	var fields []string
	if metadata != nil && len(metadata.Others) > 0 {
		fields = append(fields, fmt.Sprintf("%s.metadata (%s): only labels and annotations are used", field, strings.Join(metadata.Others, ", ")))
	}
	if status {
		fields = append(fields, field+".status: a status is not given but observed; remove it")
	}
	return fields
}

// ignoredOfWorkspace are fields of the Workspace that do nothing for the Stack.
func ignoredOfWorkspace(spec *pulumiv1.WorkspaceTemplateSpec) []string {
	var fields []string
	if spec == nil {
		return nil
	}
	if spec.ServiceTemplate != nil {
		fields = append(fields, "spec.workspaceTemplate.spec.serviceTemplate: there is no Service, since nothing connects to the pod; remove it")
	}
	if len(spec.Stacks) > 0 {
		fields = append(fields, "spec.workspaceTemplate.spec.stacks: the Stack runs none of them; they are for Updates that you make for its Workspace")
	}
	return fields
}
