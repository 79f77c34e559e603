package v1alpha1

// PendingOperationsPolicy is what is done with operations that are pending in a stack's state.
type PendingOperationsPolicy string

const (
	// PendingOperationsRefresh refreshes the state, keeps what is found, and drops pending creates from it.
	PendingOperationsRefresh PendingOperationsPolicy = "Refresh"
	// PendingOperationsKeep leaves them as they are.
	PendingOperationsKeep PendingOperationsPolicy = "Keep"
)

// PendingOperationsOutcome is what became of the pending operations of a stack.
type PendingOperationsOutcome string

const (
	// PendingOperationsNone means that there were none.
	PendingOperationsNone PendingOperationsOutcome = "None"
	// PendingOperationsFound means that there are some, and that nothing was done with them yet.
	PendingOperationsFound PendingOperationsOutcome = "Found"
	// PendingOperationsCleared means that the state was refreshed and pending creates dropped.
	PendingOperationsCleared PendingOperationsOutcome = "Cleared"
	// PendingOperationsKept means that they were left as they are, as was asked for.
	PendingOperationsKept PendingOperationsOutcome = "Kept"
	// PendingOperationsFailed means that they could not be dealt with, and that the next update looks again.
	PendingOperationsFailed PendingOperationsOutcome = "Failed"
)

// PendingOperations are operations that were interrupted and left in the state, and what became of them.
type PendingOperations struct {
	// outcome is None, Found, Cleared, Kept or Failed.
	// +optional
	Outcome PendingOperationsOutcome `json:"outcome,omitempty"`
	// count of the operations.
	// +optional
	Count int32 `json:"count,omitempty"`
	// operations are the first of them.
	// +listType=atomic
	// +optional
	Operations []PendingOperation `json:"operations,omitempty"`
	// snapshot is the name of the Secret that keeps the state as it was before anything was changed.
	// +optional
	Snapshot string `json:"snapshot,omitempty"`
	// message says what was found, what became of it, and what may be left outside of the state.
	// +optional
	Message string `json:"message,omitempty"`
}

// PendingOperation is one that was interrupted.
type PendingOperation struct {
	// type is what was being done: creating, updating, deleting, reading or importing.
	// +optional
	Type string `json:"type,omitempty"`
	// urn of the resource.
	// +optional
	URN string `json:"urn,omitempty"`
}
