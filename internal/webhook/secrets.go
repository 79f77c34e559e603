package webhook

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// refreshEvery is how old what is known of the Secret gets. It is read by the clock and not by requests, so that no
// request costs the API server anything.
const refreshEvery = 30 * time.Second

// Secrets keeps what is in a Secret: each of its keys is a secret that may sign.
type Secrets struct {
	// Client reads the Secret; it must not be a cached one.
	Client client.Reader
	Clock  clock.WithTicker
	Log    logr.Logger
	Name   types.NamespacedName

	version string
	current atomic.Pointer[[]Secret]
}

// Current are the secrets that may sign now: none before Refresh, or if there is no Secret.
func (s *Secrets) Current() []Secret {
	if current := s.current.Load(); current != nil {
		return *current
	}
	return nil
}

// run refreshes what is known until ctx is done.
func (s *Secrets) run(ctx context.Context) {
	ticker := s.Clock.NewTicker(refreshEvery)
	defer ticker.Stop()
	for {
		if err := s.refresh(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error(err, "Could not read the secrets of webhooks; the present ones stay in use")
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
	}
}

// refresh reads the Secret. While it cannot be read, what is known goes on being used; if it is gone, nothing is.
func (s *Secrets) refresh(ctx context.Context) error {
	secret := &corev1.Secret{}
	err := s.Client.Get(ctx, s.Name, secret)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read Secret %s: %w", s.Name, err)
	}
	if apierrors.IsNotFound(err) {
		secret = &corev1.Secret{}
	}
	if s.current.Load() != nil && s.version == secret.ResourceVersion {
		return nil
	}
	secrets := make([]Secret, 0, len(secret.Data))
	for _, value := range secret.Data {
		if one, ok := NewSecret(value); ok {
			secrets = append(secrets, one)
		}
	}
	s.version = secret.ResourceVersion
	s.current.Store(&secrets)
	if len(secrets) == 0 {
		s.Log.Info("There are no secrets for webhooks: every request is refused until there are", "secret", s.Name)
	} else {
		s.Log.Info("Read the secrets of webhooks", "secret", s.Name, "count", len(secrets))
	}
	return nil
}
