package stack

import (
	"fmt"
	"net/url"
	"time"

	corev1 "k8s.io/api/core/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/validate"
)

// abandonValue is the one value of the annotation that counts: what cannot be taken back is not guessed at.
const abandonValue = "true"

// abandons tells that a person releases the Stack: once it goes, it goes without a destroy.
func abandons(stack *pulumiv1.Stack) bool {
	return stack.Annotations[pulumiv1.AnnotationAbandon] == abandonValue
}

// abandoned: a person releases the Stack. That counts even where the spec cannot be read, which may be why.
func abandoned(o Observed, now time.Time) *Step {
	if !deleting(o.Stack) || !abandons(o.Stack) {
		return nil
	}
	for _, without := range []check{nothingApplied, resourcesDestroyed} {
		if step := without(o, now); step != nil {
			return step
		}
	}
	return &Step{Act: Release, State: conditions.Ready(pulumiv1.ReasonProcessingCompleted,
		"the Stack goes without a destroy, as "+pulumiv1.AnnotationAbandon+" asks; left behind: "+inventory(o.Stack))}
}

// leftBehind is what is told of a Stack that goes while its resources stay; nil if it leaves none.
func leftBehind(o Observed) *notice {
	var now time.Time
	if nothingApplied(o, now) != nil || resourcesDestroyed(o, now) != nil {
		return nil
	}
	left := "left behind: " + inventory(o.Stack)
	if abandons(o.Stack) {
		return &notice{corev1.EventTypeWarning, pulumiv1.EventResourcesAbandoned, "Release", "the Stack goes without a destroy, as " + pulumiv1.AnnotationAbandon + " asks; " + left}
	}
	return &notice{corev1.EventTypeNormal, pulumiv1.EventResourcesKept, "Release", "the Stack goes without a destroy, since destroyOnFinalize is not set; " + left}
}

// inventory says what a Stack has, and where: enough to find it again when the Stack is gone.
func inventory(stack *pulumiv1.Stack) string {
	count := "an unknown number of resources"
	if n := stack.Status.Resources; n != nil {
		count = fmt.Sprintf("%d resources, the stack's own among them,", *n)
	}
	text := fmt.Sprintf("%s of the stack %s in %s", count, validate.Quote(stack.Spec.Stack), backendOf(&stack.Spec))
	if project := stack.Status.ProjectInfo; project != nil && project.Name != "" {
		text += ", project " + validate.Quote(project.Name)
	}
	if last := lastUpdate(stack); last != nil {
		text += fmt.Sprintf("; the last update was %s, which %s", last.Name, last.State)
	}
	return text
}

// backendVariable is the environment variable that names the backend.
const backendVariable = "PULUMI_BACKEND_URL"

// backendOf names the backend, as far as the spec says which it is, without what may be secret in its URL.
func backendOf(spec *pulumiv1.StackSpec) string {
	backend := spec.Backend
	if ref, ok := spec.EnvRefs[backendVariable]; ok && backend == "" {
		switch {
		case ref.LiteralRef != nil:
			backend = ref.LiteralRef.Value
		case ref.SecretRef != nil:
			return "the backend that Secret " + validate.Quote(ref.SecretRef.Name) + " names"
		}
	}
	if backend == "" {
		return "the backend that its environment names, or else Pulumi Cloud"
	}
	parsed, err := url.Parse(backend)
	if err != nil || parsed.Scheme == "" || parsed.Opaque != "" {
		return "the backend of " + backendVariable
	}
	parsed.User, parsed.RawQuery = nil, ""
	return "the backend " + validate.Quote(parsed.String())
}

// resourcesAfter is how many resources a stack has after an update, as far as that told. Where all of them were looked at, it is
// counted anew.
func resourcesAfter(before *int32, update *autov1alpha1.Update, state pulumiv1.StackUpdateState) *int32 {
	changes, succeeded := update.Status.Changes, state == pulumiv1.SucceededStackState
	made := changes["create"] + changes["import"] + changes["read"]
	after := int32(0)
	switch kind := update.Spec.Type; {
	case kind == autov1alpha1.DestroyUpdate && succeeded && len(update.Spec.Target) == 0:
	case kind == autov1alpha1.UpUpdate && succeeded && len(update.Spec.Target) == 0 && len(changes) > 0:
		after = made + changes["same"] + changes["update"] + changes["replace"]
	case kind == autov1alpha1.PreviewUpdate || before == nil:
		return before
	default:
		after = max(0, *before+made-changes["delete"])
	}
	return &after
}

// ignoredAnnotations are those of ours with a value that does nothing.
func ignoredAnnotations(stack *pulumiv1.Stack) []string {
	value, there := stack.Annotations[pulumiv1.AnnotationAbandon]
	if !there || value == abandonValue {
		return nil
	}
	return []string{fmt.Sprintf("metadata.annotations[%s]: %s does nothing; %q releases the Stack without a destroy when it is deleted",
		pulumiv1.AnnotationAbandon, validate.Quote(value), abandonValue)}
}
