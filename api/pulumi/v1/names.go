package v1

import autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"

// Names that users and other software rely on.
const (
	// AnnotationReconciliationRequest on a Stack asks for one run per new value that is not empty.
	AnnotationReconciliationRequest = "pulumi.com/reconciliation-request"

	// AnnotationRequestedAt on a Stack is Flux's word for the same. A new value of either asks for one run; new values of both
	// that come together ask for one.
	AnnotationRequestedAt = "reconcile.fluxcd.io/requestedAt"

	// AnnotationCancelRequest on a Stack, with a value that was not seen before, cancels the update that is under way then.
	AnnotationCancelRequest = "pulumi.com/cancel-request"

	// AnnotationAbandon on a Stack that is being deleted, with the value "true", releases it without a destroy. What it made
	// is left behind, and an event and the manager's log say what that is.
	AnnotationAbandon = "pulumi.com/abandon"

	// AnnotationStack on a Workspace or Update of the execution namespace names the Stack that it was made for, as
	// "namespace/name".
	AnnotationStack = "gantry.pulumi.com/stack"

	// Finalizer is on every Stack that a controller has seen alive.
	Finalizer = "finalizer.stack.pulumi.com"

	// LabelComponent on a Workspace or Update is "stack".
	LabelComponent = "pulumi.com/component"
	// LabelStackName on a Workspace or Update is the name of its Stack; of one over 63 characters, that of its Workspace.
	LabelStackName = "pulumi.com/stack-name"
)

// ConditionTypeSourceStale is True, and present, only while the source cannot be reached and the last revision that is
// known of it goes on being used. Its reason is SourceUnavailable.
const ConditionTypeSourceStale = "SourceStale"

// ConditionTypeSuspended is True, and present, only while spec.suspend is. Its reason is Suspended.
const ConditionTypeSuspended = "Suspended"

// Reasons of a Stack's conditions.
const (
	// ReasonProcessingCompleted with Ready=True: the stack is in line with its source.
	ReasonProcessingCompleted = "ProcessingCompleted"
	// ReasonNotReadyInProgress with Ready=False: something is under way.
	ReasonNotReadyInProgress = "NotReadyInProgress"
	// ReasonNotReadyStalled with Ready=False: a person has to act.
	ReasonNotReadyStalled = "NotReadyStalled"

	// ReasonStackProcessing with Reconciling=True: a workspace or an update is under way.
	ReasonStackProcessing = "StackProcessing"
	// ReasonRetryingAfterFailure with Reconciling=True: the last update failed and is tried again later.
	ReasonRetryingAfterFailure = "RetryingAfterFailure"
	// ReasonUpdateConflict with Reconciling=True: somebody else has locked the stack, or updates it. It is waited for.
	ReasonUpdateConflict = "UpdateConflict"
	// ReasonPreviewFailed with Reconciling=True: the last preview failed and is tried again later.
	ReasonPreviewFailed = "PreviewFailed"
	// ReasonPrerequisiteNotSatisfied with Reconciling=True: another Stack has to succeed first.
	ReasonPrerequisiteNotSatisfied = "PrerequisiteNotSatisfied"
	// ReasonDependentsExist with Reconciling=True: the Stack goes, and others that need it have to be gone first.
	ReasonDependentsExist = "DependentsExist"
	// ReasonSourceUnavailable with Reconciling=True: the source is not there (yet).
	ReasonSourceUnavailable = "SourceUnavailable"
	// ReasonPermissionMissing with Reconciling=True: the manager lacks a right that the Stack needs.
	ReasonPermissionMissing = "PermissionMissing"
	// ReasonWorkspaceNotReady with Reconciling=True: the pod cannot start (yet).
	ReasonWorkspaceNotReady = "WorkspaceNotReady"

	// ReasonSpecInvalid with Stalled=True: the spec cannot work as it is.
	ReasonSpecInvalid = "SpecInvalid"
	// ReasonSourceInvalid with Stalled=True: the source cannot be used as it is, because it is too large or hostile.
	ReasonSourceInvalid = "SourceInvalid"
	// ReasonWorkspaceFailed with Stalled=True: the Workspace is stalled.
	ReasonWorkspaceFailed = "WorkspaceFailed"
	// ReasonStackInUse with Stalled=True: the stack of the backend belongs to another Stack, which the message names.
	ReasonStackInUse = "StackInUse"
	// ReasonUpdateFailed with Stalled=True: the update failed as often as it is tried.
	ReasonUpdateFailed = "UpdateFailed"
	// ReasonUpdateCanceled with Stalled=True: a person had the update canceled, and nothing runs before something changes.
	ReasonUpdateCanceled = "UpdateCanceled"
	// ReasonResourceProtected with Stalled=True: the Stack goes and has a resource that is protected from being deleted.
	ReasonResourceProtected = "ResourceProtected"
	// ReasonNamespaceTerminating with Stalled=True: the namespace goes and no pod can destroy the stack in it.
	ReasonNamespaceTerminating = "NamespaceTerminating"

	// ReasonSuspended with Suspended=True; and with Ready=False, where the stack is not in line with its spec: nothing is done
	// about that before the Stack is resumed.
	ReasonSuspended = "Suspended"
)

// Reasons of a Stack's events.
const (
	// EventStackConfigInvalid: the spec cannot work as it is.
	EventStackConfigInvalid = "StackConfigInvalid"
	// EventStackUpdateDetected: there is a reason to run.
	EventStackUpdateDetected = "StackUpdateDetected"
	// EventStackSourceUnchanged: a new revision of the source changes nothing of what the stack needs.
	EventStackSourceUnchanged = "StackSourceUnchanged"
	// EventStackUpdateFailure: an update failed.
	EventStackUpdateFailure = "StackUpdateFailure"
	// EventStackCreated: an update succeeded.
	EventStackCreated = "StackCreated"
	// EventStackDestroyed: a destroy succeeded.
	EventStackDestroyed = "StackDestroyed"
	// EventResourcesKept: the Stack goes and what it made stays, since destroyOnFinalize is not set.
	EventResourcesKept = "ResourcesKept"
	// EventResourcesAbandoned: the Stack goes and what it made stays, since a person released it.
	EventResourcesAbandoned = "ResourcesAbandoned"
	// EventStackLockHealed: a dead operation of the Stack had left the stack locked, and the lock was canceled.
	EventStackLockHealed = "StackLockHealed"
	// EventPendingOperations: an update met operations that an interrupted one left pending in the state.
	EventPendingOperations = "PendingOperations"
	// EventCancelRequested: a person asked for the update under way to be canceled.
	EventCancelRequested = "CancelRequested"
	// EventWorkspaceDeleted: the Workspace was reclaimed.
	EventWorkspaceDeleted = "WorkspaceDeleted"
)

// WorkspaceName is the name of the Workspace of a Stack, with which the names of its Updates begin: the Stack's own, if
// that has at most 42 characters; a longer one is shortened.
func WorkspaceName(stack string) string { return autov1alpha1.ShortName(stack) }

// KubeconfigSecretName is the name of the Secret in which a Stack keeps the kubeconfig that is another Stack's output.
func KubeconfigSecretName(stack string) string { return WorkspaceName(stack) + "-kubeconfig" }
