package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

var errDown = errors.New("the API server is down")

// reviewer answers for one token as the API server would.
type reviewer struct {
	token  string
	status authenticationv1.TokenReviewStatus
	err    error
	calls  int
}

func (r *reviewer) Review(_ context.Context, token, audience string) (authenticationv1.TokenReviewStatus, error) {
	r.calls++
	if audience != "gantry" {
		return authenticationv1.TokenReviewStatus{}, fmt.Errorf("asked for audience %q", audience)
	}
	if r.err != nil || token != r.token {
		return authenticationv1.TokenReviewStatus{}, r.err
	}
	return r.status, nil
}

// pods has one pod, or none.
type pods struct {
	pod *corev1.Pod
	err error
}

func (p *pods) Pod(_ context.Context, name types.NamespacedName, _ types.UID) (*corev1.Pod, error) {
	if p.pod == nil || p.pod.Name != name.Name || p.pod.Namespace != name.Namespace {
		return nil, p.err
	}
	return p.pod, p.err
}

// accept is the review of a good token of pod demo-workspace-0.
func accept() authenticationv1.TokenReviewStatus {
	return authenticationv1.TokenReviewStatus{
		Authenticated: true,
		Audiences:     []string{"gantry"},
		User: authenticationv1.UserInfo{
			Username: "system:serviceaccount:team:runner",
			Extra: map[string]authenticationv1.ExtraValue{
				"authentication.kubernetes.io/pod-name": {"demo-workspace-0"},
				"authentication.kubernetes.io/pod-uid":  {"uid-1"},
			},
		},
	}
}

// workspacePod is the pod of Workspace demo.
func workspacePod() *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "team", Name: "demo-workspace-0", UID: "uid-1",
		Labels: map[string]string{"auto.pulumi.com/workspace-name": "demo"},
		OwnerReferences: []metav1.OwnerReference{{
			APIVersion: "auto.pulumi.com/v1alpha1", Kind: "Workspace", Name: "demo", UID: "ws", Controller: new(true),
		}},
	}}
}

