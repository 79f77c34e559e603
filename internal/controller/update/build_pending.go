package update

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/operation"
)

const (
	// componentSnapshot is the component label of the Secret with a snapshot of a state.
	componentSnapshot = "snapshot"
	// keySnapshot is what the Secret has the snapshot under.
	keySnapshot = "deployment.json.gz"
	// annotationSnapshots of a Workspace has the names of the Secrets with snapshots, the newest first: the manager may not
	// look for Secrets that it cannot name.
	annotationSnapshots = "gantry.pulumi.com/snapshots"
	// keptSnapshots is how many snapshots are kept of one stack, the newest.
	keptSnapshots = 3
	// maxPending bounds the pending operations on record, maxURN each of their URNs, and maxNamed how many a message names.
	maxPending = 20
	maxURN     = 1 << 10
	maxNamed   = 5
)

// policyOf is the operation's word for what is done with pending operations.
func policyOf(spec autov1alpha1.UpdateSpec) operation.PendingPolicy {
	switch spec.PendingOperations {
	case autov1alpha1.PendingOperationsRefresh:
		return operation.PendingPolicy_PENDING_REFRESH
	case autov1alpha1.PendingOperationsKeep:
		return operation.PendingPolicy_PENDING_KEEP
	default:
		return operation.PendingPolicy_PENDING_UNLOOKED
	}
}

// buildSnapshot makes the Secret that keeps a snapshot; or says why none can.
func buildSnapshot(o Observed) (secret *corev1.Secret, refused string) {
	snapshot := o.State.Snapshot
	switch {
	case o.Update.Spec.PendingOperations == "":
		return nil, "the Update does not ask for it"
	case len(snapshot.GetDeployment()) == 0 && snapshot.GetPartial() != "":
		return nil, snapshot.GetPartial()
	case len(snapshot.GetDeployment()) == 0:
		return nil, "the state is too large for a Secret"
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: o.Update.Namespace,
			Name:      autov1alpha1.SnapshotSecretName(o.Update.Spec.WorkspaceName, string(o.Update.UID)),
			Labels: map[string]string{
				autov1alpha1.LabelComponent:     componentSnapshot,
				autov1alpha1.LabelWorkspaceName: autov1alpha1.LabelValue(o.Update.Spec.WorkspaceName),
				autov1alpha1.LabelUpdateName:    autov1alpha1.LabelValue(o.Update.Name),
			},
			OwnerReferences: []metav1.OwnerReference{snapshotOwner(o)},
		},
		Immutable: new(true),
		Type:      corev1.SecretTypeOpaque,
		Data:      map[string][]byte{keySnapshot: snapshot.GetDeployment()},
	}, ""
}

// snapshotOwner is what a snapshot goes with: the Stack, or for an Update that somebody made by hand its Workspace. The
// Update itself goes too soon.
func snapshotOwner(o Observed) metav1.OwnerReference {
	for _, owner := range o.Update.OwnerReferences {
		group, err := schema.ParseGroupVersion(owner.APIVersion)
		if err == nil && group.Group == "pulumi.com" && owner.Kind == "Stack" {
			return metav1.OwnerReference{APIVersion: owner.APIVersion, Kind: owner.Kind, Name: owner.Name, UID: owner.UID}
		}
	}
	if o.Workspace != nil {
		return metav1.OwnerReference{
			APIVersion: autov1alpha1.GroupVersion.String(), Kind: "Workspace", Name: o.Workspace.Name, UID: o.Workspace.UID,
		}
	}
	return ownerReference(o.Update)
}

