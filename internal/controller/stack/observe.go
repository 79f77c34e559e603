package stack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// Outputs are a stack's outputs as its status shows them.
type Outputs struct {
	// Values by name; secret ones read "[secret]".
	Values map[string]apiextensionsv1.JSON
}

// observe reads all that a plan is made from. The Stack it answers is a copy that has the result of a complete update.
func (r *Reconciler) observe(ctx context.Context, stack *pulumiv1.Stack) (Observed, error) {
	o := Observed{Stack: stack.DeepCopy()}
	var err error
	if o.Workspace, err = r.workspace(ctx, workspaceKey(stack)); err != nil {
		return o, err
	}
	adoptGeneration(o.Stack)
	if err := r.observeUpdate(ctx, &o); err != nil {
		return o, err
	}
	r.observeCancel(ctx, &o)
	if o.Update != nil && o.Update.Status.PodUID != "" {
		r.restore(ctx, o.Stack)
		return o, nil // an operation runs: nothing else is looked at before it is over
	}
	if err := errors.Join(r.observeNamespace(ctx, &o), r.observeDependents(ctx, &o)); err != nil {
		return o, err
	}
	if err := invalidSpec(o.Stack); err != nil {
		o.SourceErr, o.DesiredErr = err, err
		r.unfollow(client.ObjectKeyFromObject(stack))
		return o, nil //nolint:nilerr // an invalid spec is observed, and what it names is not looked for
	}
	if o.Stack.Spec.Suspend {
		r.rest(o.Stack)
		return o, nil
	}
	return o, r.observeNeeds(ctx, &o)
}

// observeNeeds reads all that a run needs.
func (r *Reconciler) observeNeeds(ctx context.Context, o *Observed) error {
	o.Source, o.SourceErr = r.resolve(ctx, o.Stack)
	skipCommit(o)
	desire(o)
	if o.Elsewhere != "" {
		moveElsewhere(o)
		return nil // what the Workspace takes its values from is there, too, and not the Stack's to look after
	}
	if o.Desired != nil || usesGit(&o.Stack.Spec) {
		if err := r.observeInputs(ctx, o); err != nil {
			return err
		}
	}
	if err := r.observeKubeconfig(ctx, o); err != nil {
		return err
	}
	return r.observePrerequisites(ctx, o)
}

// workspaceKey is where the Workspace of a Stack is: beside it, but for an update that runs elsewhere.
func workspaceKey(stack *pulumiv1.Stack) client.ObjectKey {
	if current := stack.Status.CurrentUpdate; current != nil && current.Namespace != "" {
		return workspaceElsewhere(stack, current.Namespace)
	}
	return client.ObjectKey{Namespace: stack.Namespace, Name: pulumiv1.WorkspaceName(stack.Name)}
}

// workspace reads a Workspace, nil if there is none.
func (r *Reconciler) workspace(ctx context.Context, key client.ObjectKey) (*autov1alpha1.Workspace, error) {
	workspace := &autov1alpha1.Workspace{}
	err := r.Client.Get(ctx, key, workspace)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get Workspace: %w", err)
	}
	return workspace, nil
}

// observeUpdate finds the update under way. One that is complete goes into the status; one that is gone is forgotten.
func (r *Reconciler) observeUpdate(ctx context.Context, o *Observed) error {
	current := o.Stack.Status.CurrentUpdate
	if current == nil {
		return nil
	}
	update := &autov1alpha1.Update{}
	key := client.ObjectKey{Namespace: cmp.Or(current.Namespace, o.Stack.Namespace), Name: current.Name}
	err := r.Client.Get(ctx, key, update)
	if apierrors.IsNotFound(err) {
		err = r.Reader.Get(ctx, key, update) // the cache may not have it yet
	}
	if apierrors.IsNotFound(err) {
		// Nothing tells whether it ran, and how that ended.
		o.Stack.Status.InterruptedUpdate = current.Name
		return nil
	}
	if err != nil {
		return fmt.Errorf("get Update %s: %w", current.Name, err)
	}
	if applies(update) {
		o.Stack.Status.Applied = new(true)
	}
	if !meta.IsStatusConditionTrue(update.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete) {
		o.Update = update
		return nil
	}
	outputs, err := r.readOutputs(ctx, update)
	if err != nil {
		return err
	}
	absorb(o.Stack, update, outputs)
	o.Absorbed = update
	return nil
}

// readOutputs reads the outputs that an Update left in a Secret. nil means that it says nothing of them.
func (r *Reconciler) readOutputs(ctx context.Context, update *autov1alpha1.Update) (*Outputs, error) {
	if update.Status.Outputs == "" {
		if update.Spec.Type == autov1alpha1.UpUpdate {
			return &Outputs{}, nil
		}
		return nil, nil
	}
	secret := &corev1.Secret{}
	err := r.Reader.Get(ctx, client.ObjectKey{Namespace: update.Namespace, Name: update.Status.Outputs}, secret)
	if apierrors.IsNotFound(err) {
		return nil, nil // somebody deleted it; what is on record stays
	}
	if err != nil {
		return nil, fmt.Errorf("get Secret %s: %w", update.Status.Outputs, err)
	}
	return maskOutputs(secret)
}

// maskOutputs turns an outputs Secret into what a status may show.
func maskOutputs(secret *corev1.Secret) (*Outputs, error) {
	hidden, err := annotatedList(secret, autov1alpha1.AnnotationSecrets)
	if err != nil {
		return nil, err
	}
	omitted, err := annotatedList(secret, autov1alpha1.AnnotationOmitted)
	if err != nil {
		return nil, err
	}
	outputs := &Outputs{Values: map[string]apiextensionsv1.JSON{}}
	for name, value := range secret.Data {
		if slices.Contains(hidden, name) {
			value = []byte(`"[secret]"`)
		}
		outputs.Values[name] = apiextensionsv1.JSON{Raw: value}
	}
	for _, name := range omitted {
		outputs.Values[name] = apiextensionsv1.JSON{Raw: []byte(`"[too large: not kept]"`)}
	}
	return outputs, nil
}

// annotatedList is the list that an annotation of a Secret holds.
func annotatedList(secret *corev1.Secret, annotation string) ([]string, error) {
	var list []string
	if text := secret.Annotations[annotation]; text != "" {
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			return nil, fmt.Errorf("annotation %s of Secret %s: %w", annotation, secret.Name, err)
		}
	}
	return list, nil
}

func (r *Reconciler) observePrerequisites(ctx context.Context, o *Observed) error {
	if deleting(o.Stack) {
		return nil
	}
	for _, ref := range o.Stack.Spec.Prerequisites {
		p := Prerequisite{PrerequisiteRef: ref}
		other := &pulumiv1.Stack{}
		switch err := r.Client.Get(ctx, client.ObjectKey{Namespace: o.Stack.Namespace, Name: ref.Name}, other); {
		case err == nil:
			p.Stack = other
		case !apierrors.IsNotFound(err):
			return fmt.Errorf("get Stack %s: %w", ref.Name, err)
		}
		o.Prerequisites = append(o.Prerequisites, p)
	}
	var err error
	o.Cycle, err = r.cycle(ctx, o.Stack)
	return err
}

// released tells that a Stack is going and that the controller is done with it.
func released(stack *pulumiv1.Stack) bool {
	return deleting(stack) && !slices.Contains(stack.Finalizers, pulumiv1.Finalizer)
}
