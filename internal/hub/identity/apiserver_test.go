package identity

import (
	"errors"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gantry-operator/gantry/test/apiserver"
)

// A real API server says nothing of why it refuses a token; the words do, for tokens that it made itself.
func TestTheAudienceOfARealTokenIsTold(t *testing.T) {
	_, config := apiserver.Start(t, "../../..")
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "runner"}}
	if err := c.Create(t.Context(), account); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "demo-workspace-0"},
		Spec:       corev1.PodSpec{ServiceAccountName: "runner", Containers: []corev1.Container{{Name: "pulumi", Image: "x"}}},
	}
	if err := c.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	token := func(bound *corev1.Pod, audiences ...string) string {
		t.Helper()
		request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: audiences}}
		if bound != nil {
			request.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: bound.Name, UID: bound.UID}
		}
		if err := c.SubResource("token").Create(t.Context(), account, request); err != nil {
			t.Fatal(err)
		}
		return request.Status.Token
	}
	right, gone := token(pod, "gantry"), token(pod, "gantry")
	anew := func() *Authenticator {
		return New(ClusterReviewer{Client: c}, ClusterPods{Cached: c, Live: c}, clock.RealClock{})
	}
	authenticator := anew()
	check := func(name, token string, want error, says string) {
		t.Helper()
		_, err := authenticator.Authenticate(t.Context(), token)
		if !errors.Is(err, want) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %v …%s…", name, err, want, says)
		}
	}
	check("another audience", token(pod, "vault"), ErrUnauthenticated, `it is for the audience "vault", not "gantry"`)
	check("the API server's own audience", token(pod), ErrUnauthenticated, `not "gantry"`)
	check("the right audience", right, ErrForbidden, "is not controlled by a Workspace")
	check("the right audience, without a pod", token(nil, "gantry"), ErrForbidden, "not bound to a pod")
	if err := c.Delete(t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	// The API server hears of it from a watch of its own. Until then it accepts the token, and the pod is missed by us.
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); authenticator = anew() {
		if _, err := authenticator.Authenticate(t.Context(), gone); errors.Is(err, ErrUnauthenticated) {
			break
		}
	}
	check("a pod that is gone", gone, ErrUnauthenticated, "its pod or service account is gone")
}
