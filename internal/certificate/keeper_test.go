package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

func keeper(c client.Client, now *clocktesting.FakeClock) *Keeper {
	return &Keeper{Client: c, Clock: now, Log: logr.Discard(), Namespace: "gantry-system", Names: names}
}

func refresh(t *testing.T, k *Keeper) {
	t.Helper()
	if err := k.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func stored(t *testing.T, c client.Client) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{}
	if err := c.Get(t.Context(), types.NamespacedName{Namespace: "gantry-system", Name: SecretName}, secret); err != nil {
		t.Fatal(err)
	}
	return secret
}

// handshake opens a TLS connection to a server of k as a pod with that bundle does.
func handshake(t *testing.T, k *Keeper, bundle []byte, now time.Time) (*x509.Certificate, error) {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		t.Fatal("the bundle is not PEM")
	}
	clientEnd, serverEnd := net.Pipe()
	defer clientEnd.Close()
	defer serverEnd.Close()
	go func() { _ = tls.Server(serverEnd, k.TLS()).HandshakeContext(t.Context()) }()
	conn := tls.Client(clientEnd, &tls.Config{RootCAs: roots, ServerName: "gantry-hub.gantry-system.svc", Time: func() time.Time { return now }})
	if err := conn.HandshakeContext(t.Context()); err != nil {
		return nil, err
	}
	return conn.ConnectionState().PeerCertificates[0], nil
}

func TestKeeperServes(t *testing.T) {
	c, now := fake.NewClientBuilder().Build(), clocktesting.NewFakeClock(start)
	k := keeper(c, now)
	if k.Bundle() != nil {
		t.Error("there is a bundle before the first Refresh")
	}
	refresh(t, k)
	first, err := handshake(t, k, k.Bundle(), now.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := handshake(t, keeperWith(t, now), k.Bundle(), now.Now()); err == nil {
		t.Error("a manager of another installation is trusted")
	}
	bundle := k.Bundle()
	now.Step(61 * day)
	refresh(t, k)
	second, err := handshake(t, k, bundle, now.Now())
	if err != nil {
		t.Fatalf("a pod from before the renewal: %v", err)
	}
	if first.Equal(second) {
		t.Error("the certificate was not renewed at two thirds of its life")
	}
	if string(stored(t, c).Data["ca.crt"]) != string(k.Bundle()) {
		t.Error("the Secret's ca.crt is not the bundle")
	}
}

func keeperWith(t *testing.T, now *clocktesting.FakeClock) *Keeper {
	t.Helper()
	k := keeper(fake.NewClientBuilder().Build(), now)
	refresh(t, k)
	return k
}

// TestKeeperRenewsWhileRunning waits for the effect of a tick, not for time.
func TestKeeperRenewsWhileRunning(t *testing.T) {
	now := clocktesting.NewFakeClock(start)
	written := make(chan struct{}, 8)
	c := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			err := c.Patch(ctx, o, p, opts...)
			written <- struct{}{}
			return err
		},
	}).Build()
	k := keeper(c, now)
	refresh(t, k)
	before := stored(t, c).ResourceVersion
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Start(ctx) }()
	for !now.HasWaiters() {
		time.Sleep(time.Millisecond)
	}
	now.Step(61 * day)
	<-written
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if stored(t, c).ResourceVersion == before {
		t.Error("nothing was renewed")
	}
}

// TestKeepersAgree has many replicas start at once: all have to serve and trust the same.
func TestKeepersAgree(t *testing.T) {
	for _, phase := range []struct {
		name string
		age  time.Duration
	}{{"Create", 0}, {"Renew", 61 * day}} {
		t.Run(phase.name, func(t *testing.T) {
			now := clocktesting.NewFakeClock(start)
			// Everybody reads before anybody writes, once.
			const replicas = 4
			var arrived sync.WaitGroup
			arrived.Add(replicas)
			var once sync.Map
			c := fake.NewClientBuilder().Build()
			if phase.age > 0 {
				refresh(t, keeper(c, now))
				now.Step(phase.age)
			}
			keepers := make([]*Keeper, replicas)
			var all sync.WaitGroup
			for i := range keepers {
				keepers[i] = keeper(interceptor.NewClient(c, interceptor.Funcs{
					Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
						err := c.Get(ctx, key, o, opts...)
						if _, again := once.LoadOrStore(i, true); !again {
							arrived.Done()
							arrived.Wait()
						}
						return err
					},
				}), now)
				all.Go(func() {
					if err := keepers[i].Refresh(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			secret := stored(t, c)
			for i, k := range keepers {
				if string(k.Bundle()) != string(secret.Data["ca.crt"]) {
					t.Errorf("replica %d has another bundle than the Secret", i)
				}
				if _, err := handshake(t, k, keepers[0].Bundle(), now.Now()); err != nil {
					t.Errorf("replica %d is not trusted: %v", i, err)
				}
			}
		})
	}
}

func TestKeeperFailures(t *testing.T) {
	now := clocktesting.NewFakeClock(start)
	t.Run("Unreadable", func(t *testing.T) {
		c := fake.NewClientBuilder().Build()
		refresh(t, keeper(c, now))
		secret := stored(t, c)
		secret.Data["tls.key"] = []byte("garbage")
		if err := c.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		k := keeper(c, now)
		refresh(t, k)
		if _, err := handshake(t, k, stored(t, c).Data["ca.crt"], now.Now()); err != nil {
			t.Error(err)
		}
	})
	t.Run("Refused", func(t *testing.T) {
		refusal := errors.New("no")
		k := keeper(fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
			Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return refusal },
		}).Build(), now)
		if err := k.Refresh(t.Context()); !errors.Is(err, refusal) {
			t.Errorf("error %v, want the API server's", err)
		}
		if k.Bundle() != nil {
			t.Error("a bundle that is stored nowhere is handed out")
		}
	})
}
