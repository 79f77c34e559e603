package flux_test

import (
	"context"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/metadata"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	controllerconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/artifact"
	"github.com/gantry-operator/gantry/internal/controller/stack"
	"github.com/gantry-operator/gantry/internal/references"
	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/flux"
	"github.com/gantry-operator/gantry/internal/source/git"
	"github.com/gantry-operator/gantry/test/apiserver"
	"github.com/gantry-operator/gantry/test/doubles/fluxsource"
)

const (
	repository = "../.."
	// patience is how long a test waits for what has to come; it is only used up by a failing test.
	patience = time.Minute
	// limit is how much an artifact may have in it.
	limit = 1 << 20
)

// setting is an API server with the definitions of Gantry and of Flux, a source-controller, and Gantry's own parts from
// the Stack to the artifact store.
type setting struct {
	t *testing.T
	client.Client
	sources  *fluxsource.Server
	follower *flux.Follower
	store    *artifact.Store
}

// noGit follows no repository.
type noGit struct{ stack.Git }

func (noGit) Forget(source.Consumer) {}

func (noGit) Observe(source.Consumer, git.Request) (source.Revision, error) {
	panic("no Stack is from git")
}

func newSetting(t *testing.T) *setting {
	t.Helper()
	kinds := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, apiextensionsv1.AddToScheme, pulumiv1.AddToScheme, autov1alpha1.AddToScheme} {
		must(t, add(kinds))
	}
	ctrl.SetLogger(testr.NewWithOptions(t, testr.Options{Verbosity: -1}))
	_, config := apiserver.Start(t, repository, "config/crd/bases", "bin/flux-crds")
	config.QPS = -1
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: kinds, Metrics: server.Options{BindAddress: "0"},
		Controller: controllerconfig.Controller{SkipNameValidation: new(true)}, // each test has one of its own
	})
	must(t, err)
	direct, err := client.New(config, client.Options{Scheme: kinds})
	must(t, err)
	s := &setting{t: t, Client: direct}
	s.startSources()
	s.addParts(mgr)
	s.run(mgr)
	must(t, direct.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ns"}}))
	return s
}

// startSources starts the double of source-controller.
func (s *setting) startSources() {
	s.t.Helper()
	server := httptest.NewUnstartedServer(nil)
	s.sources = fluxsource.New("http://" + server.Listener.Addr().String())
	server.Config.Handler = s.sources
	server.Start()
	s.t.Cleanup(server.Close)
}

// addParts adds Gantry's parts, as its manager has them.
func (s *setting) addParts(mgr ctrl.Manager) {
	s.t.Helper()
	store, err := artifact.NewStore(filepath.Join(s.t.TempDir(), "store"))
	must(s.t, err)
	all, err := dynamic.NewForConfig(mgr.GetConfig())
	must(s.t, err)
	metadata, err := metadata.NewForConfig(mgr.GetConfig())
	must(s.t, err)
	fetcher := flux.NewFetcher(flux.Limits{Bytes: limit, Files: 100, Within: patience}, "")
	s.store = store
	s.follower = &flux.Follower{
		Sources:   flux.NewSources(all, mgr.GetRESTMapper()),
		Artifacts: flux.NewTracker(fetcher, store, clock.RealClock{}, mgr.GetLogger(), filepath.Join(s.t.TempDir(), "scratch")),
	}
	inputs := references.New(s.Client, metadata, []byte("key"), clock.RealClock{}, func(context.Context, string) bool { return true })
	for _, part := range []manager.Runnable{s.follower.Sources, s.follower.Artifacts, inputs} {
		must(s.t, mgr.Add(part))
	}
	stacks := &stack.Reconciler{
		Client: mgr.GetClient(), Reader: s.Client, Clock: clock.RealClock{}, Recorder: mgr.GetEventRecorder("stack-controller"),
		Artifacts: store, ArtifactURL: func(digest string) string { return "https://hub/artifacts/" + digest },
		Inputs: inputs, Flux: s.follower, Git: noGit{},
	}
	must(s.t, stacks.SetupWithManager(s.t.Context(), mgr, 2))
}

// Notify has nobody to tell.
func (noGit) Notify(string, func(name namespacedName)) {}

func (s *setting) run(mgr ctrl.Manager) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	s.t.Cleanup(sync.OnceFunc(func() {
		cancel()
		must(s.t, <-ended)
	}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// until looks at an object until it is as it should be.
func (s *setting) until(object client.Object, what string, done func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := s.Get(s.t.Context(), client.ObjectKeyFromObject(object), object)
		if err == nil && done() {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for %s %s: %v", object.GetName(), what, err)
		}
	}
}