// countSnapshots puts a snapshot before those that a Workspace has on record, and answers the record then and the names of
// those that are more than are kept.
func countSnapshots(workspace *autov1alpha1.Workspace, made string) (kept string, outdated []string) {
	names := []string{made}
	for name := range strings.SplitSeq(workspace.Annotations[annotationSnapshots], ",") {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	most := min(len(names), keptSnapshots)
	return strings.Join(names[:most], ","), names[most:]
}

// isSnapshotOf tells whether a Secret is a snapshot with that owner.
func isSnapshotOf(secret *metav1.PartialObjectMetadata, owner types.UID) bool {
	return secret.Labels[autov1alpha1.LabelComponent] == componentSnapshot &&
		slices.ContainsFunc(secret.OwnerReferences, func(ref metav1.OwnerReference) bool { return ref.UID == owner })
}

// foundPending is the record of pending operations before anything is done with them. It is there before the agent goes
// on, so that a pod that dies meanwhile takes no URN with it.
func foundPending(snapshot *operation.Snapshot, secret, refused string) *autov1alpha1.PendingOperations {
	found := &autov1alpha1.PendingOperations{
		Outcome: autov1alpha1.PendingOperationsFound, Count: max(snapshot.GetCount(), int32(len(snapshot.GetPending()))), Snapshot: secret,
	}
	for _, one := range snapshot.GetPending()[:min(len(snapshot.GetPending()), maxPending)] {
		found.Operations = append(found.Operations, autov1alpha1.PendingOperation{Type: cut(one.GetType()), URN: cut(one.GetUrn())})
	}
	kept := fmt.Sprintf("The state as it was is kept in the Secret %s.", secret)
	switch {
	case refused != "":
		kept = "The state as it was is not kept: " + refused + "."
	case snapshot.GetPartial() != "":
		kept = fmt.Sprintf("Of the state as it was a part is kept in the Secret %s: %s.", secret, snapshot.GetPartial())
	}
	found.Message = conditions.Bound(fmt.Sprintf("An interrupted update left %s pending in the state: %s. %s",
		operations(found.Count), named(found.Operations, found.Count), kept))
	return found
}

func cut(text string) string {
	if len(text) <= maxURN {
		return text
	}
	return strings.ToValidUTF8(text[:maxURN], "")
}

func operations(count int32) string {
	if count == 1 {
		return "1 operation"
	}
	return fmt.Sprintf("%d operations", count)
}

// named lists the first operations.
func named(all []autov1alpha1.PendingOperation, count int32) string {
	var words []string
	for _, one := range all[:min(len(all), maxNamed)] {
		words = append(words, one.Type+" "+one.URN)
	}
	if more := int(count) - len(words); more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(words, ", ")
}

// settledPending is the record after the operation, which says what became of pending operations.
func settledPending(found *autov1alpha1.PendingOperations, outcome *operation.PendingOutcome) *autov1alpha1.PendingOperations {
	if outcome == nil || outcome.GetOutcome() == operation.PendingOutcome_UNKNOWN {
		return found.DeepCopy()
	}
	if outcome.GetOutcome() == operation.PendingOutcome_NONE {
		return &autov1alpha1.PendingOperations{Outcome: autov1alpha1.PendingOperationsNone}
	}
	settled := &autov1alpha1.PendingOperations{}
	if found != nil {
		settled = found.DeepCopy()
	}
	var words string
	switch outcome.GetOutcome() {
	case operation.PendingOutcome_CLEARED:
		settled.Outcome, words = autov1alpha1.PendingOperationsCleared, "The state was refreshed."
		if leaks := creating(settled.Operations); len(leaks) > 0 {
			words = "The state was refreshed, and pending creates were dropped from it: what was being created may exist without " +
				"being in the state, so look for it where it would be and delete or import it."
		}
	case operation.PendingOutcome_KEPT:
		settled.Outcome, words = autov1alpha1.PendingOperationsKept, "They are kept, as pendingOperations asks."
	default:
		settled.Outcome, words = autov1alpha1.PendingOperationsFailed, "They could not be cleared, and the next update tries again: "+outcome.GetMessage()
	}
	settled.Message = conditions.Bound(strings.TrimSpace(settled.Message + " " + words))
	return settled
}

// creating are the operations that may have left a resource of which no state knows.
func creating(all []autov1alpha1.PendingOperation) []autov1alpha1.PendingOperation {
	return slices.DeleteFunc(slices.Clone(all), func(one autov1alpha1.PendingOperation) bool { return one.Type != "creating" })
}
