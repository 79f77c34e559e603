// Package operator owns how the manager is put together: it is the one reader of flags and environment, and hands every
// part what it needs.
package operator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/artifact"
	"github.com/gantry-operator/gantry/internal/certificate"
	"github.com/gantry-operator/gantry/internal/hub"
	"github.com/gantry-operator/gantry/internal/hub/identity"
	"github.com/gantry-operator/gantry/internal/metrics"
	"github.com/gantry-operator/gantry/internal/references"
)

const (
	// leaseID is PKO's, so that the two never work at the same time.
	leaseID = "operator.pulumi.com"
	// stopWithin is how long the manager may take to stop. Nothing it does is long: operations live on in their pods.
	stopWithin = 10 * time.Second
	// sessionPort and artifactPort are those of the hub's Service.
	sessionPort, artifactPort = 9443, 9444
)

// process is what of the process a manager has to itself.
type process struct {
	// metrics are served by the process, once for each name.
	metrics prometheus.Registerer
	// adjust changes how the library runs the manager, so that tests run several of them in one process. Optional.
	adjust func(*ctrl.Options)
}

// Run builds the manager and runs it until ctx is done. An error means that it could not start or lost its lease; the
// process has to end then.
func Run(ctx context.Context, o Options, kubeconfig *rest.Config, log logr.Logger) error {
	return run(ctx, o, kubeconfig, log, process{metrics: ctrlmetrics.Registry})
}

// run is Run in a process that may not be the manager's own.
func run(ctx context.Context, o Options, kubeconfig *rest.Config, log logr.Logger, p process) error {
	scheme, err := newScheme()
	if err != nil {
		return fmt.Errorf("register the kinds: %w", err)
	}
	kubeconfig = tune(kubeconfig, o.APITimeout)
	live, err := client.New(kubeconfig, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	if err := awaitAPI(ctx, kubeconfig, o.Clock, log); err != nil {
		return err
	}
	keeper := &certificate.Keeper{
		Client: live, Clock: o.Clock, Log: log.WithName("certificates"),
		Namespace: o.PodNamespace, Names: servedNames(o),
	}
	if err := keeper.Refresh(ctx); err != nil {
		return fmt.Errorf("get the certificates: %w", err)
	}
	if o.WatchNamespaces, err = served(ctx, live, o.WatchNamespaces, log); err != nil {
		return err
	}
	options := managerOptions(o, scheme)
	options.Metrics = metricsOptions(o, live, keeper.TLS())
	if options.LeaderElectionResourceLockInterface, err = newLock(kubeconfig, o, log.WithName("leader")); err != nil {
		return err
	}
	if p.adjust != nil {
		p.adjust(&options)
	}
	mgr, err := ctrl.NewManager(kubeconfig, options)
	if err != nil {
		return fmt.Errorf("make the manager: %w", err)
	}
	if err := assemble(ctx, mgr, o, live, keeper, p.metrics); err != nil {
		return err
	}
	announce(o, log)
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("run the manager: %w", err)
	}
	return nil
}

// announce says that the manager starts, and what has no effect.
func announce(o Options, log logr.Logger) {
	if o.programAddress != "" || o.programAdvertised != "" {
		log.Info("--program-fs-addr and --program-fs-adv-addr have no effect: artifacts are served over TLS, see --artifact-bind-address")
	}
	log.Info("Starting", "namespace", o.PodNamespace, "pod", o.PodName, "leaderElection", o.LeaderElect, "namespaces", o.WatchNamespaces)
}

// managerOptions are those of the library.
func managerOptions(o Options, scheme *runtime.Scheme) ctrl.Options {
	workspacePods := labels.SelectorFromSet(labels.Set{autov1alpha1.LabelComponent: "workspace"})
	return ctrl.Options{
		Scheme:                        scheme,
		HealthProbeBindAddress:        o.HealthAddress,
		LeaderElection:                o.LeaderElect,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &o.LeaseDuration,
		RenewDeadline:                 &o.RenewDeadline,
		RetryPeriod:                   &o.RetryPeriod,
		GracefulShutdownTimeout:       new(stopWithin),
		Controller:                    config.Controller{MaxConcurrentReconciles: o.Concurrency},
		Cache: cache.Options{
			ByObject: map[client.Object]cache.ByObject{&corev1.Pod{}: {Label: workspacePods}},
			// Of these alone anything is read; nil stands for all.
			DefaultNamespaces: only(o.WatchNamespaces),
			DefaultTransform:  cache.TransformStripManagedFields(),
			// A read of a kind that nobody watches would otherwise put all its objects, of the whole cluster, into memory.
			ReaderFailOnMissingInformer: true,
		},
		Client: client.Options{Cache: &client.CacheOptions{
			DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}, &corev1.ServiceAccount{}, &corev1.Event{}},
		}},
	}
}

