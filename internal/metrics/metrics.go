// Package metrics owns what the manager measures: the names, what they mean and how they are recorded. What there is of
// objects is counted from the cache when somebody asks (Objects); what takes how long is recorded as it happens
// (Recorder). Nothing here polls. docs/metrics.md has a line for each name.
package metrics

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/operation"
)

// Names of the histograms.
const (
	NameQueue    = "gantry_update_queue_duration_seconds"
	NamePodStart = "gantry_pod_start_duration_seconds"
	NamePhase    = "gantry_update_phase_duration_seconds"
	NameGitFetch = "gantry_git_fetch_duration_seconds"
)

// Names of the counters of what is asked of git hosts, and of what these tell by themselves.
const (
	NameGitRequests     = "gantry_git_requests_total"
	NameWebhookRequests = "gantry_webhook_requests_total"
)

// NameOperations is the name of the counter of operations that ended.
const NameOperations = "gantry_operations_total"

// buckets go from a warm run of nothing to an hour.
func buckets() []float64 {
	return []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600}
}

// Recorder records what takes how long.
type Recorder struct {
	queue, phase *prometheus.HistogramVec
	podStart     prometheus.Histogram
	operations   *prometheus.CounterVec
	gitRequests  *prometheus.CounterVec
	webhooks     *prometheus.CounterVec
	gitFetch     prometheus.Histogram
}

// NewRecorder makes a Recorder, whose metrics it registers.
func NewRecorder(registerer prometheus.Registerer) (*Recorder, error) {
	r := &Recorder{
		queue: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: NameQueue, Buckets: buckets(), Help: "Time from the creation of an Update until its operation was offered to a pod.",
		}, []string{labelType}),
		podStart: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: NamePodStart, Buckets: buckets(), Help: "Time from the creation of a Workspace's pod until its agent was connected.",
		}),
		phase: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: NamePhase, Buckets: buckets(), Help: "Time that a phase of an operation took in the pod, by the outcome of the operation.",
		}, []string{labelPhase, labelType, labelOutcome}),
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: NameOperations, Help: "Operations that ended, by what came of them.",
		}, []string{labelType, labelOutcome}),
		gitRequests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: NameGitRequests, Help: "Polls of refs and fetches of commits, by what came of them.",
		}, []string{labelOperation, labelResult}),
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: NameWebhookRequests, Help: "Requests of git hosts that tell of pushes, by what came of them.",
		}, []string{labelForm, labelResult}),
		gitFetch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: NameGitFetch, Buckets: buckets(), Help: "Time that it took to fetch a commit and to archive it, of those that succeeded.",
		}),
	}
	for _, collector := range []prometheus.Collector{r.queue, r.podStart, r.phase, r.operations, r.gitRequests, r.webhooks, r.gitFetch} {
		if err := registerer.Register(collector); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	for _, kind := range types() {
		for _, outcome := range []string{operation.Succeeded, operation.Failed, operation.Canceled, operation.Interrupted} {
			r.operations.WithLabelValues(kind, outcome) // so that the first of them is an increase
		}
	}
	return r, nil
}

// Offered records that an Update waited that long from its creation until its operation was offered to a pod.
func (r *Recorder) Offered(kind autov1alpha1.UpdateType, waited time.Duration) {
	r.queue.WithLabelValues(typeLabel(kind)).Observe(max(0, waited.Seconds()))
}

// PodStarted records that it took that long from the creation of a pod until its agent was connected.
func (r *Recorder) PodStarted(took time.Duration) {
	r.podStart.Observe(max(0, took.Seconds()))
}

// Ended records the end of an operation and the phases of it that are known, whose Update has existed for the given time.
func (r *Recorder) Ended(kind autov1alpha1.UpdateType, result *operation.Result, lived time.Duration) {
	outcome := operation.OutcomeWord(result.GetOutcome())
	r.operations.WithLabelValues(typeLabel(kind), outcome).Inc()
	for phase, took := range operation.KnownPhases(result, lived) {
		r.phase.WithLabelValues(phase, typeLabel(kind), outcome).Observe(took.Seconds())
	}
}

// EndedWithoutResult records the end of an operation that no agent told the result of, by the reason that is on record.
func (r *Recorder) EndedWithoutResult(kind autov1alpha1.UpdateType, reason string) {
	r.operations.WithLabelValues(typeLabel(kind), operation.OutcomeWord(operation.OutcomeWithoutResult(reason))).Inc()
}

// WebhookReceived records a request of a git host, by the form it had and what came of it.
func (r *Recorder) WebhookReceived(form, result string) {
	r.webhooks.WithLabelValues(form, result).Inc()
}

// GitRequested records a poll or a fetch, its result, and how long it took.
func (r *Recorder) GitRequested(kind, result string, took time.Duration) {
	r.gitRequests.WithLabelValues(kind, result).Inc()
	if kind == "fetch" && result == "success" {
		r.gitFetch.Observe(max(0, took.Seconds()))
	}
}
