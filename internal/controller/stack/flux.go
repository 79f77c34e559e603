package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/flux"
	"github.com/gantry-operator/gantry/internal/validate"
)

// Flux follows Flux sources.
type Flux interface {
	// Notify sets who is told which Stacks to look at again, since the answer of Observe changed.
	Notify(kind string, wake func(name types.NamespacedName))
	// Observe makes the source what the consumer follows, and answers the revision once it is in the store. It waits for
	// nobody: a *failure.WaitingError says that it is not there yet, a *failure.TerminalError that there will be none before
	// somebody acts; where the source names an artifact, they come with its revision and content. known are the digests
	// of archives in the store by their content.
	Observe(ctx context.Context, consumer source.Consumer, ref flux.Reference, known map[string]string) (source.Revision, error)
	// Forget ends what the consumer follows.
	Forget(consumer source.Consumer)
}

// resolveFlux asks for what the source serves now.
func (r *Reconciler) resolveFlux(ctx context.Context, stack *pulumiv1.Stack) (Source, error) {
	spec, name := stack.Spec.FluxSource, client.ObjectKeyFromObject(stack)
	ref, err := fluxReference(stack)
	if err != nil {
		r.Flux.Forget(consumer(name))
		return Source{}, err
	}
	if isProgram(ref.GroupVersionKind) {
		// A Program has an artifact in Flux's form, so that PKO takes it for a Flux source.
		r.Flux.Forget(consumer(name))
		return r.resolveProgram(ctx, stack, ref.Name, spec.Dir)
	}
	revision, err := r.Flux.Observe(ctx, consumer(name), ref, recordedArchives(stack))
	resolved := Source{Revision: revision.Revision, Content: revision.Content}
	// What ran last stands in for an artifact only if it is that: a manager that lost its disk fetches it again.
	record, ran := lastSource(stack)
	if err == nil || (record != nil && record.Content == revision.Content && ran == revision.Revision) {
		resolved.Origin = fluxOrigin(spec)
	}
	if err != nil {
		return resolved, err
	}
	resolved.Artifact = &autov1alpha1.FluxSource{Digest: revision.Digest, URL: r.ArtifactURL(revision.Digest), Dir: spec.Dir}
	return resolved, nil
}

// fluxReference is the object that a Stack names as its source.
func fluxReference(stack *pulumiv1.Stack) (flux.Reference, error) {
	var p validate.Problems // a Stack that goes was not asked for this before
	if checkFlux(&p, stack.Spec.FluxSource); len(p) > 0 {
		return flux.Reference{}, failure.NewTerminal(pulumiv1.ReasonSpecInvalid, "%s", p)
	}
	ref := stack.Spec.FluxSource.SourceRef
	return flux.Reference{
		GroupVersionKind: schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind),
		NamespacedName:   types.NamespacedName{Namespace: stack.Namespace, Name: ref.Name},
	}, nil
}

// checkFlux checks what a Stack says of its Flux source.
func checkFlux(p *validate.Problems, spec *pulumiv1.FluxSource) {
	const at = "spec.fluxSource.sourceRef"
	group, err := schema.ParseGroupVersion(spec.SourceRef.APIVersion)
	if err != nil || group.Group == "" || group.Version == "" {
		p.Add(at+".apiVersion", "%s is not a group and a version, such as source.toolkit.fluxcd.io/v1", validate.Quote(spec.SourceRef.APIVersion))
	}
	if spec.SourceRef.Kind == "" {
		p.Add(at+".kind", "is needed: it is the kind of the source, such as GitRepository")
	}
	p.ObjectName(at+".name", "source", spec.SourceRef.Name)
	p.SourcePath("spec.fluxSource.dir", spec.Dir)
}

// isProgram tells a Program from what Flux and others make.
func isProgram(kind schema.GroupVersionKind) bool {
	return kind.Group == pulumiv1.GroupVersion.Group && kind.Kind == "Program"
}

// recordedArchives are the archives that a Stack's status names, by their content.
func recordedArchives(stack *pulumiv1.Stack) map[string]string {
	records := []*pulumiv1.SourceRecord{stack.Status.Source}
	if last := stack.Status.LastUpdate; last != nil {
		records = append(records, last.Source)
	}
	if current := stack.Status.CurrentUpdate; current != nil {
		records = append(records, current.Source)
	}
	known := map[string]string{}
	for _, record := range records {
		if record != nil && record.Content != "" {
			known[record.Content] = record.Digest
		}
	}
	return known
}

// fluxOrigin stands for what the spec says of the source.
func fluxOrigin(spec *pulumiv1.FluxSource) string {
	ref := spec.SourceRef
	sum := sha256.Sum256(fmt.Appendf(nil, "flux\n%s\n%s\n%s\n%s", ref.APIVersion, ref.Kind, ref.Name, spec.Dir))
	return "flux:" + hex.EncodeToString(sum[:8])
}
