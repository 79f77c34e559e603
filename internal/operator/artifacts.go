package operator

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/artifact"
	"github.com/gantry-operator/gantry/internal/artifact/pack"
	"github.com/gantry-operator/gantry/internal/controller/update"
	"github.com/gantry-operator/gantry/internal/hub"
)

// newStore makes the store as the options say.
func newStore(o Options, live artifact.Live) (*artifact.Store, error) {
	return artifact.NewStore(o.ArtifactDir, artifact.WithLive(live), artifact.WithBound(o.ArtifactStoreSize.Value()),
		artifact.WithLimits(pack.Limits{Bytes: o.ArtifactMaxSize.Value(), Files: o.ArtifactMaxFiles}))
}

// entitled tells whether a Workspace's pod may have an artifact: its spec names it, or its operation does, by what the hub
// knows, or by what is on record of the operation that another manager gave it.
func entitled(cached client.Reader, sessions *hub.Hub) func(context.Context, types.NamespacedName, string) bool {
	return func(ctx context.Context, name types.NamespacedName, digest string) bool {
		if sessions.Fetches(name, digest) {
			return true
		}
		workspace := &autov1alpha1.Workspace{}
		if err := cached.Get(ctx, name, workspace); err != nil {
			return false
		}
		if workspace.Spec.Flux != nil && workspace.Spec.Flux.Digest == digest {
			return true
		}
		var updates autov1alpha1.UpdateList
		err := cached.List(ctx, &updates, client.InNamespace(name.Namespace), client.MatchingFields{update.IndexWorkspaceName: name.Name})
		return err == nil && slices.ContainsFunc(updates.Items, func(u autov1alpha1.Update) bool { return runsFrom(&u) == digest })
	}
}

// runsFrom is the artifact of an Update's operation, if that is not over.
func runsFrom(u *autov1alpha1.Update) string {
	if meta.IsStatusConditionTrue(u.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete) {
		return ""
	}
	return u.Status.Digest
}

// named lists the artifacts that objects name, and those of operations under way. A Stack names what it applied last, so
// that it can be destroyed when its source is gone, and what it tried and tries.
func named(cached client.Reader, sessions *hub.Hub) artifact.Live {
	return func(ctx context.Context) (map[string]bool, error) {
		var workspaces autov1alpha1.WorkspaceList
		var programs pulumiv1.ProgramList
		var stacks pulumiv1.StackList
		var updates autov1alpha1.UpdateList
		for _, list := range []client.ObjectList{&workspaces, &programs, &stacks, &updates} {
			if err := cached.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
				return nil, fmt.Errorf("list what names artifacts: %w", err)
			}
		}
		all := map[string]bool{}
		for _, digest := range sessions.Sources() {
			all[digest] = true
		}
		each(workspaces.Items, all, func(w *autov1alpha1.Workspace) []string {
			if w.Spec.Flux == nil {
				return nil
			}
			return []string{w.Spec.Flux.Digest}
		})
		each(programs.Items, all, func(p *pulumiv1.Program) []string {
			if p.Status.Artifact == nil {
				return nil
			}
			return []string{p.Status.Artifact.Digest}
		})
		each(stacks.Items, all, func(s *pulumiv1.Stack) []string { return kept(&s.Status) })
		each(updates.Items, all, func(u *autov1alpha1.Update) []string { return []string{runsFrom(u)} })
		return all, nil
	}
}

// each adds the digests that objects name.
func each[T any](items []T, all map[string]bool, digests func(*T) []string) {
	for i := range items {
		for _, digest := range digests(&items[i]) {
			all[digest] = true
		}
	}
}

// kept are all artifacts that a Stack's status names.
func kept(status *pulumiv1.StackStatus) (digests []string) {
	records := []*pulumiv1.SourceRecord{status.Source}
	if status.LastUpdate != nil {
		records = append(records, status.LastUpdate.Source)
	}
	if status.CurrentUpdate != nil {
		records = append(records, status.CurrentUpdate.Source)
	}
	for _, record := range records {
		if record != nil {
			digests = append(digests, record.Digest)
		}
	}
	return digests
}

// known waits until the cache has the objects that name artifacts.
func known(objects cache.Cache) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, kind := range []client.Object{&autov1alpha1.Workspace{}, &pulumiv1.Program{}, &pulumiv1.Stack{}} {
			if _, err := objects.GetInformer(ctx, kind); err != nil {
				return fmt.Errorf("wait for the cache: %w", err)
			}
		}
		return nil
	}
}

// missingAtOnce is how many missing artifacts wait to be looked after. Of more, the pods ask again.
const missingAtOnce = 64

// missingArtifacts brings the digests of artifacts that pods ask for in vain to those who can store them again.
type missingArtifacts chan event.TypedGenericEvent[string]

// tell tells of one, if there is room.
func (m missingArtifacts) tell(digest string) {
	select {
	case m <- event.TypedGenericEvent[string]{Object: digest}:
	default:
	}
}
