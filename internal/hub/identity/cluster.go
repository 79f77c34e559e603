package identity

import (
	"context"
	"fmt"
	"slices"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ClusterReviewer asks the API server by TokenReview.
type ClusterReviewer struct {
	Client client.Client
}

// Review creates a TokenReview, which is answered at once and stored nowhere.
func (r ClusterReviewer) Review(ctx context.Context, token, audience string) (authenticationv1.TokenReviewStatus, error) {
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{audience}}}
	if err := r.Client.Create(ctx, review); err != nil {
		return authenticationv1.TokenReviewStatus{}, err
	}
	return review.Status, nil
}

// ClusterPods looks into the manager's cache first, and asks the API server if the pod is not there (yet).
type ClusterPods struct {
	Cached, Live client.Reader
	// Namespaces are those whose pods the manager may look at; none for all of them.
	Namespaces []string
}

// Pod returns the pod with that name, or nil if there is none.
func (p ClusterPods) Pod(ctx context.Context, name types.NamespacedName, uid types.UID) (*corev1.Pod, error) {
	if len(p.Namespaces) > 0 && !slices.Contains(p.Namespaces, name.Namespace) {
		return nil, fmt.Errorf("%w: namespace %s is none of those that the manager watches (--watch-namespaces)", ErrForbidden, name.Namespace)
	}
	pod := &corev1.Pod{}
	err := p.Cached.Get(ctx, name, pod)
	if err == nil && pod.UID == uid {
		return pod, nil
	}
	if client.IgnoreNotFound(err) != nil {
		return nil, err
	}
	pod = &corev1.Pod{}
	if err := p.Live.Get(ctx, name, pod); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, err
	}
	return pod, nil
}
