package certificate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// SecretName is the Secret, in the manager's namespace, that holds the authority and the serving certificate.
	SecretName = "gantry-hub-tls"
	// checkEvery is how often the Secret is looked at. Another replica may have renewed it.
	checkEvery = 10 * time.Minute
	// attempts is how often a write is tried when another replica writes too.
	attempts = 5
)

// errConflict means that another replica was quicker; what it wrote is as good.
var errConflict = errors.New("the Secret was changed at the same time")

// Keeper keeps the Secret and serves what is in it. All replicas run one, so that each has the certificate at hand when
// it becomes the leader; who renews is whoever finds it due first.
type Keeper struct {
	// Client reads and writes the Secret; it must not be a cached one.
	Client client.Client
	Clock  clock.WithTicker
	Log    logr.Logger
	// Namespace is the manager's.
	Namespace string
	// Names are the DNS names agents call the manager by.
	Names []string

	current atomic.Pointer[issued]
}

// issued is what is in use.
type issued struct {
	bundle  []byte
	serving *tls.Certificate
	// authorityEnds is when the newest authority does.
	authorityEnds time.Time
}

// Names are the names of a Service in a namespace by which pods may call it.
func Names(service, namespace string) []string {
	return []string{
		service,
		service + "." + namespace,
		service + "." + namespace + ".svc",
		service + "." + namespace + ".svc.cluster.local",
	}
}

// NeedLeaderElection says that every replica keeps its certificates fresh.
func (k *Keeper) NeedLeaderElection() bool { return false }

// Start keeps the certificates fresh until ctx is done.
func (k *Keeper) Start(ctx context.Context) error {
	ticker := k.Clock.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
			if err := k.Refresh(ctx); err != nil && ctx.Err() == nil {
				k.Log.Error(err, "Could not check the certificates; the present ones stay in use")
			}
		}
	}
}

// Bundle is the authorities' certificates, PEM, that a pod is to trust. It is empty before the first Refresh.
func (k *Keeper) Bundle() []byte {
	if current := k.current.Load(); current != nil {
		return current.bundle
	}
	return nil
}

// Ends is when the serving certificate ends and when the newest authority does; zero before the first Refresh.
func (k *Keeper) Ends() (serving, authority time.Time) {
	if current := k.current.Load(); current != nil {
		return current.serving.Leaf.NotAfter, current.authorityEnds
	}
	return time.Time{}, time.Time{}
}

// TLS is the configuration of a server. Certificates that are renewed later are used without a restart.
func (k *Keeper) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if current := k.current.Load(); current != nil {
				return current.serving, nil
			}
			return nil, errors.New("there is no serving certificate yet")
		},
	}
}

// Refresh reads the Secret, makes or renews what is missing or due, and takes the result into use.
func (k *Keeper) Refresh(ctx context.Context) error {
	for range attempts {
		kept, err := k.once(ctx)
		if errors.Is(err, errConflict) {
			continue
		}
		if err != nil {
			return err
		}
		return k.use(kept)
	}
	return fmt.Errorf("keep Secret %s/%s: %w", k.Namespace, SecretName, errConflict)
}

// once reads, renews and writes; errConflict asks for another go.
func (k *Keeper) once(ctx context.Context) (material, error) {
	secret := &corev1.Secret{}
	err := k.Client.Get(ctx, types.NamespacedName{Namespace: k.Namespace, Name: SecretName}, secret)
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return material{}, fmt.Errorf("read Secret %s/%s: %w", k.Namespace, SecretName, err)
	}
	var old material
	if !missing {
		if old, err = decode(secret.Data); err != nil {
			k.Log.Error(err, "The certificates cannot be read and are made anew; pods that trust the old ones have to be made anew too",
				"secret", SecretName)
		}
	}
	renewed, changed, err := renew(old, k.Names, k.Clock.Now())
	if err != nil || !changed {
		return renewed, err
	}
	data, err := encode(renewed)
	if err != nil {
		return material{}, err
	}
	return renewed, k.write(ctx, secret, missing, data)
}

// write creates or patches the Secret, unless somebody else did so since it was read.
func (k *Keeper) write(ctx context.Context, secret *corev1.Secret, missing bool, data map[string][]byte) error {
	var err error
	if missing {
		err = k.Client.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: k.Namespace, Name: SecretName,
				Labels: map[string]string{"app.kubernetes.io/name": "gantry"},
			},
			Type: corev1.SecretTypeTLS,
			Data: data,
		})
	} else {
		patch := client.MergeFromWithOptions(secret.DeepCopy(), client.MergeFromWithOptimisticLock{})
		secret.Data = data
		err = k.Client.Patch(ctx, secret, patch)
	}
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) {
		return errConflict
	}
	if err != nil {
		return fmt.Errorf("write Secret %s/%s: %w", k.Namespace, SecretName, err)
	}
	k.Log.Info("Wrote the certificates", "secret", SecretName)
	return nil
}

// use takes the material into use.
func (k *Keeper) use(m material) error {
	bundle, _, err := encodePairs(m.authorities...)
	if err != nil {
		return err
	}
	k.current.Store(&issued{
		bundle:        bundle,
		authorityEnds: m.authorities[len(m.authorities)-1].cert.NotAfter,
		serving:       &tls.Certificate{Certificate: [][]byte{m.serving.cert.Raw}, PrivateKey: m.serving.key, Leaf: m.serving.cert},
	})
	return nil
}
