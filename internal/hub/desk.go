package hub

import (
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gantry-operator/gantry/internal/operation"
)

const (
	// rememberRecorded is how many recorded operations of a pod are remembered, so that a controller with a stale
	// cache does not have one run again. One would do; a pod runs one operation at a time.
	rememberRecorded = 32
	// mostJobs is how many operations an agent may claim to know; it bounds what a broken one can make the hub keep.
	mostJobs = 64
)

// desk is what is kept for one Workspace. All its methods are called with the hub's lock held.
type desk struct {
	// pod is the one of the latest session; session is nil while its agent is away.
	pod     types.UID
	session *session

	agentVersion, pulumiVersion string

	jobs map[types.UID]*job
	// recorded are the operations that are over and forgotten, the latest last.
	recorded []types.UID
	// retired are the pods that get no more work. They stay until the pod is gone.
	retired map[types.UID]struct{}
}

// job is what is known of one operation.
type job struct {
	name string
	pod  types.UID
	// operation is nil if it was given by an earlier manager.
	operation *operation.Operation
	progress  *operation.Progress
	result    *operation.Result
	// snapshot is to be kept before the operation goes on; kept is the answer.
	snapshot *operation.Snapshot
	kept     *operation.SnapshotKept
	// canceled says that somebody asked for the end, for the given reason.
	canceled bool
	reason   string
	// left says that a newer pod has come since.
	left bool
}

func newDesk() *desk {
	return &desk{jobs: map[types.UID]*job{}, retired: map[types.UID]struct{}{}}
}

// empty tells that nothing is worth keeping.
func (d *desk) empty() bool {
	return d.session == nil && len(d.jobs) == 0 && len(d.retired) == 0 && len(d.recorded) == 0
}

// live is the operation that a pod has and that is not over, or nil.
func (d *desk) live(pod types.UID) *job {
	for _, j := range d.jobs {
		if j.pod == pod && j.result == nil {
			return j
		}
	}
	return nil
}

// offer gives an operation to the connected pod.
func (d *desk) offer(op *operation.Operation) error {
	uid := types.UID(op.GetUid())
	if d.jobs[uid] != nil || slices.Contains(d.recorded, uid) {
		return nil
	}
	if _, retired := d.retired[d.pod]; retired {
		return ErrRetired
	}
	if d.live(d.pod) != nil {
		return ErrBusy
	}
	d.jobs[uid] = &job{name: op.GetName(), pod: d.pod, operation: op}
	d.session.send(offerMessage(op))
	return nil
}

// cancel asks for the end of an operation that is not over.
func (d *desk) cancel(uid types.UID, reason string) {
	j := d.jobs[uid]
	if j == nil || j.result != nil || j.canceled {
		return
	}
	j.canceled, j.reason = true, reason
	if d.session != nil && j.pod == d.pod {
		d.session.send(cancelMessage(uid, reason))
	}
}

// record forgets an operation and has the agent forget it.
func (d *desk) record(uid types.UID) {
	j := d.jobs[uid]
	if j == nil {
		return
	}
	delete(d.jobs, uid)
	if j.pod != d.pod {
		return
	}
	d.recorded = append(d.recorded, uid)
	if over := len(d.recorded) - rememberRecorded; over > 0 {
		d.recorded = slices.Delete(d.recorded, 0, over)
	}
	if d.session != nil {
		d.session.send(recordedMessage(uid))
	}
}

// attach makes s, of the given pod, the session; the one before is over.
func (d *desk) attach(s *session, pod types.UID, hello *operation.Hello, now time.Time) {
	if d.session != nil {
		d.session.end(errReplaced)
	}
	if d.pod != pod {
		d.renew(pod)
	}
	d.session = s
	d.versions(hello)
	s.send(welcomeMessage())
	d.reconcile(hello, now)
}

// versions takes in what the agent says of itself.
func (d *desk) versions(hello *operation.Hello) {
	d.agentVersion, d.pulumiVersion = cut(hello.GetAgentVersion(), maxVersion), cut(hello.GetPulumiVersion(), maxVersion)
}

