package operator

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/artifact"
	"github.com/gantry-operator/gantry/internal/claim"
	"github.com/gantry-operator/gantry/internal/controller/program"
	"github.com/gantry-operator/gantry/internal/controller/stack"
	"github.com/gantry-operator/gantry/internal/controller/update"
	"github.com/gantry-operator/gantry/internal/controller/workspace"
	"github.com/gantry-operator/gantry/internal/hub"
	"github.com/gantry-operator/gantry/internal/metrics"
	"github.com/gantry-operator/gantry/internal/pod"
	"github.com/gantry-operator/gantry/internal/references"
	"github.com/gantry-operator/gantry/internal/source/flux"
	"github.com/gantry-operator/gantry/internal/source/git"
	"github.com/gantry-operator/gantry/internal/tracing"
)

// parts are what the controllers are built from.
type parts struct {
	options Options
	// live reads and writes without the cache.
	live  client.Client
	clock clock.WithTicker
	hub   *hub.Hub
	// metrics measures.
	metrics *metrics.Recorder
	// traces makes traces of updates; nil makes none.
	traces  *tracing.Updates
	store   *artifact.Store
	missing missingArtifacts
	// url is where the leader serves an artifact.
	url func(digest string) string
	// inputs follows what Stacks name.
	inputs *references.Tracker
	// git follows repositories.
	git *git.Tracker
	// flux follows Flux sources.
	flux *flux.Follower
	// notifier tells Flux's notification controller of events.
	notifier notifier
	// pods is what every pod needs.
	pods pod.Settings
	// ca returns the present bundle.
	ca func() string
}

// addControllers is the list of the controllers.
func addControllers(ctx context.Context, mgr ctrl.Manager, p parts) error {
	if err := mgr.GetFieldIndexer().IndexField(ctx, &autov1alpha1.Update{}, update.IndexWorkspaceName, workspaceName); err != nil {
		return fmt.Errorf("index Updates by their Workspace: %w", err)
	}
	programs := &program.Reconciler{Client: mgr.GetClient(), Clock: p.clock, Store: p.store, URL: p.url, Missing: p.missing}
	stacks := &stack.Reconciler{
		Client: mgr.GetClient(), Reader: p.live, Clock: p.clock, Recorder: mgr.GetEventRecorder("stack-controller"),
		Artifacts: p.store, ArtifactURL: p.url, Inputs: p.inputs,
		Git: p.git, Flux: p.flux, DestroyNamespace: p.options.DestroyNamespace,
		Claims: &claim.Tracker{}, Projects: claim.NewProjects(p.openArchive),
		Edits: stack.NewEdits(p.clock),
	}
	if p.notifier.poster != nil {
		stacks.Notifier = p.notifier.poster
	}
	workspaces := &workspace.Reconciler{
		Client: mgr.GetClient(), Reader: p.live, Clock: p.clock, Recorder: mgr.GetEventRecorder("workspace-controller"),
		Metrics: p.metrics, Hub: p.hub, Pods: p.pods, CA: p.ca, IdleTimeout: p.options.IdleTimeout, Concurrency: p.options.Concurrency,
	}
	updates := &update.Reconciler{
		Client: mgr.GetClient(), Reader: p.live, Clock: p.clock, Recorder: mgr.GetEventRecorder("update-controller"),
		Metrics: p.metrics, Hub: p.hub, Snapshots: p.hub, Git: p.git, Wake: p.hub.Updates(), Settings: update.Settings{CancelGrace: p.options.CancelGrace, ArtifactURL: p.url},
	}
	if p.traces != nil {
		stacks.Traces, updates.Traces = p.traces, p.traces
	}
	controllers := []struct {
		name  string
		setup func() error
	}{
		{"program", func() error { return programs.SetupWithManager(mgr) }},
		{"stack", func() error { return stacks.SetupWithManager(ctx, mgr, p.options.Concurrency) }},
		{"workspace", func() error { return workspaces.SetupWithManager(mgr) }},
		{"update", func() error { return updates.SetupWithManager(mgr) }},
	}
	for _, c := range controllers {
		if err := c.setup(); err != nil {
			return fmt.Errorf("set up the %s controller: %w", c.name, err)
		}
	}
	return nil
}

// openArchive opens an archive of the store.
func (p parts) openArchive(digest string) (claim.Archive, error) {
	archive, err := p.store.Open(digest)
	if err != nil {
		return nil, err
	}
	return archive, nil
}

// waiting finds the Updates of a Workspace that are not complete.
func waiting(cached client.Reader) hub.Waiting {
	find := update.Waiting(cached)
	return func(ctx context.Context, workspace types.NamespacedName) []types.NamespacedName {
		return find(ctx, workspace)
	}
}

// workspaceName is what Updates are indexed by.
func workspaceName(object client.Object) []string {
	indexed, ok := object.(*autov1alpha1.Update)
	if !ok || indexed.Spec.WorkspaceName == "" {
		return nil
	}
	return []string{indexed.Spec.WorkspaceName}
}
