package stack

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/configitems"
	"github.com/gantry-operator/gantry/internal/failure"
)

// updateTTL is how long a complete Update is kept.
const updateTTL = "24h0m0s"

// kindStack is the kind of what owns a Workspace.
const kindStack = "Stack"

// buildWorkspace makes the Workspace that a Stack asks for: the generated one, the template merged into it, and the
// stack itself, which no template can change. What cannot work is a failure.TerminalError.
func buildWorkspace(stack *pulumiv1.Stack, source Source) (*autov1alpha1.Workspace, error) {
	env, err := configitems.Environment(stack.Namespace, &stack.Spec)
	if err != nil {
		return nil, err
	}
	items, err := configitems.Of(stack.Namespace, &stack.Spec)
	if err != nil {
		return nil, err
	}
	template, err := podTemplate(items)
	if err != nil {
		return nil, err
	}
	workspace := &autov1alpha1.Workspace{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: stack.Namespace, Name: pulumiv1.WorkspaceName(stack.Name), Labels: childLabels(stack),
			OwnerReferences: []metav1.OwnerReference{ownerReference(stack, true)},
		},
		Spec: autov1alpha1.WorkspaceSpec{
			ServiceAccountName: stack.Spec.ServiceAccountName,
			Flux:               source.Artifact.DeepCopy(),
			ProjectInfo:        source.Project.DeepCopy(),
			Env:                env,
			Kubeconfig:         workspaceKubeconfig(stack),
			PodTemplate:        template,
		},
	}
	if err := mergeTemplate(workspace, stack.Spec.WorkspaceTemplate); err != nil {
		return nil, err
	}
	if source.Artifact != nil {
		workspace.Spec.Git = nil // a template's, which would go before it
	}
	workspace.Spec.EnvFrom = append(workspace.Spec.EnvFrom, configitems.EnvironmentFrom(&stack.Spec)...)
	for _, other := range workspace.Spec.Stacks {
		if other.Name == stack.Spec.Stack {
			return nil, failure.NewTerminal(pulumiv1.ReasonSpecInvalid, "spec.workspaceTemplate.spec.stacks: %q is the stack of spec.stack, which a template cannot change", other.Name)
		}
	}
	workspace.Spec.Stacks = append(workspace.Spec.Stacks, workspaceStack(stack, items.Config))
	dropEmpty(&workspace.Spec)
	return workspace, invalidWorkspace(workspace)
}

// dropEmpty drops what is there without a field set. Where it had fields before, an apply of it would make the API server
// store null, and refuse that.
func dropEmpty(spec *autov1alpha1.WorkspaceSpec) {
	if t := spec.PodTemplate; t != nil && t.Metadata.IsZero() && t.Spec == nil {
		spec.PodTemplate = nil
	}
	if t := spec.ServiceTemplate; t != nil && t.Metadata.IsZero() {
		spec.ServiceTemplate = nil
	}
	if r := spec.Resources; len(r.Limits)+len(r.Requests)+len(r.Claims) == 0 {
		spec.Resources = corev1.ResourceRequirements{}
	}
}

func workspaceStack(stack *pulumiv1.Stack, config []autov1alpha1.ConfigItem) autov1alpha1.WorkspaceStack {
	ws := autov1alpha1.WorkspaceStack{
		Name: stack.Spec.Stack, Create: new(!stack.Spec.UseLocalStackOnly), Config: config, Environment: stack.Spec.Environment,
	}
	if stack.Spec.SecretsProvider != "" {
		ws.SecretsProvider = new(stack.Spec.SecretsProvider)
	}
	return ws
}