// renew forgets the pods before the given one. Results that are not recorded yet are kept until the pod after this one
// comes; by then nobody wants them, because the Update is deleted.
func (d *desk) renew(pod types.UID) {
	for uid, j := range d.jobs {
		if j.result == nil || j.left {
			delete(d.jobs, uid)
		}
		j.left = true
	}
	for other := range d.retired {
		if other != pod {
			delete(d.retired, other)
		}
	}
	d.pod, d.recorded = pod, nil
}

// reconcile brings together what the agent says it knows and what is known here.
func (d *desk) reconcile(hello *operation.Hello, now time.Time) {
	said := map[types.UID]bool{}
	for _, progress := range hello.GetRunning() {
		said[types.UID(progress.GetUid())] = true
		d.progress(progress)
	}
	for _, result := range hello.GetFinished() {
		uid := types.UID(result.GetUid())
		said[uid] = true
		if slices.Contains(d.recorded, uid) {
			d.session.send(recordedMessage(uid))
			continue
		}
		d.finish(result)
	}
	for uid, j := range d.jobs {
		if j.pod == d.pod && j.result == nil {
			d.resume(uid, j, said[uid], now)
		}
	}
}

// resume goes on with an operation after the agent came back; known tells whether the agent knows of it.
func (d *desk) resume(uid types.UID, j *job, known bool, now time.Time) {
	switch {
	case known:
	case j.progress == nil && j.operation != nil:
		// The offer may have been lost with the last session. If it was not, the agent knows the UID.
		d.session.send(offerMessage(j.operation))
	default:
		j.result = forgotten(uid, j, now)
		return
	}
	if j.canceled {
		d.session.send(cancelMessage(uid, j.reason))
	}
}

// forgotten is the result of an operation that the agent was running and does not know of any more. It is not offered
// again, since it may have done half of its work.
func forgotten(uid types.UID, j *job, now time.Time) *operation.Result {
	return &operation.Result{
		Uid: string(uid), Name: j.name,
		Started: j.progress.GetStarted(), Ended: timestamppb.New(now),
		Outcome: operation.Outcome_INTERRUPTED, Reason: operation.ReasonAborted,
		Message:     "the agent in the pod was restarted and has lost track of this operation, so how it ended is not known",
		Interrupted: true,
		Permalink:   j.progress.GetPermalink(),
	}
}

// find returns the job with that UID, made if it is new, or nil if there is nothing to learn of it.
func (d *desk) find(uid types.UID, name string) *job {
	if uid == "" || slices.Contains(d.recorded, uid) {
		return nil
	}
	if j := d.jobs[uid]; j != nil {
		if j.pod != d.pod {
			return nil
		}
		return j
	}
	if name == "" || len(d.jobs) >= mostJobs {
		return nil
	}
	j := &job{name: name, pod: d.pod}
	d.jobs[uid] = j
	return j
}

// progress takes in how far an operation is; it returns the job if that is news.
func (d *desk) progress(progress *operation.Progress) *job {
	progress = boundProgress(progress)
	j := d.find(types.UID(progress.GetUid()), progress.GetName())
	if j == nil || j.result != nil {
		return nil
	}
	j.progress = progress
	return j
}

// finish takes in the result of an operation; it returns the job if that is news.
func (d *desk) finish(result *operation.Result) *job {
	result = boundResult(result, d.room())
	j := d.find(types.UID(result.GetUid()), result.GetName())
	if j == nil || j.result != nil {
		return nil
	}
	j.result, j.snapshot = result, nil
	if version := result.GetPulumiVersion(); version != "" {
		d.pulumiVersion = version
	}
	return j
}

// gone drops what makes sense only while the pod is there.
func (d *desk) gone(pod types.UID) {
	delete(d.retired, pod)
	for uid, j := range d.jobs {
		if j.pod == pod && j.result == nil {
			delete(d.jobs, uid)
		}
	}
	if d.pod != pod {
		return
	}
	d.pod, d.recorded = "", nil
	if d.session != nil {
		d.session.end(errPodGone)
		d.session = nil
	}
}
