package workspace

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/pod"
)

// IndexWorkspaceName is the field index of Updates by the name of their Workspace.
const IndexWorkspaceName = "spec.workspaceName"

// Observed is all that a step is decided from.
type Observed struct {
	Workspace *autov1alpha1.Workspace
	// Pod of the Workspace's pod name, whoever owns it; nil if there is none.
	Pod *corev1.Pod
	// Built is the pod the Workspace asks for; nil while Invalid or without a CA.
	Built *corev1.Pod
	// Invalid is what in the Workspace a person has to mend.
	Invalid *pod.InvalidError
	// HasCA says that the manager's certificates are there.
	HasCA bool
	// IdleTimeout is how long a pod is kept without work.
	IdleTimeout time.Duration
	// Claims are what the Updates want of the pod.
	Claims Claims
	// Connected says that the agent of Pod has a session, of a CLI of version PulumiVersion.
	Connected     bool
	PulumiVersion string
	// Former is what PKO left.
	Former Former
	// Retired says that the hub gives Pod no more work.
	Retired bool
	// Findings of a closer look at a pod that does not start.
	Findings Findings
	// LookupError is why the closer look failed. It makes the words less precise, nothing else.
	LookupError error
}

// Findings are what the pod itself does not tell.
type Findings struct {
	// Missing objects that the pod refers to.
	Missing []pod.Reference
	// Warning is the latest warning event of the pod, as "Reason: message".
	Warning string
}

// observe does all reads. While there is no pod they are all from memory, so that the pod is made without delay.
func (r *Reconciler) observe(ctx context.Context, workspace *autov1alpha1.Workspace) (Observed, error) {
	name := client.ObjectKeyFromObject(workspace)
	o := Observed{Workspace: workspace}
	updates := &autov1alpha1.UpdateList{}
	if err := r.Client.List(ctx, updates, client.InNamespace(name.Namespace), client.MatchingFields{IndexWorkspaceName: name.Name}); err != nil {
		return o, fmt.Errorf("list the updates of the workspace: %w", err)
	}
	if err := r.observePod(ctx, &o, name); err != nil {
		return o, err
	}
	r.observeFormer(ctx, &o)
	o.Claims = claimsOn(updates.Items, o.Pod).expecting(workspace, r.Clock.Now())
	if err := r.build(&o); err != nil {
		return o, err
	}
	r.lookCloser(ctx, &o)
	return o, nil
}

// observePod reads the pod and what the hub knows of it.
func (r *Reconciler) observePod(ctx context.Context, o *Observed, name types.NamespacedName) error {
	found := &corev1.Pod{}
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: name.Namespace, Name: autov1alpha1.PodName(name.Name)}, found)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("get the pod of the workspace: %w", err)
	}
	var uid types.UID
	if err == nil {
		o.Pod, uid = found, found.UID
	}
	if before := r.memory.pod(name, uid); before != "" {
		r.Hub.Gone(name, before)
	}
	session, connected := r.Hub.Session(name)
	if connected && o.Pod != nil && session.PodUID == uid {
		o.Connected, o.PulumiVersion, o.Retired = true, session.PulumiVersion, session.Retired
	}
	o.Retired = o.Retired || r.memory.retired(name)
	return nil
}

// build makes the pod that the Workspace asks for.
func (r *Reconciler) build(o *Observed) error {
	settings := r.Pods
	if r.CA != nil {
		settings.CA = r.CA()
	}
	o.HasCA = settings.CA != ""
	o.IdleTimeout = idleTimeout(&o.Workspace.Spec, r.IdleTimeout)
	built, err := pod.Build(o.Workspace, settings)
	if err != nil && !errors.As(err, &o.Invalid) {
		return fmt.Errorf("build the pod of the workspace: %w", err)
	}
	if o.HasCA && o.Invalid == nil {
		o.Built = built
	}
	return nil
}

// lookCloser asks the API server why a pod does not start, if it takes longer than it should. It asks rarely: many
// pods may be slow at the same time only because they are many.
func (r *Reconciler) lookCloser(ctx context.Context, o *Observed) {
	now := r.Clock.Now()
	if o.Pod == nil || !slowToStart(o, now) {
		return
	}
	name := client.ObjectKeyFromObject(o.Workspace)
	findings, due := r.memory.look(name, now)
	if due {
		var errMissing, errWarning error
		findings.Missing, errMissing = r.missing(ctx, o.Pod)
		if age(o.Pod, now) >= warnAfter {
			findings.Warning, errWarning = r.latestWarning(ctx, o.Pod)
		}
		o.LookupError = errors.Join(o.LookupError, errMissing, errWarning)
		r.memory.found(name, findings, now)
	}
	o.Findings = findings
}

// missing are the objects that the pod refers to and that do not exist. Only metadata is read.
func (r *Reconciler) missing(ctx context.Context, of *corev1.Pod) ([]pod.Reference, error) {
	var missing []pod.Reference
	for _, reference := range pod.References(&of.Spec) {
		exists, err := r.exists(ctx, reference.Kind, types.NamespacedName{Namespace: of.Namespace, Name: reference.Name})
		if err != nil {
			return missing, err
		}
		if !exists {
			missing = append(missing, reference)
		}
	}
	return missing, nil
}

// exists tells whether the API server has an object of a kind of the core group.
func (r *Reconciler) exists(ctx context.Context, kind string, name types.NamespacedName) (bool, error) {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
	err := r.Reader.Get(ctx, name, object)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s %s: %w", kind, name, err)
	}
	return true, nil
}

// latestWarning is what the cluster last complained of about the pod.
func (r *Reconciler) latestWarning(ctx context.Context, of *corev1.Pod) (string, error) {
	list := &corev1.EventList{}
	err := r.Reader.List(ctx, list, client.InNamespace(of.Namespace), client.MatchingFields{
		"involvedObject.uid": string(of.UID), "type": corev1.EventTypeWarning,
	})
	if err != nil {
		return "", fmt.Errorf("list the events of pod %s: %w", of.Name, err)
	}
	return latest(list.Items), nil
}