// assemble adds all that runs to the manager.
func assemble(ctx context.Context, mgr ctrl.Manager, o Options, live client.Client, keeper *certificate.Keeper, registerer prometheus.Registerer) error {
	now, log := o.Clock, mgr.GetLogger()
	pods, err := podSettings(ctx, o, live)
	if err != nil {
		return err
	}
	authenticator := identity.New(identity.ClusterReviewer{Client: live}, identity.ClusterPods{Cached: mgr.GetClient(), Live: live, Namespaces: o.WatchNamespaces}, now)
	sessions := hub.New(log.WithName("hub"), now, authenticator, waiting(mgr.GetClient()))
	store, err := newStore(o, named(mgr.GetClient(), sessions))
	if err != nil {
		return err
	}
	recorder, err := metrics.NewRecorder(registerer)
	if err != nil {
		return err
	}
	inputs, err := newTracker(ctx, mgr.GetConfig(), o, live)
	if err != nil {
		return err
	}
	repositories, err := newGit(o, store, recorder, now, log.WithName("git"))
	if err != nil {
		return err
	}
	fluxSources, err := newFlux(mgr, o, store, now)
	if err != nil {
		return err
	}
	traces, err := newTraces(ctx, o.traces, log.WithName("traces"))
	if err != nil {
		return err
	}
	missing := make(missingArtifacts, missingAtOnce)
	runnables := []manager.Runnable{
		keeper, &certificateMetrics{keeper, registerer}, &tracesEnd{traces, log.WithName("traces")},
		&objectMetrics{cache: mgr.GetCache(), store: store, git: repositories, registerer: registerer, perStack: o.MetricsPerStack},
		inputs, repositories, fluxSources.Sources, fluxSources.Artifacts,
		&hub.Server{Hub: sessions, Address: o.HubAddress, TLS: keeper.TLS()},
		&artifact.Server{
			Store: store, Authenticator: authenticator, Entitled: entitled(mgr.GetClient(), sessions), Missing: missing.tell,
			Log: log.WithName("artifacts"), Address: o.ArtifactAddress, TLS: keeper.TLS(),
		},
		&artifact.Sweeper{Store: store, Ready: known(mgr.GetCache()), Clock: now, Log: log.WithName("artifacts")},
	}
	if o.WebhookAddress != "" {
		runnables = append(runnables, newWebhooks(o, live, keeper, recorder, repositories, log.WithName("webhooks")))
	}
	if o.PodName != "" {
		runnables = append(runnables, &leaderLabel{client: live, clock: now, log: log.WithName("leader"), namespace: o.PodNamespace, pod: o.PodName})
	}
	notifier := newNotifier(o, log)
	if err := addAll(mgr, append(runnables, notifier.runnables()...)); err != nil {
		return err
	}
	if err := addControllers(ctx, mgr, parts{
		options: o, live: live, clock: now, hub: sessions, metrics: recorder, traces: traces, store: store, missing: missing,
		inputs: inputs, git: repositories, flux: fluxSources, pods: pods, notifier: notifier,
		url: func(digest string) string { return artifact.URL(hubHost(o), artifactPort, digest) },
		ca:  func() string { return string(keeper.Bundle()) },
	}); err != nil {
		return err
	}
	// Neither depends on who leads: a standby is well and ready to take over.
	return errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping))
}

// addAll adds what runs beside the controllers.
func addAll(mgr ctrl.Manager, runnables []manager.Runnable) error {
	for _, runnable := range runnables {
		if err := mgr.Add(runnable); err != nil {
			return fmt.Errorf("add to the manager: %w", err)
		}
	}
	return nil
}

// newTracker makes what follows the Secrets and ConfigMaps that Stacks name.
func newTracker(ctx context.Context, kubeconfig *rest.Config, o Options, live client.Client) (*references.Tracker, error) {
	key, err := references.LoadKey(ctx, live, o.PodNamespace)
	if err != nil {
		return nil, err
	}
	all, err := metadata.NewForConfig(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("make a client of metadata: %w", err)
	}
	return references.New(live, all, key, o.Clock, mayWatchSecrets(live)), nil
}

// hubHost is the name by which pods call the leader.
func hubHost(o Options) string { return o.HubService + "." + o.PodNamespace + ".svc" }

// hubAddress is where agents open their sessions.
func hubAddress(o Options) string { return net.JoinHostPort(hubHost(o), fmt.Sprint(sessionPort)) }
