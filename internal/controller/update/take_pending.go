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
	"github.com/gantry-operator/gantry/internal/kube"
	"github.com/gantry-operator/gantry/internal/operation"
)

// managerSnapshots is the field manager of the record of snapshots.
const managerSnapshots = kube.ManagerObjects + "/snapshots"

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
		r.pruneSnapshots(ctx, client.ObjectKey{Namespace: o.Update.Namespace, Name: o.Update.Spec.WorkspaceName}, secret)
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

// pruneSnapshots deletes what is more than is kept. One that cannot be deleted now goes with what owns it.
func (r *Reconciler) pruneSnapshots(ctx context.Context, of client.ObjectKey, made *corev1.Secret) {
	log := ctrl.LoggerFrom(ctx)
	workspace := &autov1alpha1.Workspace{}
	if err := r.Reader.Get(ctx, of, workspace); err != nil {
		log.Error(err, "Snapshots not pruned")
		return
	}
	kept, outdated := countSnapshots(workspace, made.Name)
	for _, name := range outdated {
		if err := r.deleteSnapshot(ctx, client.ObjectKey{Namespace: made.Namespace, Name: name}, made); err != nil {
			log.Error(err, "Snapshot not pruned", "secret", name)
		}
	}
	if kept == workspace.Annotations[annotationSnapshots] {
		return
	}
	was := workspace.DeepCopy()
	metav1.SetMetaDataAnnotation(&workspace.ObjectMeta, annotationSnapshots, kept)
	if err := r.Client.Patch(ctx, workspace, client.MergeFrom(was), client.FieldOwner(managerSnapshots)); err != nil {
		log.Error(err, "Snapshot not put on record", "secret", made.Name)
	}
}

// deleteSnapshot deletes a Secret if that is a snapshot with the owner of the one that was made: its name comes from an
// annotation, which others may write too.
func (r *Reconciler) deleteSnapshot(ctx context.Context, name client.ObjectKey, made *corev1.Secret) error {
	old := &metav1.PartialObjectMetadata{}
	old.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	if err := r.Reader.Get(ctx, name, old); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !isSnapshotOf(old, made.OwnerReferences[0].UID) {
		return nil
	}
	return client.IgnoreNotFound(r.Client.Delete(ctx, old, client.Preconditions{UID: &old.UID}))
}