func TestAuthenticate(t *testing.T) {
	type world struct {
		token string
		*reviewer
		*pods
	}
	review := func(change func(*authenticationv1.TokenReviewStatus)) func(*world) {
		return func(w *world) { change(&w.status) }
	}
	pod := func(change func(*corev1.Pod)) func(*world) { return func(w *world) { change(w.pod) } }
	cases := map[string]struct {
		reason string
		change func(*world)
		want   error
	}{
		"Good":          {"token and pod fit", func(*world) {}, nil},
		"NoToken":       {"nothing was shown", func(w *world) { w.token = "" }, ErrUnauthenticated},
		"BadToken":      {"the API server does not know it", func(w *world) { w.token = "forged" }, ErrUnauthenticated},
		"WrongAudience": {"the token was made for somebody else", review(func(s *authenticationv1.TokenReviewStatus) { s.Audiences = []string{"https://kubernetes.default.svc"} }), ErrUnauthenticated},
		"NoAudience":    {"the API server does not check audiences", review(func(s *authenticationv1.TokenReviewStatus) { s.Audiences = nil }), ErrUnauthenticated},
		"User":          {"a person's token", review(func(s *authenticationv1.TokenReviewStatus) { s.User.Username = "admin" }), ErrForbidden},
		"Unbound":       {"made with kubectl create token", review(func(s *authenticationv1.TokenReviewStatus) { s.User.Extra = nil }), ErrForbidden},
		"PodGone":       {"the pod was deleted", func(w *world) { w.pod = nil }, ErrForbidden},
		"WrongUID":      {"the pod was replaced", pod(func(p *corev1.Pod) { p.UID = "uid-2" }), ErrForbidden},
		"OtherNS":       {"the token is of another namespace", review(func(s *authenticationv1.TokenReviewStatus) { s.User.Username = "system:serviceaccount:other:runner" }), ErrForbidden},
		"NoLabel":       {"some pod", pod(func(p *corev1.Pod) { p.Labels = nil }), ErrForbidden},
		"OtherLabel":    {"a pod that says it is another Workspace's", pod(func(p *corev1.Pod) { p.Labels["auto.pulumi.com/workspace-name"] = "victim" }), ErrForbidden},
		"NoOwner":       {"a pod made by hand", pod(func(p *corev1.Pod) { p.OwnerReferences = nil }), ErrForbidden},
		"NotController": {"the owner is not the controller", pod(func(p *corev1.Pod) { p.OwnerReferences[0].Controller = nil }), ErrForbidden},
		"OtherOwner":    {"controlled by another Workspace", pod(func(p *corev1.Pod) { p.OwnerReferences[0].Name = "victim" }), ErrForbidden},
		"OtherKind":     {"controlled by something else", pod(func(p *corev1.Pod) { p.OwnerReferences[0].Kind = "StatefulSet" }), ErrForbidden},
		"OtherGroup":    {"a Workspace of another product", pod(func(p *corev1.Pod) { p.OwnerReferences[0].APIVersion = "example.com/v1" }), ErrForbidden},
		"ReviewFails":   {"the API server is down", func(w *world) { w.reviewer.err = errDown }, errDown},
		"LookUpFails":   {"the API server is down", func(w *world) { w.pods.err = errDown }, errDown},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := world{"good-token", &reviewer{token: "good-token", status: accept()}, &pods{pod: workspacePod()}}
			tc.change(&w)
			who, err := New(w.reviewer, w.pods, clocktesting.NewFakePassiveClock(time.Unix(0, 0))).Authenticate(t.Context(), w.token)
			if !errors.Is(err, tc.want) {
				t.Fatalf("%s: error %v, want %v", tc.reason, err, tc.want)
			}
			if err != nil {
				if w.token != "" && strings.Contains(err.Error(), w.token) {
					t.Errorf("the error shows the token: %v", err)
				}
				if who != (Identity{}) {
					t.Errorf("an identity comes with the error: %v", who)
				}
				return
			}
			want := Identity{Workspace: types.NamespacedName{Namespace: "team", Name: "demo"}, Pod: "uid-1"}
			if diff := cmp.Diff(want, who); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestLongName: a label is too short for the name of this Workspace.
func TestLongName(t *testing.T) {
	name := strings.Repeat("long-name.", 20) + "x"
	p, status := workspacePod(), accept()
	p.Name = autov1alpha1.PodName(name)
	p.Labels[autov1alpha1.LabelWorkspaceName] = autov1alpha1.LabelValue(name)
	p.OwnerReferences[0].Name = name
	status.User.Extra[extraPodName] = authenticationv1.ExtraValue{p.Name}
	a := New(&reviewer{token: "good-token", status: status}, &pods{pod: p}, clocktesting.NewFakePassiveClock(time.Unix(0, 0)))
	who, err := a.Authenticate(t.Context(), "good-token")
	if err != nil || who.Workspace.Name != name {
		t.Errorf("it is %v (%v), want the pod of Workspace %s", who, err, name)
	}
}

func TestAuthenticateRemembers(t *testing.T) {
	now := clocktesting.NewFakePassiveClock(time.Unix(1000, 0))
	r, p := &reviewer{token: "good-token", status: accept()}, &pods{pod: workspacePod()}
	a := New(r, p, now)
	expect := func(step, token string, want error, calls int) {
		t.Helper()
		if _, err := a.Authenticate(t.Context(), token); !errors.Is(err, want) {
			t.Errorf("%s: error %v, want %v", step, err, want)
		}
		if r.calls != calls {
			t.Errorf("%s: %d reviews, want %d", step, r.calls, calls)
		}
	}
	expect("first", "good-token", nil, 1)
	expect("at once again", "good-token", nil, 1)
	expect("another token", "forged", ErrUnauthenticated, 2)
	expect("another token again: a refusal is not remembered", "forged", ErrUnauthenticated, 3)
	p.pod = nil
	expect("the pod went", "good-token", ErrForbidden, 3)
	p.pod = workspacePod()
	now.SetTime(time.Unix(1059, 0))
	expect("just before the minute is over", "good-token", nil, 3)
	r.status = authenticationv1.TokenReviewStatus{}
	now.SetTime(time.Unix(1060, 0))
	expect("revoked, after a minute", "good-token", ErrUnauthenticated, 4)
}

// What an address shows that is refused is asked about a few times, and then no more for a while; another address is
// heard all the time.
func TestGarbageIsNotReviewedForEver(t *testing.T) {
	now := clocktesting.NewFakePassiveClock(time.Now())
	asked := &reviewer{token: "good", status: accept()}
	a := New(asked, &pods{pod: workspacePod()}, now)
	hostile, honest := From(t.Context(), "10.0.0.1"), From(t.Context(), "10.0.0.2")
	for i := range 1000 {
		_, err := a.Authenticate(hostile, fmt.Sprint("garbage ", i))
		if want := ErrUnauthenticated; i < refusedBurst && !errors.Is(err, want) {
			t.Fatalf("token %d: %v, want %v", i, err, want)
		}
		if i >= refusedBurst && !errors.Is(err, ErrTooMany) {
			t.Fatalf("token %d: %v, want %v", i, err, ErrTooMany)
		}
	}
	if asked.calls != refusedBurst {
		t.Errorf("the API server was asked %d times", asked.calls)
	}
	if _, err := a.Authenticate(honest, "good"); err != nil {
		t.Errorf("another address is not heard: %v", err)
	}
	now.SetTime(now.Now().Add(10 * time.Second))
	if _, err := a.Authenticate(hostile, "good"); err != nil {
		t.Errorf("the address is not heard after a while: %v", err)
	}
}
