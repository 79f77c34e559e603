package operator

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// newScheme knows the kinds the manager works with.
func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, pulumiv1.AddToScheme, autov1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return scheme, nil
}

// tune returns the configuration the manager talks to the API server with.
func tune(config *rest.Config, timeout time.Duration) *rest.Config {
	config = rest.CopyConfig(config)
	config.UserAgent = "gantry-manager"
	// The API server's priority and fairness sees to it that nobody is starved.
	config.QPS, config.Burst = -1, 0
	// The API server warns of PKO's finalizer whenever it is written; its name is not ours to change.
	config.WarningHandlerWithContext = rest.NoWarnings{}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &bounded{next: next, timeout: timeout} })
	return config
}

// bounded bounds the time of requests, but not of watches: those stay open, and rest.Config's own timeout would end them.
type bounded struct {
	next    http.RoundTripper
	timeout time.Duration
}

// RoundTrip sends a request; the time counts until the answer's body is closed.
func (b *bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	if watch, err := strconv.ParseBool(request.URL.Query().Get("watch")); err == nil && watch {
		return b.next.RoundTrip(request)
	}
	ctx, cancel := context.WithTimeout(request.Context(), b.timeout)
	response, err := b.next.RoundTrip(request.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	response.Body = &body{ReadCloser: response.Body, cancel: cancel}
	return response, nil
}

// body ends its request's time when it is closed.
type body struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *body) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
