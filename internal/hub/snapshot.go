package hub

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/gantry-operator/gantry/internal/operation"
)

// SnapshotKept answers the snapshot of an operation, which goes on then. The hub lets go of the snapshot.
func (h *Hub) SnapshotKept(workspace types.NamespacedName, kept *operation.SnapshotKept) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d := h.desks[workspace]; d != nil {
		d.snapshotKept(kept)
	}
}

// snapshot takes in what is to be kept before an operation goes on; it returns the job if that is news. What was answered
// is answered again: the agent may not have had it. Of one that is larger than any that is kept, only the list is.
func (d *desk) snapshot(s *operation.Snapshot) *job {
	j := d.jobs[types.UID(s.GetUid())]
	if j == nil || j.pod != d.pod || j.result != nil {
		return nil
	}
	if len(s.GetDeployment()) > operation.MaxSnapshotBytes {
		s.Deployment = nil
	}
	if j.kept != nil {
		d.session.send(snapshotKeptMessage(j.kept))
		return nil
	}
	j.snapshot = s
	return j
}

// snapshotKept answers a snapshot.
func (d *desk) snapshotKept(kept *operation.SnapshotKept) {
	j := d.jobs[types.UID(kept.GetUid())]
	if j == nil || j.snapshot == nil {
		return
	}
	j.snapshot, j.kept = nil, kept
	if d.session != nil && j.pod == d.pod {
		d.session.send(snapshotKeptMessage(kept))
	}
}
