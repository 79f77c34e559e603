package operator

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/artifact"
	"github.com/gantry-operator/gantry/internal/certificate"
	"github.com/gantry-operator/gantry/internal/metrics"
	"github.com/gantry-operator/gantry/internal/source/git"
)

// metricsOptions say where metrics are served and to whom.
func metricsOptions(o Options, live client.Client, certificates *tls.Config) metricsserver.Options {
	options := metricsserver.Options{BindAddress: o.MetricsAddress, SecureServing: o.MetricsSecure}
	if !o.MetricsSecure {
		return options
	}
	options.TLSOpts = []func(*tls.Config){func(config *tls.Config) {
		config.MinVersion, config.GetCertificate = certificates.MinVersion, certificates.GetCertificate
		if !o.MetricsHTTP2 {
			config.NextProtos = []string{"http/1.1"}
		}
	}}
	options.FilterProvider = func(*rest.Config, *http.Client) (metricsserver.Filter, error) {
		return func(log logr.Logger, next http.Handler) (http.Handler, error) {
			return &guard{client: live, log: log, next: next}, nil
		}, nil
	}
	return options
}

// readWithin bounds a read of the cache, which is from memory.
const readWithin = 5 * time.Second

// objectMetrics tells of the objects in the cache, and of their sources, for as long as the manager leads: of several
// replicas one tells.
type objectMetrics struct {
	cache      cache.Cache
	store      *artifact.Store
	git        *git.Tracker
	registerer prometheus.Registerer
	// perStack says whether there are series of each object, beside those of all of them together.
	perStack bool
}

// NeedLeaderElection says that only the leader does this.
func (m *objectMetrics) NeedLeaderElection() bool { return true }

// Start waits until the objects are known, and tells of them until ctx is done.
func (m *objectMetrics) Start(ctx context.Context) error {
	for _, kind := range []client.Object{
		&pulumiv1.Stack{}, &pulumiv1.Program{}, &autov1alpha1.Update{}, &autov1alpha1.Workspace{}, &corev1.Pod{},
	} {
		if _, err := m.cache.GetInformer(ctx, kind); err != nil {
			return fmt.Errorf("wait for the cache: %w", err)
		}
	}
	read := func(list client.ObjectList) error {
		within, cancel := context.WithTimeout(ctx, readWithin)
		defer cancel()
		return m.cache.List(within, list, client.UnsafeDisableDeepCopy)
	}
	for _, collector := range m.collectors(read) {
		if err := m.registerer.Register(collector); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
		defer m.registerer.Unregister(collector)
	}
	<-ctx.Done()
	return nil
}

// collectors are all that tell of objects.
func (m *objectMetrics) collectors(read metrics.Read) []prometheus.Collector {
	all := []prometheus.Collector{
		metrics.NewFleet(read), metrics.NewWork(read), metrics.NewArtifacts(m.store.Usage), metrics.NewSources(m.git.Count),
	}
	if m.perStack {
		all = append(all, metrics.NewObjects(read))
	}
	return all
}

// certificateMetrics tells when the certificates end for as long as the manager runs.
type certificateMetrics struct {
	keeper     *certificate.Keeper
	registerer prometheus.Registerer
}

// NeedLeaderElection says that every replica tells of its own.
func (m *certificateMetrics) NeedLeaderElection() bool { return false }

// Start tells until ctx is done.
func (m *certificateMetrics) Start(ctx context.Context) error {
	ends := metrics.NewCertificates(m.keeper.Ends)
	if err := m.registerer.Register(ends); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	defer m.registerer.Unregister(ends)
	<-ctx.Done()
	return nil
}

// guard lets those through who may get the path by the cluster's RBAC. The library's own guard does the same, but brings
// the whole API server's machinery, and its memory, with it.
type guard struct {
	client client.Client
	log    logr.Logger
	next   http.Handler
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		http.Error(w, "a bearer token is needed", http.StatusUnauthorized)
		return
	}
	user, ok, err := g.user(r.Context(), token)
	if err == nil && !ok {
		http.Error(w, "the token is not accepted", http.StatusUnauthorized)
		return
	}
	if err == nil {
		ok, err = g.allowed(r.Context(), user, r.URL.Path)
	}
	if err != nil {
		g.log.Error(err, "Could not find out who may read metrics")
		http.Error(w, "the token cannot be checked now", http.StatusServiceUnavailable)
		return
	}
	if !ok {
		http.Error(w, "this user may not get "+r.URL.Path, http.StatusForbidden)
		return
	}
	g.next.ServeHTTP(w, r)
}

// user says whose token it is.
func (g *guard) user(ctx context.Context, token string) (authenticationv1.UserInfo, bool, error) {
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	err := g.client.Create(ctx, review)
	return review.Status.User, review.Status.Authenticated, err
}

// allowed says whether the user may get the path.
func (g *guard) allowed(ctx context.Context, user authenticationv1.UserInfo, path string) (bool, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, UID: user.UID, Groups: user.Groups,
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: path, Verb: "get"},
	}}
	err := g.client.Create(ctx, review)
	return review.Status.Allowed, err
}
