package hub

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/gantry-operator/gantry/internal/hub/identity"
	"github.com/gantry-operator/gantry/internal/operation"
)

// cluster answers as an API server with pods demo-workspace-0 (of Workspace demo, UID pod-1) and stray (of nobody).
type cluster struct{}

func (cluster) Review(_ context.Context, token, _ string) (authenticationv1.TokenReviewStatus, error) {
	pod, uid, audience := "demo-workspace-0", "pod-1", "gantry"
	switch token {
	case "good":
	case "wrong-audience":
		audience = "vault"
	case "stray-pod":
		pod, uid = "stray", "pod-9"
	case "replaced-pod":
		uid = "pod-0"
	default:
		return authenticationv1.TokenReviewStatus{}, nil
	}
	return authenticationv1.TokenReviewStatus{Authenticated: true, Audiences: []string{audience}, User: authenticationv1.UserInfo{
		Username: "system:serviceaccount:team:default",
		Extra: map[string]authenticationv1.ExtraValue{
			"authentication.kubernetes.io/pod-name": {pod}, "authentication.kubernetes.io/pod-uid": {uid},
		},
	}}, nil
}

func (cluster) Pod(_ context.Context, name types.NamespacedName, _ types.UID) (*corev1.Pod, error) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}}
	if name.Name == "stray" {
		pod.UID = "pod-9"
		return pod, nil
	}
	pod.UID = "pod-1"
	pod.Labels = map[string]string{"auto.pulumi.com/workspace-name": "demo"}
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "auto.pulumi.com/v1alpha1", Kind: "Workspace", Name: "demo", Controller: new(true)}}
	return pod, nil
}

func TestSessionIdentity(t *testing.T) {
	cases := map[string]struct {
		authorization []string
		want          codes.Code
	}{
		"NoToken":       {nil, codes.Unauthenticated},
		"NotBearer":     {[]string{"Basic good"}, codes.Unauthenticated},
		"TwoTokens":     {[]string{"Bearer good", "Bearer good"}, codes.Unauthenticated},
		"BadToken":      {[]string{"Bearer forged"}, codes.Unauthenticated},
		"WrongAudience": {[]string{"Bearer wrong-audience"}, codes.Unauthenticated},
		"StrayPod":      {[]string{"Bearer stray-pod"}, codes.PermissionDenied},
		"ReplacedPod":   {[]string{"Bearer replaced-pod"}, codes.PermissionDenied},
		"Good":          {[]string{"Bearer good"}, codes.OK},
	}
	w := serve(t, identity.New(cluster{}, cluster{}, clock.RealClock{}), nil)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a := w.dial(t, tc.authorization...).read()
			a.say(&operation.AgentMessage{Body: &operation.AgentMessage_Hello{Hello: &operation.Hello{Protocol: operation.Protocol}}})
			if tc.want == codes.OK {
				if a.next().GetWelcome() == nil {
					t.Error("a good agent is not welcome")
				}
				if s, ok := w.Session(demo); !ok || s.PodUID != "pod-1" {
					t.Errorf("session %v %v", s, ok)
				}
				a.leave()
				w.wait(t, "the session ends", func() bool { _, ok := w.Session(demo); return !ok })
				return
			}
			if got := a.ended(); got.Code() != tc.want {
				t.Errorf("ended with %v, want %v", got, tc.want)
			}
			if _, ok := w.Session(demo); ok {
				t.Error("there is a session all the same")
			}
		})
	}
}

func TestSessionHello(t *testing.T) {
	w := serve(t, known(), nil)
	t.Run("OtherProtocol", func(t *testing.T) {
		a := w.dial(t, "Bearer pod-1").read()
		a.say(&operation.AgentMessage{Body: &operation.AgentMessage_Hello{Hello: &operation.Hello{Protocol: 7, AgentVersion: "0.0.7"}}})
		got := a.ended()
		if got.Code() != codes.FailedPrecondition || !strings.Contains(got.Message(), "protocol 7") || !strings.Contains(got.Message(), "protocol 1") {
			t.Errorf("ended with %v", got)
		}
	})
	t.Run("ProgressFirst", func(t *testing.T) {
		a := w.dial(t, "Bearer pod-1").read()
		a.progress(running("a", 1))
		if got := a.ended(); got.Code() != codes.FailedPrecondition {
			t.Errorf("ended with %v", got)
		}
	})
	if _, ok := w.Session(demo); ok {
		t.Error("there is a session all the same")
	}
	t.Run("VersionLater", func(t *testing.T) {
		a := w.connect(t, "pod-1", &operation.Hello{AgentVersion: "1"})
		a.say(&operation.AgentMessage{Body: &operation.AgentMessage_Hello{Hello: &operation.Hello{Protocol: 1, AgentVersion: "1", PulumiVersion: "3.9.0"}}})
		w.wait(t, "the CLI's version", func() bool { s, _ := w.Session(demo); return s.PulumiVersion == "3.9.0" })
	})
}