// podTemplate mounts what the configuration reads; nil if it reads nothing.
func podTemplate(items *configitems.Items) (*autov1alpha1.EmbeddedPodTemplate, error) {
	if len(items.Volumes) == 0 {
		return nil, nil
	}
	// A partial spec: of the container nothing but what is to be merged.
	raw, err := json.Marshal(map[string]any{
		"containers": []corev1.Container{{Name: "pulumi", VolumeMounts: items.Mounts}},
		"volumes":    items.Volumes,
	})
	if err != nil {
		return nil, err
	}
	return &autov1alpha1.EmbeddedPodTemplate{Spec: &apiextensionsv1.JSON{Raw: raw}}, nil
}

// buildUpdate makes the Update of a step, to run in the given Workspace.
func buildUpdate(o Observed, step Step, workspace *autov1alpha1.Workspace) (*autov1alpha1.Update, error) {
	stack := o.Stack
	update := &autov1alpha1.Update{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: workspace.Namespace, Name: updateName(o, step), Labels: childLabels(stack),
			// The Stack's own keeps the Update until its result is on record, however soon it is deleted.
			Finalizers: []string{autov1alpha1.FinalizerOperation, pulumiv1.Finalizer},
		},
		Spec: autov1alpha1.UpdateSpec{
			WorkspaceName: workspace.Name, StackName: stack.Spec.Stack, Type: step.Type,
			TTLAfterCompleted: new(updateTTL), Message: new(step.Message),
		},
	}
	if step.Type == autov1alpha1.DestroyUpdate {
		update.Spec.RunProgram = new(stack.Spec.RunProgram)
	} else {
		update.Spec.Refresh = new(stack.Spec.Refresh)
		if stack.Spec.ExpectNoRefreshChanges {
			update.Spec.ExpectNoRefreshChanges = new(true)
		}
		update.Spec.Target = stack.Spec.Targets
		update.Spec.TargetDependents = new(stack.Spec.TargetDependents)
	}
	update.Spec.PendingOperations = pendingPolicy(stack, step.Type)
	if err := mergeUpdateTemplate(update, stack.Spec.UpdateTemplate); err != nil {
		return nil, err
	}
	controller := metav1.NewControllerRef(workspace, autov1alpha1.GroupVersion.WithKind("Workspace"))
	update.OwnerReferences = []metav1.OwnerReference{*controller}
	if o.Elsewhere == "" {
		update.OwnerReferences = append(update.OwnerReferences, ownerReference(stack, false))
		return update, nil
	}
	// Were it lost before it is on record, the destroy would run once more, and find nothing.
	update.Finalizers = []string{autov1alpha1.FinalizerOperation}
	update.Annotations = overlay(update.Annotations, map[string]string{pulumiv1.AnnotationStack: ownerName(stack)})
	return update, nil
}

// updateName is the same for the same reason to run, so that an Update is made once however often its making is tried;
// and another one after each update that ended, since the name of the last one is part of it.
func updateName(o Observed, step Step) string {
	last := ""
	if l := lastUpdate(o.Stack); l != nil {
		last = l.Name
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d\n%s\n%s\n%s\n%s", o.Stack.UID, last, o.Stack.Generation, requests(o.Stack),
		o.Source.Revision+o.Source.Content, step.Type, markOf(o.Inputs.Digests)))
	return pulumiv1.WorkspaceName(o.Stack.Name) + "-" + hex.EncodeToString(sum[:5])
}

// childLabels are the labels of what is made for a Stack. The Stack's own labels are not passed on: tools that track
// objects by label would take the children for their own.
func childLabels(stack *pulumiv1.Stack) map[string]string {
	return map[string]string{pulumiv1.LabelComponent: "stack", pulumiv1.LabelStackName: autov1alpha1.LabelValue(stack.Name)}
}

func ownerReference(stack *pulumiv1.Stack, controller bool) metav1.OwnerReference {
	ref := metav1.OwnerReference{
		APIVersion: pulumiv1.GroupVersion.String(), Kind: kindStack, Name: stack.Name, UID: stack.UID, BlockOwnerDeletion: new(true),
	}
	if controller {
		ref.Controller = new(true)
	}
	return ref
}
