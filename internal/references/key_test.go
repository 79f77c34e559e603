package references

import (
	"bytes"
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

func TestLoadKey(t *testing.T) {
	c := fake.NewClientBuilder().Build()
	first, err := LoadKey(t.Context(), c, "system")
	if err != nil || len(first) != keyLength || bytes.Equal(first, make([]byte, keyLength)) {
		t.Fatalf("the key is of %d bytes, error %v", len(first), err)
	}
	again, err := LoadKey(t.Context(), c, "system")
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("the key is another one the second time, error %v", err)
	}
	other, err := LoadKey(t.Context(), c, "other")
	if err != nil || bytes.Equal(first, other) {
		t.Errorf("another manager has the same key, error %v", err)
	}
}

// Two replicas that start at the same time have one key.
func TestLoadKeyOfTwo(t *testing.T) {
	var theirs []byte
	c := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, w client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			if theirs == nil {
				theirs = []byte(strings.Repeat("t", keyLength))
				quicker := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: KeySecretName}, Data: map[string][]byte{keyName: theirs}}
				if err := w.Create(ctx, quicker); err != nil {
					return err
				}
			}
			return w.Create(ctx, obj, opts...)
		},
	}).Build()
	key, err := LoadKey(t.Context(), c, "system")
	if err != nil || !bytes.Equal(key, theirs) {
		t.Errorf("the key is not that of the quicker one, error %v", err)
	}
}

func TestLoadKeyThatIsNone(t *testing.T) {
	broken := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: KeySecretName}, Data: map[string][]byte{keyName: []byte("short")}}
	_, err := LoadKey(t.Context(), fake.NewClientBuilder().WithObjects(broken).Build(), "system")
	if err == nil || !strings.Contains(err.Error(), "delete it") || strings.Contains(err.Error(), "short") {
		t.Errorf("the error is %v", err)
	}
}