func TestSessionReplaced(t *testing.T) {
	cases := map[string]struct {
		reason string
		token  string
		pod    types.UID
	}{
		"SamePod":  {"the agent lost its connection before the hub noticed", "pod-1", "pod-1"},
		"OtherPod": {"the pod was replaced; the authenticator saw that the new one is alive", "pod-2", "pod-2"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := serve(t, known(), nil)
			first := w.connect(t, "pod-1", nil)
			second := w.connect(t, tc.token, nil)
			if got := first.ended(); got.Code() != codes.Aborted {
				t.Errorf("%s: the old session ended with %v", tc.reason, got)
			}
			s, ok := w.Session(demo)
			if !ok || s.PodUID != tc.pod {
				t.Errorf("%s: session %v %v, want that of %s", tc.reason, s, ok, tc.pod)
			}
			if err := w.Offer(demo, tc.pod, op("a")); err != nil {
				t.Error(err)
			}
			if got := second.next(); got.GetOperation().GetUid() != "a" {
				t.Errorf("the new session got %v", got)
			}
		})
	}
}

func TestSessionsOfOthersAreApart(t *testing.T) {
	w := serve(t, known(), nil)
	mine, other := w.connect(t, "pod-1", nil), w.connect(t, "other", nil)
	if err := w.Offer(demo, "pod-1", op("a")); err != nil {
		t.Fatal(err)
	}
	if got := mine.next(); got.GetOperation().GetUid() != "a" {
		t.Errorf("got %v", got)
	}
	forged := finished("a")
	other.result(forged)
	w.wait(t, "the other Workspace's result", func() bool {
		return w.State(types.NamespacedName{Namespace: "team", Name: "other"}, "a").Result != nil
	})
	if s := w.State(demo, "a"); s.Result != nil {
		t.Error("an agent ended the operation of another Workspace")
	}
	select {
	case got := <-other.got:
		t.Errorf("the other agent got %v", got)
	default:
	}
}

// TestStuckAgent has an agent that never reads. Nothing may wait for it, and all others are served.
func TestStuckAgent(t *testing.T) {
	w := serve(t, known(), nil)
	stuck := w.dial(t, "Bearer pod-1")
	stuck.say(&operation.AgentMessage{Body: &operation.AgentMessage_Hello{Hello: &operation.Hello{Protocol: operation.Protocol}}})
	w.wait(t, "the session", func() bool { _, ok := w.Session(demo); return ok })
	start := time.Now()
	for i := range 64 {
		uid := types.UID(strings.Repeat("x", i+1))
		big := op(string(uid))
		big.Options = &operation.Options{Message: strings.Repeat("m", 256<<10)}
		if err := w.Offer(demo, "pod-1", big); err != nil {
			t.Fatal(err)
		}
		w.Cancel(demo, uid, "enough")
		stuck.result(finished(string(uid)))
		w.wait(t, "the result", func() bool { return w.State(demo, uid).Result != nil })
		w.Recorded(demo, uid)
	}
	if took := time.Since(start); took > patience/2 {
		t.Errorf("it took %v", took)
	}
	other := types.NamespacedName{Namespace: "team", Name: "other"}
	a := w.connect(t, "other", nil)
	if err := w.Offer(other, "pod-3", op("b")); err != nil {
		t.Error(err)
	}
	if a.next().GetOperation().GetUid() != "b" {
		t.Error("the other agent is not served")
	}
	w.connect(t, "pod-1", nil)
	if s, ok := w.Session(demo); !ok || s.PodUID != "pod-1" {
		t.Error("a stuck session cannot be replaced")
	}
	w.stop()
}
