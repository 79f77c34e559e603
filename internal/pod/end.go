package pod

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/schedule"
)

const (
	// endSeconds is how long a pod may take to end at least, as under PKO.
	endSeconds = int64(600)
	// recordTime is the part of that which is left to put the result of an operation on record.
	recordTime = 10 * time.Second
	// killAfterEnv tells the agent when to kill what has not ended by itself.
	killAfterEnv = "GANTRY_KILL_AFTER"
)

// secondsToEnd is how long a pod may take to end where its template does not say: enough for an operation that is
// canceled, and for its result.
func secondsToEnd(settings Settings) int64 {
	return max(endSeconds, int64((settings.CancelGrace+recordTime+time.Second-1)/time.Second))
}

// killAfter is how long pulumi may take to end when its pod does. It is killed before kubelet kills the agent too, so that
// the result is recorded. Where the pod has little time to end, two thirds of it are pulumi's.
func killAfter(spec *corev1.PodSpec) time.Duration {
	if spec.TerminationGracePeriodSeconds == nil {
		return 0
	}
	end := schedule.Seconds(*spec.TerminationGracePeriodSeconds)
	return end - min(recordTime, end/3)
}

// CancelGrace is how long a canceled operation in the Workspace's pod may take to end by itself: as long as the manager
// allows all of them, or as the Workspace's own template gives its pod to end, where that is longer.
func CancelGrace(workspace *autov1alpha1.Workspace, all time.Duration) time.Duration {
	user, err := readTemplate(workspace.Spec.PodTemplate)
	if err != nil {
		return all // there will be no pod of such a template
	}
	return max(all, killAfter(&user.spec))
}
