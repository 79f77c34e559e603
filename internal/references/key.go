package references

import (
	"context"
	"crypto/rand"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// KeySecretName is the Secret, in the manager's namespace, that holds the key of the digests. Whoever deletes it
	// makes each Stack that names a Secret or ConfigMap run once more after the manager's next start.
	KeySecretName = "gantry-input-digests"
	keyName       = "key"
	keyLength     = 32
)

// LoadKey gives the key of the digests and makes it where there is none. live must not be a cached client.
func LoadKey(ctx context.Context, live client.Client, namespace string) ([]byte, error) {
	name := types.NamespacedName{Namespace: namespace, Name: KeySecretName}
	secret := &corev1.Secret{}
	err := live.Get(ctx, name, secret)
	if apierrors.IsNotFound(err) {
		secret, err = makeKey(ctx, live, name)
	}
	if apierrors.IsAlreadyExists(err) { // another replica was quicker
		secret = &corev1.Secret{}
		err = live.Get(ctx, name, secret)
	}
	if err != nil {
		return nil, fmt.Errorf("keep Secret %s: %w", name, err)
	}
	key := secret.Data[keyName]
	if len(key) != keyLength {
		return nil, fmt.Errorf("no key of %d bytes under %q in Secret %s: delete it, and another one is made", keyLength, keyName, name)
	}
	return key, nil
}

func makeKey(ctx context.Context, live client.Client, name types.NamespacedName) (*corev1.Secret, error) {
	key := make([]byte, keyLength)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: name.Namespace, Name: name.Name, Labels: map[string]string{"app.kubernetes.io/name": "gantry"},
		},
		Immutable: new(true),
		Data:      map[string][]byte{keyName: key},
	}
	return secret, live.Create(ctx, secret)
}
