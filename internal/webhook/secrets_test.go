package webhook

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// values are those of the secrets in use, sorted.
func values(s *Secrets) []string {
	all := []string{}
	for _, one := range s.Current() {
		all = append(all, string(one.value))
	}
	slices.Sort(all)
	return all
}

func webhookSecret(data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "sys", Name: "gantry-webhook"}, Data: data}
}

func TestSecretsFollowTheSecret(t *testing.T) {
	var down error
	c := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if down != nil {
				return down
			}
			return c.Get(ctx, key, o, opts...)
		},
	}).Build()
	var log strings.Builder
	s := &Secrets{
		Client: c, Clock: clocktesting.NewFakeClock(time.Unix(0, 0)), Name: types.NamespacedName{Namespace: "sys", Name: "gantry-webhook"},
		Log: funcr.New(func(prefix, args string) { log.WriteString(prefix + args + "\n") }, funcr.Options{}),
	}
	check := func(when string, wantErr bool, want ...string) {
		t.Helper()
		if err := s.refresh(t.Context()); (err != nil) != wantErr {
			t.Errorf("%s: error %v", when, err)
		}
		if got := values(s); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	check("without a Secret", false)
	check("still without a Secret", false)
	secret := webhookSecret(map[string][]byte{"github": []byte("first\n"), "gitlab": []byte("second"), "empty": nil})
	if err := c.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	check("with two", false, "first", "second")
	secret.Data = map[string][]byte{"github": []byte("third"), "gitlab": []byte("second")}
	if err := c.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	check("after a rotation", false, "second", "third")
	down = errors.New("the API server is down")
	check("while the API server is down", true, "second", "third")
	down = nil
	if err := c.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	check("when it is gone", false)
	if got := strings.Count(log.String(), "every request is refused"); got != 2 {
		t.Errorf("said %d times that there are none, want once each time:\n%s", got, &log)
	}
	for _, value := range []string{"first", "second", "third"} {
		if strings.Contains(log.String(), value) {
			t.Errorf("the log has a secret:\n%s", &log)
		}
	}
}

// TestSecretsRefreshByTheClock waits for reads, not for time.
func TestSecretsRefreshByTheClock(t *testing.T) {
	reads := make(chan struct{}, 8)
	c := fake.NewClientBuilder().WithObjects(webhookSecret(map[string][]byte{"a": []byte("first")})).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			reads <- struct{}{}
			return c.Get(ctx, key, o, opts...)
		},
	}).Build()
	now := clocktesting.NewFakeClock(time.Unix(0, 0))
	s := &Secrets{Client: c, Clock: now, Log: logr.Discard(), Name: types.NamespacedName{Namespace: "sys", Name: "gantry-webhook"}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.run(ctx) }()
	<-reads
	if err := c.Update(t.Context(), webhookSecret(map[string][]byte{"a": []byte("second")})); err != nil {
		t.Fatal(err)
	}
	now.Step(time.Minute)
	<-reads
	cancel()
	<-ended
	if got := values(s); !slices.Equal(got, []string{"second"}) {
		t.Errorf("%q after a minute", got)
	}
}
