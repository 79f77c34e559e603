package update

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// keepOutputs makes the Secret with the outputs, or finds the one that was made before a crash. An error is worth
// another try; what no try can mend is a warning. An Update that is being deleted would take the Secret with it, and
// its namespace may not take one any more, so it gets none.
func (r *Reconciler) keepOutputs(ctx context.Context, o Observed) (keptOutputs, error) {
	outputs := outputsOf(o.Update, o.State.Result)
	if len(outputs) == 0 || isDeleting(o.Update) {
		return keptOutputs{}, nil
	}
	secret, warning := buildOutputs(o.Update, outputs)
	if secret == nil {
		return keptOutputs{warning: warning}, nil
	}
	err := r.Client.Create(ctx, secret)
	switch {
	case err == nil:
		return keptOutputs{secret: secret.Name, warning: warning}, nil
	case apierrors.IsAlreadyExists(err):
		kept, err := r.findOutputs(ctx, client.ObjectKeyFromObject(secret), o.Update.UID)
		kept.warning = warning
		return kept, err
	case apierrors.IsInvalid(err), apierrors.IsRequestEntityTooLargeError(err):
		// The server's words are left out: they are about a Secret.
		return keptOutputs{warning: fmt.Sprintf("the outputs are not kept: the API server refused the Secret %q (%s)", secret.Name, apierrors.ReasonForError(err))}, nil
	default:
		return keptOutputs{}, fmt.Errorf("create the Secret %s with the outputs: %w", secret.Name, err)
	}
}

// findOutputs accepts a Secret only if it was made for the very same Update.
func (r *Reconciler) findOutputs(ctx context.Context, key client.ObjectKey, owner types.UID) (keptOutputs, error) {
	existing := &corev1.Secret{}
	if err := r.Reader.Get(ctx, key, existing); err != nil {
		return keptOutputs{}, fmt.Errorf("get the Secret %s: %w", key.Name, err)
	}
	for _, reference := range existing.OwnerReferences {
		if reference.UID == owner {
			return keptOutputs{secret: key.Name}, nil
		}
	}
	return keptOutputs{}, fmt.Errorf("the Secret %s is there already and belongs to something else: %w",
		key.Name, apierrors.NewAlreadyExists(corev1.Resource("secrets"), key.Name))
}
