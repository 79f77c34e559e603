package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// Names of what is told of the work there is, and of where it is done.
const (
	NameUpdates       = "gantry_updates"
	NameWaitingOldest = "gantry_updates_waiting_oldest_timestamp_seconds"
	NameRunningOldest = "gantry_updates_running_oldest_timestamp_seconds"
	NameWorkspaces    = "gantry_workspaces"
	NamePods          = "gantry_pods"
)

// Work tells of the Updates that are not complete, of the Workspaces and of their pods. Like Objects it counts when it is
// asked; it has a bounded number of series, however many objects there are.
type Work struct {
	read                                        Read
	updates, waiting, running, workspaces, pods *prometheus.Desc
}

// NewWork makes a Work.
func NewWork(read Read) *Work {
	return &Work{
		read:       read,
		updates:    describe(NameUpdates, "Number of Updates that are not complete.", labelState, labelType),
		waiting:    describe(NameWaitingOldest, "When the Update that waits for the longest time was created, in seconds since 1970."),
		running:    describe(NameRunningOldest, "When the operation that runs for the longest time was given to its pod, in seconds since 1970."),
		workspaces: describe(NameWorkspaces, "Number of Workspaces by their state and its reason.", labelState, labelReason),
		pods:       describe(NamePods, "Number of pods of Workspaces by their phase.", labelPhase),
	}
}

// Describe tells what there may be.
func (w *Work) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{w.updates, w.waiting, w.running, w.workspaces, w.pods} {
		ch <- desc
	}
}

// Collect tells what there is.
func (w *Work) Collect(ch chan<- prometheus.Metric) {
	var updates autov1alpha1.UpdateList
	var workspaces autov1alpha1.WorkspaceList
	var pods corev1.PodList
	if err := w.read(&updates); err != nil {
		ch <- prometheus.NewInvalidMetric(w.updates, err)
	} else {
		w.collectUpdates(ch, updates.Items)
	}
	if err := w.read(&workspaces); err != nil {
		ch <- prometheus.NewInvalidMetric(w.workspaces, err)
	} else {
		w.collectWorkspaces(ch, workspaces.Items)
	}
	if err := w.read(&pods); err != nil {
		ch <- prometheus.NewInvalidMetric(w.pods, err)
	} else {
		w.collectPods(ch, pods.Items)
	}
}

// What an Update that is not complete does.
const (
	stateWaiting = "waiting"
	stateRunning = "running"
)

func (w *Work) collectUpdates(ch chan<- prometheus.Metric, updates []autov1alpha1.Update) {
	counts := map[[2]string]int{}
	for _, kind := range types() {
		counts[[2]string{stateWaiting, kind}], counts[[2]string{stateRunning, kind}] = 0, 0
	}
	var waiting, running oldest
	for i := range updates {
		update := &updates[i]
		if meta.IsStatusConditionTrue(update.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete) {
			continue
		}
		state := stateWaiting
		if update.Status.PodUID == "" {
			waiting.see(update.CreationTimestamp.Time)
		} else {
			state = stateRunning
			if update.Status.StartTime != nil {
				running.see(update.Status.StartTime.Time)
			}
		}
		counts[[2]string{state, typeLabel(update.Spec.Type)}]++
	}
	for labels, count := range counts {
		ch <- gauge(w.updates, float64(count), labels[0], labels[1])
	}
	waiting.tell(ch, w.waiting)
	running.tell(ch, w.running)
}

func (w *Work) collectWorkspaces(ch chan<- prometheus.Metric, workspaces []autov1alpha1.Workspace) {
	counts := map[[2]string]int{}
	for i := range workspaces {
		state, reason := workspaceState(workspaces[i].Status.Conditions)
		counts[[2]string{state, reason}]++
	}
	for labels, count := range counts {
		ch <- gauge(w.workspaces, float64(count), labels[0], labels[1])
	}
}

// workspaceState is the state, and its reason where that is one of those that are known.
func workspaceState(all []metav1.Condition) (state, reason string) {
	for condition, state := range states() {
		if c := meta.FindStatusCondition(all, condition); c != nil && c.Status == metav1.ConditionTrue {
			return state, workspaceReason(c.Reason)
		}
	}
	return stateNew, ""
}

func (w *Work) collectPods(ch chan<- prometheus.Metric, pods []corev1.Pod) {
	counts := map[string]int{phasePending: 0, phaseRunning: 0, phaseEnding: 0, phaseEnded: 0}
	for i := range pods {
		counts[podPhase(&pods[i])]++
	}
	for phase, count := range counts {
		ch <- gauge(w.pods, float64(count), phase)
	}
}

// Phases of pods.
const (
	phasePending = "pending"
	phaseRunning = "running"
	phaseEnding  = "ending"
	phaseEnded   = "ended"
)

func podPhase(pod *corev1.Pod) string {
	switch {
	case pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed:
		return phaseEnded
	case pod.DeletionTimestamp != nil:
		return phaseEnding
	case pod.Status.Phase == corev1.PodRunning:
		return phaseRunning
	}
	return phasePending
}
