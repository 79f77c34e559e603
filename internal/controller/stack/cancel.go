package stack

import (
	"context"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// observeCancel finds out who made a cancel request: the API server notes by the name of which program a field was set. The
// cache leaves that out. Where it cannot be had, it is not told.
func (r *Reconciler) observeCancel(ctx context.Context, o *Observed) {
	if cancelRequest(o.Stack) == "" {
		return
	}
	found := &metav1.PartialObjectMetadata{}
	found.SetGroupVersionKind(pulumiv1.GroupVersion.WithKind(kindStack))
	if err := r.Reader.Get(ctx, client.ObjectKeyFromObject(o.Stack), found); err != nil {
		return
	}
	for _, entry := range found.ManagedFields {
		if entry.FieldsV1 != nil && strings.Contains(entry.FieldsV1.GetRawString(), `"f:`+pulumiv1.AnnotationCancelRequest+`"`) {
			o.CanceledBy = entry.Manager
		}
	}
}
