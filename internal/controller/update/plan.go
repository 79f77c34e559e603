package update

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/hub"
	"github.com/gantry-operator/gantry/internal/operation"
)

// Observed is all that a plan is made from.
type Observed struct {
	// Update is the one that is looked at.
	Update *autov1alpha1.Update
	// Workspace is nil if there is none.
	Workspace *autov1alpha1.Workspace
	// Source is what the Workspace's own git repository resolved to; the zero value where it has none.
	Source Source
	// Ahead is the Update of the same Workspace that has to end first; nil if there is none.
	Ahead *autov1alpha1.Update
	// Ended are the Updates of the same Workspace that are complete.
	Ended []autov1alpha1.Update
	// Session is that of the Workspace's pod, if Connected.
	Session hub.Session
	// Connected says that the agent of the Workspace's pod has a session now.
	Connected bool
	// State is what the hub knows of this Update's operation.
	State hub.State
	// PodEnd says how the pod that has the operation ended; empty while the pod may still come back with a result.
	PodEnd string
	// Settings are the manager's.
	Settings Settings
	// Began is when the reconcile did.
	Began time.Time
}

// Settings are the manager's part of every operation.
type Settings struct {
	// CancelGrace is the time between SIGINT and a kill.
	CancelGrace time.Duration
	// ArtifactURL is where the manager's own store serves a digest.
	ArtifactURL func(digest string) string
}

// Act is what is to be done.
type Act int

// The acts. All but Expire and Tidy write a status that says what was done.
const (
	// Wait does nothing but say what is waited for.
	Wait Act = iota
	// Start binds the Update to the connected pod, then offers the operation to it.
	Start
	// Resume offers the operation once more to the pod that it is bound to.
	Resume
	// Follow says how far the operation is.
	Follow
	// KeepSnapshot keeps the state before the operation changes it, and lets the operation go on.
	KeepSnapshot
	// Cancel asks the agent to end the operation.
	Cancel
	// Record puts the agent's result on record.
	Record
	// End completes the Update without a result.
	End
	// Tidy releases what is held for a complete Update, and keeps its status true.
	Tidy
	// Expire deletes a complete Update.
	Expire
)

// Step is one thing to do, and why.
type Step struct {
	// Check is the name of the check that asked for it.
	Check string
	Act   Act
	// Reason and Message go into the conditions.
	Reason, Message string
	// Stalled says that a person has to act.
	Stalled bool
	// Operation to offer.
	Operation *operation.Operation
	// Pending are the operations that were found pending.
	Pending *autov1alpha1.PendingOperations
	// After is when to look again if nothing happens; zero is never.
	After time.Duration
}

// check is one question to what was observed.
type check struct {
	name string
	ask  func(Observed, time.Time) (Step, bool)
}

// checks lists what Plan asks, in order. The order is the policy: what is on record counts first, then what the agent
// says, then what became of the pod, then what somebody wishes; and a new operation starts only when nothing is in the
// way.
func checks() []check {
	return []check{
		{"expired", expired},
		{"complete", complete},
		{"finished", finished},
		{"foreign", foreign},
		{"canceled early", canceledEarly},
		{"pod lost", podLost},
		{"never given", neverGiven},
		{"canceled", canceled},
		{"snapshot waits", snapshotWaits},
		{"not delivered", notDelivered},
		{"running", running},
		{"spec invalid", specInvalid},
		{"workspace missing", workspaceMissing},
		{"queued", queued},
		{"workspace stalled", workspaceStalled},
		{"workspace behind", workspaceBehind},
		{"pod outdated", podOutdated},
		{"source missing", sourceMissing},
		{"not connected", notConnected},
		{"ready", ready},
	}
}

// Plan picks the one next step. It does no I/O and reads no clock.
func Plan(o Observed, now time.Time) Step {
	for _, c := range checks() {
		if step, ok := c.ask(o, now); ok {
			step.Check = c.name
			return step
		}
	}
	return Step{Act: Wait, Reason: ReasonWorkspaceNotReady, Message: "waiting for the Workspace"}
}

// isComplete tells that the Update is over.
func isComplete(update *autov1alpha1.Update) bool {
	return meta.IsStatusConditionTrue(update.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete)
}

// isStarted tells that the operation was, or may have been, given to a pod.
func isStarted(update *autov1alpha1.Update) bool { return update.Status.PodUID != "" }

func isDeleting(object metav1.Object) bool { return !object.GetDeletionTimestamp().IsZero() }

// attached tells that the agent of the very pod that has the operation is connected.
func (o Observed) attached() bool {
	return o.Connected && isStarted(o.Update) && o.Session.PodUID == types.UID(o.Update.Status.PodUID)
}

// pod is the name of the Workspace's pod.
func (o Observed) pod() string { return autov1alpha1.PodName(o.Update.Spec.WorkspaceName) }
