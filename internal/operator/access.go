package operator

import (
	"context"
	"sync"

	authorizationv1 "k8s.io/api/authorization/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// mayWatchSecrets tells whether the manager may list and watch the Secrets of a namespace, which its roles do not grant but a
// cluster's administrator may. Everybody may ask that of himself. It is asked once for each namespace; where nobody can say, the
// answer is no.
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
		for _, verb := range []string{"list", "watch"} {
			review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: verb, Version: "v1", Resource: "secrets"},
			}}
			if err := live.Create(ctx, review); err != nil {
				return false
			}
			if may = review.Status.Allowed; !may {
				break
			}
		}
		known[namespace] = may
		return may
	}
}
