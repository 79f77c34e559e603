package stack

import (
	"cmp"
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/claim"
	"github.com/gantry-operator/gantry/internal/pod"
)

// Projects reads the project files of archives.
type Projects interface {
	Project(digest, dir string) (claim.Project, error)
}

// observeClaim finds out whether another Stack has the stack of the backend that this one names.
func (r *Reconciler) observeClaim(ctx context.Context, o *Observed) error {
	if r.Claims == nil {
		return nil
	}
	if err := r.Claims.Prime(func() ([]claim.Holder, error) { return r.allClaims(ctx) }); err != nil {
		return err
	}
	if o.Stack.Spec.Unreadable != "" || (o.Update != nil && o.Update.Status.PodUID != "") {
		return nil // it has what it had
	}
	holder, ok := r.holder(o.Stack, *o.Stack.Status.Applied)
	if !ok {
		r.Claims.Drop(client.ObjectKeyFromObject(o.Stack))
		return nil
	}
	if o.Source.Artifact != nil {
		holder.Digest, holder.Dir = o.Source.Artifact.Digest, o.Source.Artifact.Dir
	}
	holder = r.Claims.Set(holder)
	if o.Project = r.projectOf(holder); o.Project == "" {
		return nil
	}
	var same []claim.Holder
	for _, other := range r.Claims.Others(holder.UID) {
		if r.projectOf(other) == o.Project {
			same = append(same, other)
		}
	}
	o.Rival = claim.First(holder, same)
	r.Claims.Wait(holder.UID, o.Rival)
	return nil
}

// allClaims are those of the Stacks that there are when the manager starts.
func (r *Reconciler) allClaims(ctx context.Context) ([]claim.Holder, error) {
	var stacks pulumiv1.StackList
	if err := r.Client.List(ctx, &stacks); err != nil {
		return nil, fmt.Errorf("list the Stacks for what they claim: %w", err)
	}
	var holders []claim.Holder
	for i := range stacks.Items {
		stack := &stacks.Items[i]
		if released(stack) {
			continue
		}
		applied := !isFresh(stack)
		if stack.Status.Applied != nil {
			applied = *stack.Status.Applied
		}
		if holder, ok := r.holder(stack, applied); ok {
			holders = append(holders, holder)
		}
	}
	return holders, nil
}

// holder is a Stack with its claim; ok is false for one that claims nothing. A Stack that only previews, and has never
// done anything else, does: it changes nothing, and looking at what another one has is what it may be for.
func (r *Reconciler) holder(stack *pulumiv1.Stack, applied bool) (claim.Holder, bool) {
	if stack.Spec.Preview && !applied {
		return claim.Holder{}, false
	}
	named, ok := r.Claims.Known(stack.UID, stack.Generation)
	if !ok {
		if named, ok = claimOf(stack); !ok {
			return claim.Holder{}, false
		}
	}
	holder := claim.Holder{
		Stack: client.ObjectKeyFromObject(stack), UID: stack.UID, Generation: stack.Generation, Claim: named,
		Created: stack.CreationTimestamp.Time, Standing: standing(stack, applied),
	}
	record, _ := lastSource(stack)
	if record == nil || deleting(stack) {
		record = stack.Status.Source
	}
	if record != nil {
		holder.Digest, holder.Dir = record.Digest, record.Dir
	}
	switch {
	case stack.Status.ProjectInfo != nil:
		holder.Ran = stack.Status.ProjectInfo.Name
	case stack.Spec.ProgramRef != nil && stack.Spec.FluxSource == nil && !usesGit(&stack.Spec):
		holder.Ran = stack.Spec.ProgramRef.Name // a Program's project has its name
	}
	return holder, true
}

// claimOf reads a Stack's claim from the pod that it would have.
func claimOf(stack *pulumiv1.Stack) (claim.Claim, bool) {
	if stack.Spec.Unreadable != "" {
		return claim.Claim{}, false
	}
	workspace, err := buildWorkspace(stack, Source{})
	if err != nil {
		return claim.Claim{}, false
	}
	built, err := pod.Build(workspace, pod.Settings{})
	if err != nil {
		return claim.Claim{}, false
	}
	return claim.Of(stack.Namespace, stack.Spec.Stack, &built.Spec)
}

// standing is what a Stack did with what it claims. One that was told that it is another's, or whose spec may be another
// one than what it applied, has no right from what it applied.
func standing(stack *pulumiv1.Stack, applied bool) claim.Standing {
	stalled := meta.FindStatusCondition(stack.Status.Conditions, autov1alpha1.ConditionTypeStalled)
	told := stalled != nil && stalled.Status == metav1.ConditionTrue && stalled.Reason == pulumiv1.ReasonStackInUse
	switch {
	case !applied || told:
		return claim.Waiting
	case stack.Status.ObservedGeneration != stack.Generation:
		return claim.Applied
	default:
		return claim.Settled
	}
}

// projectOf says which project of which backend the program of a claim is of; empty where that is not known.
func (r *Reconciler) projectOf(holder claim.Holder) string {
	if holder.Project != "" && !holder.Bare {
		return holder.Project
	}
	file := r.projectFile(holder)
	if holder.Bare && file.Name == "" {
		return "" // it may name any backend
	}
	name := cmp.Or(holder.Project, file.Name, holder.Ran)
	if holder.Bare && file.Backend != "" {
		return name + " in " + file.Backend
	}
	return name
}

// projectFile is what the project file says in the archive of a claim; nothing while the archive is on its way, or is gone.
func (r *Reconciler) projectFile(holder claim.Holder) claim.Project {
	if r.Projects == nil || holder.Digest == "" {
		return claim.Project{}
	}
	file, err := r.Projects.Project(holder.Digest, holder.Dir)
	if err != nil {
		return claim.Project{}
	}
	return file
}
