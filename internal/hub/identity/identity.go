// Package identity owns how the manager knows who speaks to it: an agent shows the service-account token of its pod,
// the API server says whose token that is, and the pod has to be the one of a Workspace.
package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/guard"
)

var (
	// ErrUnauthenticated means that the token is missing, or that the API server does not vouch for it.
	ErrUnauthenticated = errors.New("the token is not accepted")
	// ErrForbidden means that the token is good, but its pod is not the pod of a Workspace.
	ErrForbidden = errors.New("the token's pod is not the pod of a Workspace")
	// ErrTooMany means that the token was not looked at, since too many from the same address were refused.
	ErrTooMany = errors.New("too many tokens from this address were refused; try again later")
)

const (
	// refusedBurst and refusedPerSecond bound how often an address may show what is refused: each one is a request to the
	// API server.
	refusedBurst     = 20
	refusedPerSecond = 0.5
)

// Keys by which the API server tells, in a review, the pod that a token was made for.
const (
	extraPodName = "authentication.kubernetes.io/pod-name"
	extraPodUID  = "authentication.kubernetes.io/pod-uid"
)

// Identity is the pod that speaks, and the Workspace it is the pod of.
type Identity struct {
	Workspace types.NamespacedName
	Pod       types.UID
}

// Reviewer asks the API server whose token it is. Only tokens made for the given audience count.
type Reviewer interface {
	Review(ctx context.Context, token, audience string) (authenticationv1.TokenReviewStatus, error)
}

// Pods finds pods. uid is the one that is expected: a cache that knows an older pod of that name should look again.
type Pods interface {
	Pod(ctx context.Context, name types.NamespacedName, uid types.UID) (*corev1.Pod, error)
}

// Authenticator turns tokens into identities. It is safe for concurrent use.
type Authenticator struct {
	reviewer Reviewer
	pods     Pods
	accepted *accepted
	refused  *guard.Allowance[string]
}

// New returns an Authenticator that asks reviewer about tokens and looks pods up in pods.
func New(reviewer Reviewer, pods Pods, now clock.PassiveClock) *Authenticator {
	return &Authenticator{
		reviewer: reviewer, pods: pods, accepted: newAccepted(now),
		refused: guard.NewAllowance[string](now, refusedBurst, refusedPerSecond),
	}
}

// address is the key of where a token comes from.
type address struct{}

// From says where a token comes from. Those of which that is not said are counted together.
func From(ctx context.Context, from string) context.Context {
	return context.WithValue(ctx, address{}, from)
}

// Authenticate says who the bearer of the token is. The error is ErrUnauthenticated or ErrForbidden if that is no
// Workspace's pod, and ErrTooMany if the address has shown too many such tokens; any other error means that it could not be
// found out.
func (a *Authenticator) Authenticate(ctx context.Context, token string) (Identity, error) {
	var from string
	if said, ok := ctx.Value(address{}).(string); ok {
		from = said
	}
	if !a.refused.Take(from) {
		return Identity{}, ErrTooMany
	}
	who, err := a.identify(ctx, token)
	if !errors.Is(err, ErrUnauthenticated) && !errors.Is(err, ErrForbidden) {
		a.refused.GiveBack(from)
	}
	return who, err
}

func (a *Authenticator) identify(ctx context.Context, token string) (Identity, error) {
	if token == "" {
		return Identity{}, fmt.Errorf("%w: there is none", ErrUnauthenticated)
	}
	who, err := a.holder(ctx, token)
	if err != nil {
		return Identity{}, err
	}
	pod, err := a.pods.Pod(ctx, who.name, who.uid)
	if err != nil {
		return Identity{}, fmt.Errorf("look up pod %s: %w", who.name, err)
	}
	return identify(who, pod)
}

// holder is the pod that the token was made for. Only the review is remembered, not the pod: a pod that is gone
// loses its rights at once.
func (a *Authenticator) holder(ctx context.Context, token string) (holder, error) {
	if who, ok := a.accepted.find(token); ok {
		return who, nil
	}
	review, err := a.reviewer.Review(ctx, token, autov1alpha1.TokenAudience)
	if err != nil {
		return holder{}, fmt.Errorf("review the token: %w", err)
	}
	who, err := read(review)
	if err != nil {
		if !review.Authenticated {
			err = fmt.Errorf("%w%s", err, flaw(token, a.accepted.clock.Now()))
		}
		return holder{}, err
	}
	a.accepted.add(token, who)
	return who, nil
}

// holder is what a token says of its pod.
type holder struct {
	name types.NamespacedName
	uid  types.UID
}

// read finds the pod in the API server's review of its token.
func read(review authenticationv1.TokenReviewStatus) (holder, error) {
	if !review.Authenticated {
		return holder{}, fmt.Errorf("%w by the API server", ErrUnauthenticated)
	}
	audienceFits := false
	for _, audience := range review.Audiences {
		audienceFits = audienceFits || audience == autov1alpha1.TokenAudience
	}
	if !audienceFits {
		return holder{}, fmt.Errorf("%w: its audience is not %q", ErrUnauthenticated, autov1alpha1.TokenAudience)
	}
	account, isAccount := strings.CutPrefix(review.User.Username, "system:serviceaccount:")
	namespace, _, ok := strings.Cut(account, ":")
	if !isAccount || !ok || namespace == "" {
		return holder{}, fmt.Errorf("%w: it is not that of a service account", ErrForbidden)
	}
	name, uid := one(review.User.Extra[extraPodName]), one(review.User.Extra[extraPodUID])
	if name == "" || uid == "" {
		return holder{}, fmt.Errorf("%w: it is not bound to a pod", ErrForbidden)
	}
	return holder{types.NamespacedName{Namespace: namespace, Name: name}, types.UID(uid)}, nil
}

// one is the only value, or nothing.
func one(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

// identify checks that pod is the one the token was made for and that it is the pod of a Workspace.
func identify(who holder, pod *corev1.Pod) (Identity, error) {
	if pod == nil {
		return Identity{}, fmt.Errorf("%w: pod %s is gone", ErrForbidden, who.name)
	}
	if pod.UID != who.uid {
		return Identity{}, fmt.Errorf("%w: pod %s was replaced by another one", ErrForbidden, who.name)
	}
	owner := metav1.GetControllerOf(pod)
	if owner == nil || owner.Kind != "Workspace" || group(owner.APIVersion) != autov1alpha1.GroupVersion.Group {
		return Identity{}, fmt.Errorf("%w: pod %s is not controlled by a Workspace", ErrForbidden, who.name)
	}
	workspace := owner.Name
	if pod.Name != autov1alpha1.PodName(workspace) || pod.Labels[autov1alpha1.LabelWorkspaceName] != autov1alpha1.LabelValue(workspace) {
		return Identity{}, fmt.Errorf("%w: pod %s has not its name and label", ErrForbidden, who.name)
	}
	return Identity{Workspace: types.NamespacedName{Namespace: pod.Namespace, Name: workspace}, Pod: pod.UID}, nil
}

// group is the API group of an apiVersion; its version may change.
func group(apiVersion string) string {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return ""
	}
	return gv.Group
}
