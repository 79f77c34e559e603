// Package operation owns the words that the manager and the agent share: an Operation, its Progress and
// its Result, and the session by which they travel. Everything but the names below is generated from
// session.proto.
package operation

// Protocol is the version of the session's protocol. It changes only when an older end would misunderstand.
const Protocol = 1

// ExitUnreachable is how an agent's container ends that says, as its last words, why it does not reach the manager.
const ExitUnreachable = 69

// Reasons of a Result, which become reasons of the Update's Failed condition.
const (
	// ReasonSucceeded is that of a success.
	ReasonSucceeded = "UpdateSucceeded"
	// ReasonFailed is that of a failed program, resource or CLI.
	ReasonFailed = "UpdateFailed"
	// ReasonConflict means that another update of the stack is under way, or that its state is locked.
	ReasonConflict = "UpdateConflict"
	// ReasonProtected means that a resource was to be deleted that is protected from it.
	ReasonProtected = "ResourceProtected"
	// ReasonTransient means that a service was busy, down or out of reach: the same may succeed later with nothing changed.
	ReasonTransient = "TransientFailure"
	// ReasonInvalidAccessToken means that the backend refused the credentials.
	ReasonInvalidAccessToken = "InvalidAccessToken"
	// ReasonSourceFailed means that the source could not be fetched or unpacked.
	ReasonSourceFailed = "SourceFailed"
	// ReasonInstallationFailed means that the program's dependencies could not be installed.
	ReasonInstallationFailed = "InstallationFailed"
	// ReasonInitializationFailed means that the stack could not be selected, created or configured.
	ReasonInitializationFailed = "InitializationFailed"
	// ReasonCanceled means that somebody asked for the end.
	ReasonCanceled = "Canceled"
	// ReasonTimeout means that it did not end within its timeout and was ended gracefully.
	ReasonTimeout = "Timeout"
	// ReasonAborted means that the pod, the agent or the CLI died in the middle.
	ReasonAborted = "Aborted"
)

// Names of a Result's phases.
const (
	// PhaseFetch brings the source into place.
	PhaseFetch = "fetch"
	// PhaseInstall installs what the program needs.
	PhaseInstall = "install"
	// PhaseConfigure selects the stack and writes its settings.
	PhaseConfigure = "configure"
	// PhaseOperation is the up, preview, refresh or destroy itself.
	PhaseOperation = "operation"
)
