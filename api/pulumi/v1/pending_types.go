package v1

import autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"

// ConditionTypePendingOperations is True, and present, while it is on record that an update met pending operations, of
// which resources may be left outside of the state. It says nothing of the state of the Stack.
const ConditionTypePendingOperations = "PendingOperations"

// Reasons of the condition PendingOperations.
const (
	// ReasonPendingOperationsFound: the update that met them did not come to deal with them.
	ReasonPendingOperationsFound = "PendingOperationsFound"
	// ReasonPendingOperationsCleared: the state was refreshed, and pending creates dropped.
	ReasonPendingOperationsCleared = "PendingOperationsCleared"
	// ReasonPendingOperationsKept: they are kept, as spec.pendingOperations asks.
	ReasonPendingOperationsKept = "PendingOperationsKept"
	// ReasonPendingOperationsFailed: they could not be dealt with; the next update tries again.
	ReasonPendingOperationsFailed = "PendingOperationsFailed"
)

// PendingOperationsRecord is which update met pending operations, and what became of them.
type PendingOperationsRecord struct {
	autov1alpha1.PendingOperations `json:",inline"`
	// update that met them.
	// +optional
	Update string `json:"update,omitempty"`
	// generation of the Stack that the update was for.
	// +optional
	Generation int64 `json:"generation,omitempty"`
	// reconcileRequest that the update answered.
	// +optional
	ReconcileRequest string `json:"reconcileRequest,omitempty"`
	// requestedAt is the value of reconcile.fluxcd.io/requestedAt that the update answered.
	// +optional
	RequestedAt string `json:"requestedAt,omitempty"`
}
