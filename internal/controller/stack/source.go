package stack

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/source/program"
)

// Source is what there is to run.
type Source struct {
	// Revision names the state of the source: for a Program its generation. Empty where there is no source.
	Revision string
	// Artifact is the source as an archive; nil where there is none.
	Artifact *autov1alpha1.FluxSource
	// Project stands in for a source that is gone, which is enough to destroy a stack from its state.
	Project *autov1alpha1.ProjectInfo
}

// resolve finds the Stack's source. Where the Stack is being deleted and its source cannot be had, whatever the reason,
// the project on record stands in for it.
func (r *Reconciler) resolve(ctx context.Context, stack *pulumiv1.Stack) (Source, error) {
	source, err := r.resolveSource(ctx, stack)
	unavailable := errors.As(err, new(*failure.WaitingError)) || errors.As(err, new(*failure.TerminalError))
	if unavailable && deleting(stack) && stack.Status.ProjectInfo != nil && !stack.Spec.RunProgram {
		return Source{Project: stack.Status.ProjectInfo.DeepCopy()}, nil
	}
	return source, err
}

// resolveSource asks the source that the spec names; with several, git goes before Flux before Program, as in PKO.
func (r *Reconciler) resolveSource(ctx context.Context, stack *pulumiv1.Stack) (Source, error) {
	switch spec := &stack.Spec; {
	case !spec.GitSource.IsZero():
		return Source{}, failure.NewTerminal(pulumiv1.ReasonSpecInvalid,
			"git sources (spec.projectRepo and its like) are not supported by this version of Gantry; use spec.programRef")
	case spec.FluxSource != nil:
		return Source{}, failure.NewTerminal(pulumiv1.ReasonSpecInvalid,
			"Flux sources (spec.fluxSource) are not supported by this version of Gantry; use spec.programRef")
	case spec.ProgramRef != nil:
		return r.resolveProgram(ctx, stack)
	default:
		return Source{}, nil
	}
}

func (r *Reconciler) resolveProgram(ctx context.Context, stack *pulumiv1.Stack) (Source, error) {
	name := stack.Spec.ProgramRef.Name
	object := &pulumiv1.Program{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: stack.Namespace, Name: name}, object)
	if apierrors.IsNotFound(err) {
		return Source{}, failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "Program %q is not there: create it in namespace %q", name, stack.Namespace)
	}
	if err != nil {
		return Source{}, fmt.Errorf("get Program %s: %w", name, err)
	}
	archive, err := program.Archive(object)
	if err != nil {
		return Source{}, failure.NewTerminal(pulumiv1.ReasonSpecInvalid, "Program %q: %w", name, err)
	}
	digest, err := r.Artifacts.Put(ctx, archive)
	if err != nil {
		return Source{}, fmt.Errorf("store Program %s: %w", name, err)
	}
	return Source{
		Revision: program.Revision(object),
		Artifact: &autov1alpha1.FluxSource{Digest: digest, URL: r.ArtifactURL(digest)},
	}, nil
}
