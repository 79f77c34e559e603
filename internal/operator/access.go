package operator

import (
	"context"
	"sync"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// allowed tells whether the manager may do all of that in a namespace. Everybody may ask that of himself.
func allowed(ctx context.Context, live client.Client, namespace string, resource schema.GroupVersionResource, verbs ...string) (bool, error) {
	for _, verb := range verbs {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: verb, Group: resource.Group, Version: resource.Version, Resource: resource.Resource,
			},
		}}
		if err := live.Create(ctx, review); err != nil || !review.Status.Allowed {
			return false, err
		}
	}
	return true, nil
}

// mayWatchSecrets tells whether the manager may list and watch the Secrets of a namespace, which its roles do not grant but a
// cluster's administrator may. It is asked once for each namespace; where nobody can say, the answer is no.
func mayWatchSecrets(live client.Client) func(ctx context.Context, namespace string) bool {
	var mu sync.Mutex
	known := map[string]bool{}
	return func(ctx context.Context, namespace string) bool {
		mu.Lock()
		defer mu.Unlock()
		may, asked := known[namespace]
		if asked {
			return may
		}
		may, err := allowed(ctx, live, namespace, corev1.SchemeGroupVersion.WithResource("secrets"), "list", "watch")
		if err == nil {
			known[namespace] = may
		}
		return may
	}
}
