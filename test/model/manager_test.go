package model

import (
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	ctrlmanager "sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/claim"
	"github.com/gantry-operator/gantry/internal/controller/stack"
	"github.com/gantry-operator/gantry/internal/controller/update"
	"github.com/gantry-operator/gantry/internal/controller/workspace"
	"github.com/gantry-operator/gantry/internal/hub"
	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/internal/pod"
)

// manager is one life of the manager: the real controllers and the real hub, with caches, queues and a client that the
// world has in its hands.
type manager struct {
	ctrlmanager.Manager // what nobody here calls

	world  *world
	caches *caches
	hub    *hub.Hub
	dead   alive
	queues map[string]*queue

	ctx    context.Context //nolint:containedctx // of the manager's life
	cancel context.CancelFunc
	lives  sync.WaitGroup
	added  []ctrlmanager.Runnable
}

// kinds that have a controller, and the names of these.
const stackQueue, updateQueue, workspaceQueue = "stack-controller", "update-controller", "workspace-controller"

// startManager starts one that knows nothing but what is in the API server.
func startManager(w *world) *manager {
	m := &manager{world: w, caches: newCaches(w.store), queues: map[string]*queue{}}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	if err := m.setUp(); err != nil {
		panic(err)
	}
	m.lives.Go(func() { m.hub.Run(m.ctx) })
	for _, runnable := range m.added {
		m.lives.Go(func() {
			if err := runnable.Start(m.ctx); err != nil {
				panic(err)
			}
		})
	}
	return m
}

// setUp puts the parts together as the manager's own does.
func (m *manager) setUp() error {
	by, from := client.Client(&connection{manager: m}), live{m}
	m.hub = hub.New(logr.Discard(), clock.RealClock{}, m.world, update.Waiting(by))
	if err := m.caches.IndexField(m.ctx, &autov1alpha1.Update{}, update.IndexWorkspaceName, workspaceOf); err != nil {
		return err
	}
	w := m.world
	stacks := &stack.Reconciler{
		Client: by, Reader: from, Clock: clock.RealClock{}, Recorder: unheard{}, Artifacts: w.artifacts,
		ArtifactURL: artifactURL, Inputs: &w.inputs, Git: &w.host, Flux: noFlux{}, DestroyNamespace: elsewhere,
		Claims: &claim.Tracker{},
	}
	workspaces := &workspace.Reconciler{
		Client: by, Reader: from, Clock: clock.RealClock{}, Recorder: unheard{}, Metrics: unmeasured{}, Hub: m.hub,
		Pods:        pod.Settings{WorkspaceImage: "pulumi:v1", WorkspaceImageAgentPath: "/agent", AgentImage: "gantry:v1", HubAddress: "hub:9443", CA: "a CA"},
		IdleTimeout: 5 * time.Minute, Concurrency: 1,
	}
	updates := &update.Reconciler{
		Client: by, Reader: from, Clock: clock.RealClock{}, Recorder: unheard{}, Metrics: unmeasured{}, Hub: m.hub, Git: &w.host,
		Wake: m.hub.Updates(), Settings: update.Settings{CancelGrace: time.Minute, ArtifactURL: artifactURL},
	}
	if err := stacks.SetupWithManager(m.ctx, m, 1); err != nil {
		return err
	}
	if err := workspaces.SetupWithManager(m); err != nil {
		return err
	}
	return updates.SetupWithManager(m)
}

func artifactURL(digest string) string { return "https://hub/artifacts/" + digest }

func workspaceOf(object client.Object) []string {
	return []string{object.(*autov1alpha1.Update).Spec.WorkspaceName}
}

// Add takes a controller, and puts the world's queue into the place of its own.
func (m *manager) Add(runnable ctrlmanager.Runnable) error {
	m.added = append(m.added, runnable)
	construct := func(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
		m.world.mu.Lock()
		defer m.world.mu.Unlock()
		m.queues[name] = newQueue(name, limiter, m.world.arrived)
		return m.queues[name]
	}
	reflect.ValueOf(runnable).Elem().FieldByName("NewQueue").Set(reflect.ValueOf(construct))
	return nil
}

func (m *manager) GetCache() cache.Cache                { return m.caches }
func (m *manager) GetFieldIndexer() client.FieldIndexer { return m.caches }
func (m *manager) GetClient() client.Client             { return &connection{manager: m} }
func (m *manager) GetLogger() logr.Logger               { return m.world.log }
func (m *manager) GetScheme() *runtime.Scheme           { return m.world.store.scheme }

func (m *manager) GetControllerOptions() config.Controller {
	return config.Controller{SkipNameValidation: new(true), MaxConcurrentReconciles: 1, Logger: m.world.log}
}

func (m *manager) GetRESTMapper() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, kind := range []schema.GroupVersionKind{
		pulumiv1.GroupVersion.WithKind("Stack"), pulumiv1.GroupVersion.WithKind("Program"), autov1alpha1.GroupVersion.WithKind("Workspace"),
		autov1alpha1.GroupVersion.WithKind("Update"), corev1.SchemeGroupVersion.WithKind("Pod"),
	} {
		mapper.Add(kind, meta.RESTScopeNamespace)
	}
	return mapper
}

// end ends this life; what is under way in it comes to nothing.
func (m *manager) end() {
	m.dead.Store(true)
	m.cancel()
	m.lives.Wait()
}

// queued tells whether a controller looks at an object again by itself.
func (m *manager) queued(controller string, name types.NamespacedName) bool {
	return m.queues[controller].has(ctrl.Request{NamespacedName: name})
}

// unheard is a recorder of events that nobody listens to.
type unheard struct{}

func (unheard) Eventf(_, _ runtime.Object, _, _, _, _ string, _ ...any) {}

// unmeasured measures nothing.
type unmeasured struct{}

func (unmeasured) Offered(autov1alpha1.UpdateType, time.Duration)                  {}
func (unmeasured) Ended(autov1alpha1.UpdateType, *operation.Result, time.Duration) {}
func (unmeasured) EndedWithoutResult(autov1alpha1.UpdateType, string)              {}
func (unmeasured) PodStarted(time.Duration)                                        {}
