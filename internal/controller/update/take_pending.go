package update

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/operation"
)

// keepSnapshot keeps the state that an operation is about to change, puts on record what was pending in it, and only then
// lets the operation go on. Done again it finds what it did.
func (r *Reconciler) keepSnapshot(ctx context.Context, o Observed, s Step) (ctrl.Result, error) {
	secret, refused := buildSnapshot(o)
	name := ""
	if secret != nil {
		var err error
		if refused, err = r.createSnapshot(ctx, secret); err != nil {
			return ctrl.Result{}, err
		}
	}
	if refused == "" {
		name = secret.Name
		r.pruneSnapshots(ctx, secret)
	}
	s.Pending = foundPending(o.State.Snapshot, name, refused)
	if err := r.write(ctx, o, s, keptOutputs{}); err != nil {
		return ctrl.Result{}, err
	}
	r.Snapshots.SnapshotKept(workspaceKey(o.Update), &operation.SnapshotKept{Uid: string(o.Update.UID), Secret: name, Refused: refused})
	return ctrl.Result{}, nil
}

// createSnapshot makes the Secret, or finds the one that was made before a crash: its name is made of the Update's UID. An
// error is worth another try; what no try can mend is why it is refused. Of what the server says of the content nothing is
// repeated.
func (r *Reconciler) createSnapshot(ctx context.Context, secret *corev1.Secret) (refused string, err error) {
	err = r.Client.Create(ctx, secret)
	switch {
	case err == nil, apierrors.IsAlreadyExists(err):
		return "", nil
	case apierrors.IsForbidden(err):
		return fmt.Sprintf("the API server refuses the Secret %s: %v", secret.Name, err), nil
	case apierrors.IsInvalid(err), apierrors.IsRequestEntityTooLargeError(err):
		return fmt.Sprintf("the API server refuses the Secret %s (%s)", secret.Name, apierrors.ReasonForError(err)), nil
	default:
		return "", fmt.Errorf("create the Secret %s with a snapshot: %w", secret.Name, err)
	}
}

// pruneSnapshots deletes what is more than is kept. One that cannot be deleted now is, when the next one is made.
func (r *Reconciler) pruneSnapshots(ctx context.Context, made *corev1.Secret) {
	var all metav1.PartialObjectMetadataList
	all.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	err := r.Reader.List(ctx, &all, client.InNamespace(made.Namespace), client.MatchingLabels{
		autov1alpha1.LabelComponent:     componentSnapshot,
		autov1alpha1.LabelWorkspaceName: made.Labels[autov1alpha1.LabelWorkspaceName],
	})
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Snapshots not pruned")
		return
	}
	for _, old := range outdatedSnapshots(all.Items, made) {
		if err := r.Client.Delete(ctx, &old, client.Preconditions{UID: &old.UID}); client.IgnoreNotFound(err) != nil {
			ctrl.LoggerFrom(ctx).Error(err, "Snapshot not pruned", "secret", old.Name)
		}
	}
}
