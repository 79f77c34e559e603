package stack

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/source/git"
	"github.com/gantry-operator/gantry/internal/source/program"
)

// Source is what there is to run.
type Source struct {
	// Revision names the state of the source: a git commit, a Flux revision, the generation of a Program. Empty where
	// there is no source.
	Revision string
	// Content identifies the files, where the revision alone does not; Selected says that it decides whether something
	// changed, whatever the revision is.
	Content  string
	Selected bool
	// Artifact is the source as an archive; nil where there is none.
	Artifact *autov1alpha1.FluxSource
	// Project stands in for a source that is gone, which is enough to destroy a stack from its state.
	Project *autov1alpha1.ProjectInfo
	// Origin stands for what the spec says of the source; empty where no record can stand in for it.
	Origin string
	// Pending says that somebody looks for a newer revision right now; Stale, why nobody can.
	Pending, Stale string
}

// record is the source as a status has it; nil of none.
func (s Source) record() *pulumiv1.SourceRecord {
	if s.Artifact == nil {
		return nil
	}
	return &pulumiv1.SourceRecord{
		Revision: s.Revision, Digest: s.Artifact.Digest, Content: s.Content, Dir: s.Artifact.Dir, Origin: s.Origin,
	}
}

// recorded is the source that a record is of.
func (r *Reconciler) recorded(record *pulumiv1.SourceRecord, revision string) Source {
	return Source{
		Revision: revision, Content: record.Content, Origin: record.Origin,
		Artifact: &autov1alpha1.FluxSource{Digest: record.Digest, URL: r.ArtifactURL(record.Digest), Dir: record.Dir},
	}
}

// resolve finds the Stack's source.
func (r *Reconciler) resolve(ctx context.Context, stack *pulumiv1.Stack) (Source, error) {
	if deleting(stack) {
		return r.resolveLast(ctx, stack)
	}
	source, err := r.resolveSource(ctx, stack)
	return r.standIn(stack, source, err)
}

// resolveLast finds the source of a destroy: what was applied last, which is kept for this. Without it, it is the source as
// it is now; and where that cannot be had, whatever the reason, the project on record stands in for it.
func (r *Reconciler) resolveLast(ctx context.Context, stack *pulumiv1.Stack) (Source, error) {
	if kept := stack.Status.Source; kept != nil && r.Artifacts.Has(kept.Digest) {
		r.unfollow(client.ObjectKeyFromObject(stack))
		return r.recorded(kept, kept.Revision), nil
	}
	source, err := r.resolveSource(ctx, stack)
	if errors.As(err, new(*git.StaleError)) {
		return source, nil
	}
	waiting, waits := failure.AsWaiting(err)
	unavailable := errors.As(err, new(*failure.TerminalError)) || (waits && waiting.Reason != pulumiv1.ReasonStackProcessing)
	if unavailable && stack.Status.ProjectInfo != nil && !stack.Spec.RunProgram {
		return Source{Project: stack.Status.ProjectInfo.DeepCopy()}, nil
	}
	return source, err
}

// standIn is what was run last, while what the spec names cannot be told or fetched right now: a host that is away, or a
// manager that has just started, is no reason to call a stack anything but ready.
func (r *Reconciler) standIn(stack *pulumiv1.Stack, source Source, err error) (Source, error) {
	stale := &git.StaleError{}
	if errors.As(err, &stale) {
		if stale.Pending {
			source.Pending = err.Error()
		} else {
			source.Stale = err.Error()
		}
		return source, nil
	}
	waiting, waits := failure.AsWaiting(err)
	record, revision := lastSource(stack)
	if !waits || record == nil || source.Origin == "" || record.Origin != source.Origin {
		return source, err
	}
	known := r.recorded(record, revision)
	known.Selected = source.Selected
	if waiting.Reason != pulumiv1.ReasonStackProcessing {
		known.Stale = err.Error()
	}
	// Nothing runs from an archive that is not there.
	if known.Stale == "" || !r.Artifacts.Has(record.Digest) {
		known.Pending = err.Error()
	}
	return known, nil
}

