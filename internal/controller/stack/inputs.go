package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/pod"
	"github.com/gantry-operator/gantry/internal/references"
	"github.com/gantry-operator/gantry/internal/source/git/auth"
)

// Inputs tells what the Secrets and ConfigMaps are like that Stacks name.
type Inputs interface {
	// Notify sets who is told which Stacks to look at again, since something that they name changed.
	Notify(wake func(stack types.NamespacedName))
	// Observe makes inputs all that a Stack names, and sums them up.
	Observe(ctx context.Context, stack types.NamespacedName, inputs []pod.Input) (references.Summary, error)
	// Outdate makes an object be looked at again that was just written.
	Outdate(kind string, name types.NamespacedName)
	// Forget is for a Stack that is gone.
	Forget(stack types.NamespacedName)
}

// observeInputs sums up what the desired Workspace takes from Secrets and ConfigMaps, and marks its pods with it. The
// Secrets with credentials of the source are followed like the others, but they are no reason to run.
func (r *Reconciler) observeInputs(ctx context.Context, o *Observed) error {
	var inputs []pod.Input
	if o.Desired != nil {
		var err error
		// What is invalid is told on the Workspace.
		if inputs, err = pod.Inputs(o.Desired); err != nil && !errors.As(err, new(*pod.InvalidError)) {
			return fmt.Errorf("find the inputs: %w", err)
		}
	}
	var followed []string
	for _, name := range auth.OfStack(&o.Stack.Spec.GitSource).Names() {
		reference := pod.Reference{Kind: pod.KindSecret, Name: name}
		if !slices.ContainsFunc(inputs, func(i pod.Input) bool { return i.Reference == reference }) {
			inputs = append(inputs, pod.Input{Reference: reference, Whole: true})
			followed = append(followed, reference.Kind+"/"+reference.Name)
		}
	}
	var err error
	if o.Inputs, err = r.Inputs.Observe(ctx, client.ObjectKeyFromObject(o.Stack), inputs); err != nil {
		return fmt.Errorf("look at the inputs: %w", err)
	}
	maps.DeleteFunc(o.Inputs.Digests, func(name, _ string) bool { return slices.Contains(followed, name) })
	if o.Desired != nil {
		markInputs(o.Desired, o.Workspace, o.Inputs)
	}
	return nil
}

// markInputs puts a mark on the desired Workspace's pods that is another one when an input changed, so that a pod which
// has the old content gives way. While something is missing the mark stays what it is: a pod that has all is better than
// one that cannot start.
func markInputs(desired, existing *autov1alpha1.Workspace, inputs references.Summary) {
	if len(inputs.Digests) == 0 {
		return
	}
	mark := markOf(inputs.Digests)
	if len(inputs.Missing) > 0 && existing != nil && existing.Spec.Inputs != "" {
		mark = existing.Spec.Inputs
	}
	desired.Spec.Inputs = mark
}

// markOf is one word for all inputs; "" for none.
func markOf(digests map[string]string) string {
	if len(digests) == 0 {
		return ""
	}
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(digests)) {
		fmt.Fprintf(hash, "%s=%s\n", name, digests[name])
	}
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

// changedInputs names the inputs that are not what a record says: "Secret credentials". What has no record is not known
// to have changed. While something is missing nothing is said to have changed: what needs it could not run.
func changedInputs(record map[string]string, now references.Summary) []string {
	if len(now.Missing) > 0 {
		return nil
	}
	return differing(record, now.Digests)
}

// differing names what both have, and have differently.
func differing(was, is map[string]string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if before, ok := was[name]; ok && before != is[name] {
			names = append(names, strings.Replace(name, "/", " ", 1))
		}
	}
	return names
}

// adoptInputs takes what has no record in that of the last update as what that update ran with. PKO keeps no such record.
func adoptInputs(last *pulumiv1.LastUpdate, generation int64, now references.Summary) {
	if last == nil || last.State == "" || last.Generation != generation {
		return
	}
	for name, digest := range now.Digests {
		if _, known := last.Inputs[name]; !known && !slices.Contains(now.Missing, name) {
			last.Inputs = overlay(last.Inputs, map[string]string{name: digest})
		}
	}
}
