package operator

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/artifact"
	"github.com/gantry-operator/gantry/internal/hub"
)

const (
	// sweepEvery is how often artifacts that nobody uses are removed.
	sweepEvery = time.Hour
	// sweepAfter is how old they have to be: an artifact is stored before the object that names it is written.
	sweepAfter = time.Hour
)

// entitled tells whether a Workspace's pod may have an artifact: its spec names it, or its operation does.
func entitled(cached client.Reader, sessions *hub.Hub) func(context.Context, types.NamespacedName, string) bool {
	return func(ctx context.Context, name types.NamespacedName, digest string) bool {
		if sessions.Fetches(name, digest) {
			return true
		}
		workspace := &autov1alpha1.Workspace{}
		if err := cached.Get(ctx, name, workspace); err != nil {
			return false
		}
		return workspace.Spec.Flux != nil && workspace.Spec.Flux.Digest == digest
	}
}

// sweeper removes artifacts that no Workspace and no Program names.
type sweeper struct {
	cached client.Reader
	store  *artifact.Store
	clock  clock.WithTicker
	log    logr.Logger
}

// NeedLeaderElection says that only the leader's store is used, so only it is swept.
func (s *sweeper) NeedLeaderElection() bool { return true }

// Start sweeps until ctx is done.
func (s *sweeper) Start(ctx context.Context) error {
	ticker := s.clock.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
			removed, err := s.sweep(ctx)
			if err != nil && ctx.Err() == nil {
				s.log.Error(err, "Could not remove old artifacts")
			}
			if removed > 0 {
				s.log.V(1).Info("Removed old artifacts", "count", removed)
			}
		}
	}
}

// sweep removes what is not in use now.
func (s *sweeper) sweep(ctx context.Context) (removed int, err error) {
	var workspaces autov1alpha1.WorkspaceList
	if err := s.cached.List(ctx, &workspaces); err != nil {
		return 0, fmt.Errorf("list Workspaces: %w", err)
	}
	var programs pulumiv1.ProgramList
	if err := s.cached.List(ctx, &programs); err != nil {
		return 0, fmt.Errorf("list Programs: %w", err)
	}
	keep := map[string]bool{}
	for i := range workspaces.Items {
		if flux := workspaces.Items[i].Spec.Flux; flux != nil {
			keep[flux.Digest] = true
		}
	}
	for i := range programs.Items {
		if made := programs.Items[i].Status.Artifact; made != nil {
			keep[made.Digest] = true
		}
	}
	return s.store.Sweep(keep, s.clock.Now().Add(-sweepAfter))
}
