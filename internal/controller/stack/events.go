package stack

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
)

// notice is what is told of a Stack once.
type notice struct {
	kind, reason, action, note string
}

// updateDetected: there is a reason to run.
func updateDetected(step Step) notice {
	return notice{corev1.EventTypeNormal, pulumiv1.EventStackUpdateDetected, "Update", step.Message}
}

// sourceUnchanged: a new revision is not run.
func sourceUnchanged(revision string) notice {
	return notice{corev1.EventTypeNormal, pulumiv1.EventStackSourceUnchanged, "Observe", revision + " changes nothing of what the stack needs, and is not run"}
}

// updateEnded: how an update went. PKO calls every success StackCreated.
func updateEnded(last *pulumiv1.LastUpdate) notice {
	switch {
	case last.State == pulumiv1.FailedStackState:
		return notice{corev1.EventTypeWarning, pulumiv1.EventStackUpdateFailure, "Update", fmt.Sprintf("%s %s failed: %s", last.Type, last.Name, last.Message)}
	case last.Type == autov1alpha1.DestroyUpdate:
		return notice{corev1.EventTypeNormal, pulumiv1.EventStackDestroyed, "Update", fmt.Sprintf("destroy %s succeeded", last.Name)}
	default:
		return notice{corev1.EventTypeNormal, pulumiv1.EventStackCreated, "Update", fmt.Sprintf("%s %s succeeded", last.Type, last.Name)}
	}
}

// lockHealed: what an operation had to cancel before it could run.
func lockHealed(update *autov1alpha1.Update) notice {
	return notice{corev1.EventTypeNormal, pulumiv1.EventStackLockHealed, "Update", update.Status.Healed}
}

// pendingMet: an update met pending operations, and what became of them.
func pendingMet(met *pulumiv1.PendingOperationsRecord) notice {
	return notice{corev1.EventTypeWarning, pulumiv1.EventPendingOperations, "Update", met.Message}
}

// configInvalid: the spec cannot work as it is.
func configInvalid(state conditions.State) notice {
	return notice{corev1.EventTypeWarning, pulumiv1.EventStackConfigInvalid, "Validate", state.Message()}
}

// fieldsIgnored: the spec has fields that do nothing, which was not said before.
func fieldsIgnored(was, is []metav1.Condition) []notice {
	fields := conditions.NewlyIgnored(was, is)
	if fields == "" {
		return nil
	}
	return []notice{{corev1.EventTypeWarning, autov1alpha1.ConditionTypeFieldsIgnored, "Validate", fields}}
}

// notStarting: something keeps the Stack from running that its spec, its namespace or its cluster has to mend.
func notStarting(state conditions.State) notice {
	return notice{corev1.EventTypeWarning, state.Reason(), "Start", state.Message()}
}

// workspaceDeleted: the Workspace was reclaimed.
func workspaceDeleted() notice {
	return notice{corev1.EventTypeNormal, pulumiv1.EventWorkspaceDeleted, "Reclaim", "the Workspace was deleted after a success, as workspaceReclaimPolicy asks"}
}

// tooLarge: the object is so large that the API server does not keep a status beside it, so that only an event can tell.
func tooLarge() notice {
	return notice{corev1.EventTypeWarning, pulumiv1.EventStackConfigInvalid, "Validate",
		"the Stack is so large that its status cannot be kept beside it: put large values of spec.config into ConfigMaps, and name them in spec.configRef"}
}