// restore has the archive fetched again of an operation that runs, if the store has lost it: its pod may not have got it
// yet. A Program's is the Program controller's. Where it cannot be had, the pod says so.
func (r *Reconciler) restore(ctx context.Context, stack *pulumiv1.Stack) {
	current, name := stack.Status.CurrentUpdate, client.ObjectKeyFromObject(stack)
	if current == nil || current.Source == nil || r.Artifacts.Has(current.Source.Digest) {
		return
	}
	var err error
	switch {
	case usesGit(&stack.Spec) && git.IsCommit(current.Commit):
		var wanted git.Request
		if wanted, err = r.gitRequest(ctx, stack); err == nil {
			wanted.Ref, wanted.Token = "", ""
			wanted.At(current.Commit)
			_, err = r.Git.Observe(consumer(name), wanted)
		}
	case stack.Spec.FluxSource != nil:
		_, err = r.resolveFlux(ctx, stack)
	}
	ctrl.LoggerFrom(ctx).V(1).Info("The archive of a running operation is not in the store", "digest", current.Source.Digest, "error", fmt.Sprint(err))
}

// lastSource is the source of the update under way, or else of the last one, and what its revision is called now.
func lastSource(stack *pulumiv1.Stack) (record *pulumiv1.SourceRecord, revision string) {
	if current := stack.Status.CurrentUpdate; current != nil && current.Source != nil {
		return current.Source, current.Commit
	}
	if last := lastUpdate(stack); last != nil {
		return last.Source, last.LastAttemptedCommit
	}
	return nil, ""
}

// resolveSource asks the source that the spec names; with several, git goes before Flux before Program, as in PKO.
func (r *Reconciler) resolveSource(ctx context.Context, stack *pulumiv1.Stack) (Source, error) {
	if usesGit(&stack.Spec) {
		r.Flux.Forget(consumer(client.ObjectKeyFromObject(stack)))
		return r.resolveGit(ctx, stack)
	}
	r.Git.Forget(consumer(client.ObjectKeyFromObject(stack)))
	switch spec := &stack.Spec; {
	case spec.FluxSource != nil:
		return r.resolveFlux(ctx, stack)
	case spec.ProgramRef != nil:
		r.Flux.Forget(consumer(client.ObjectKeyFromObject(stack)))
		return r.resolveProgram(ctx, stack, spec.ProgramRef.Name, "")
	default:
		r.Flux.Forget(consumer(client.ObjectKeyFromObject(stack)))
		return Source{}, nil
	}
}

func (r *Reconciler) resolveProgram(ctx context.Context, stack *pulumiv1.Stack, name, dir string) (Source, error) {
	object := &pulumiv1.Program{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: stack.Namespace, Name: name}, object)
	if apierrors.IsNotFound(err) {
		return Source{}, failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "Program %q is not there: create it in namespace %q", name, stack.Namespace)
	}
	if err != nil {
		return Source{}, fmt.Errorf("get Program %s: %w", name, err)
	}
	if !object.DeletionTimestamp.IsZero() {
		// A deletion in the foreground raises the generation, which makes it no new program.
		return Source{}, failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "Program %q of namespace %q is being deleted: create it again when it is gone", name, stack.Namespace)
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
		Revision: program.Revision(object), Content: program.Content(object),
		Artifact: &autov1alpha1.FluxSource{Digest: digest, URL: r.ArtifactURL(digest), Dir: dir},
	}, nil
}

// newSource tells whether a source is another one than a record says: by its revision, unless it is its content that
// decides; and by its content where the revision is the same.
func newSource(o Observed, revision string, record *pulumiv1.SourceRecord) bool {
	if o.SourceErr != nil || o.Source.Project != nil {
		return o.SourceErr == nil && o.Source.Revision != revision
	}
	known := record != nil && record.Content != "" && o.Source.Content != "" && record.Origin == o.Source.Origin
	if known && (o.Source.Selected || revision == o.Source.Revision) {
		return record.Content != o.Source.Content
	}
	return revision != o.Source.Revision
}
