package update

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/validate"
)

// IndexWorkspaceName is the cache's index of Updates by spec.workspaceName.
const IndexWorkspaceName = "spec.workspaceName"

func workspaceKey(update *autov1alpha1.Update) types.NamespacedName {
	return types.NamespacedName{Namespace: update.Namespace, Name: update.Spec.WorkspaceName}
}

// observe reads what a plan for the Update is made from, and no more than that: a waiting Update needs its Workspace and
// its rivals, a running one its pod if the agent is away.
func (r *Reconciler) observe(ctx context.Context, update *autov1alpha1.Update) (Observed, error) {
	o := Observed{Update: update, Settings: r.Settings, Began: r.Clock.Now()}
	var unnamed validate.Problems
	if unnamed.ObjectName("spec.workspaceName", "Workspace", update.Spec.WorkspaceName); len(unnamed) > 0 {
		return o, nil
	}
	key := workspaceKey(update)
	o.State = r.Hub.State(key, update.UID)
	o.Session, o.Connected = r.Hub.Session(key)
	var err error
	switch {
	case isComplete(update), isStarted(update) && o.State.Result != nil:
	case isStarted(update):
		err = r.observeRunning(ctx, &o)
	default:
		err = r.observeWaiting(ctx, &o)
	}
	if err != nil {
		return o, err
	}
	return o, r.observeSource(ctx, &o)
}

// observeRunning reads what became of the pod, if its agent is away. Only the API server's own word counts there.
func (r *Reconciler) observeRunning(ctx context.Context, o *Observed) error {
	if o.attached() && o.State.Progress == nil {
		// It may have to be offered again, with all that belongs to it.
		if _, err := r.observeOthers(ctx, o); err != nil {
			return err
		}
	}
	if o.attached() {
		return r.observeWorkspace(ctx, o, r.Client)
	}
	pod := &corev1.Pod{}
	err := r.Reader.Get(ctx, client.ObjectKey{Namespace: o.Update.Namespace, Name: o.pod()}, pod)
	switch {
	case err != nil && !apierrors.IsNotFound(err):
		return fmt.Errorf("get Pod %s: %w", o.pod(), err)
	case err == nil && pod.UID == types.UID(o.Update.Status.PodUID):
		if isOver(pod) {
			o.PodEnd = endOf(pod)
		}
	default:
		if o.PodEnd = r.memory.end(o.Update.UID); o.PodEnd == "" {
			o.PodEnd = fmt.Sprintf("the pod %s is gone and left no result", o.pod())
		}
	}
	return nil
}

// observeWaiting reads what may keep the Update from starting. Where nothing does, the Workspace is read from the API
// server: an Update is made after its Workspace was changed, but the cache may have seen it before.
func (r *Reconciler) observeWaiting(ctx context.Context, o *Observed) error {
	rivals, err := r.observeOthers(ctx, o)
	if err != nil {
		return err
	}
	if err := r.observeWorkspace(ctx, o, r.Client); err != nil {
		return err
	}
	o.Ahead = aheadOf(o.Update, slices.DeleteFunc(rivals, o.isBarred))
	if o.Connected && !o.Session.Retired && o.Ahead == nil {
		return r.observeWorkspace(ctx, o, r.Reader)
	}
	return nil
}

// observeOthers lists the other Updates of the Workspace, and answers those that are not complete.
func (r *Reconciler) observeOthers(ctx context.Context, o *Observed) ([]autov1alpha1.Update, error) {
	all, err := updatesOf(ctx, r.Client, workspaceKey(o.Update))
	if err != nil {
		return nil, err
	}
	var rivals []autov1alpha1.Update
	for _, update := range all {
		if isComplete(&update) {
			o.Ended = append(o.Ended, update)
		} else {
			rivals = append(rivals, update)
		}
	}
	return rivals, nil
}

func (r *Reconciler) observeWorkspace(ctx context.Context, o *Observed, from client.Reader) error {
	workspace := &autov1alpha1.Workspace{}
	err := from.Get(ctx, workspaceKey(o.Update), workspace)
	if apierrors.IsNotFound(err) {
		o.Workspace = nil
		return nil
	}
	if err != nil {
		return fmt.Errorf("get Workspace %s: %w", o.Update.Spec.WorkspaceName, err)
	}
	o.Workspace = workspace
	return nil
}

// Waiting lists the Updates of a Workspace that are not complete: those that the coming or going of its agent is news
// for. It is what the hub asks for; where the cache fails it names none, and they look again by themselves.
func Waiting(from client.Reader) func(ctx context.Context, workspace types.NamespacedName) []types.NamespacedName {
	return func(ctx context.Context, workspace types.NamespacedName) []types.NamespacedName {
		updates, err := incomplete(ctx, from, workspace)
		if err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "Updates not woken", "workspace", workspace)
		}
		names := make([]types.NamespacedName, 0, len(updates))
		for i := range updates {
			names = append(names, client.ObjectKeyFromObject(&updates[i]))
		}
		return names
	}
}

// incomplete lists the Updates of a Workspace that are not complete.
func incomplete(ctx context.Context, from client.Reader, workspace types.NamespacedName) ([]autov1alpha1.Update, error) {
	all, err := updatesOf(ctx, from, workspace)
	return slices.DeleteFunc(all, func(update autov1alpha1.Update) bool { return isComplete(&update) }), err
}

// updatesOf lists the Updates of a Workspace.
func updatesOf(ctx context.Context, from client.Reader, workspace types.NamespacedName) ([]autov1alpha1.Update, error) {
	var all autov1alpha1.UpdateList
	if err := from.List(ctx, &all, client.InNamespace(workspace.Namespace), client.MatchingFields{IndexWorkspaceName: workspace.Name}); err != nil {
		return nil, fmt.Errorf("list the Updates of Workspace %s: %w", workspace, err)
	}
	return all.Items, nil
}
