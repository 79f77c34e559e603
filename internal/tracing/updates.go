// Package tracing owns the traces of updates: one for each Update, from the reconcile that decided on it to its result on
// record. The trace is the Update's UID without its dashes, and the spans have fixed identities too, so that whichever
// manager sees a part of it adds to the same trace. Nothing that a program or a provider said is in an attribute.
package tracing

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	corev1 "k8s.io/api/core/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/operation"
)

// Names of the spans, but for those of the phases, which have the phases' names.
const (
	SpanUpdate    = "update"
	SpanDecide    = "decide"
	SpanWait      = "wait for pod"
	SpanPodStart  = "start pod"
	SpanOffer     = "offer"
	SpanOperation = "run"
	SpanRecord    = "record"
)

// Keys of the attributes, beside those that OpenTelemetry has names for.
const (
	KeyUpdate    = "gantry.update.name"
	KeyUID       = "gantry.update.uid"
	KeyType      = "gantry.update.type"
	KeyWorkspace = "gantry.workspace.name"
	KeyStack     = "gantry.stack.name"
	KeyOutcome   = "gantry.outcome"
	KeyReason    = "gantry.reason"
	keyNamespace = "k8s.namespace.name"
	keyPod       = "k8s.pod.name"
)

// Updates makes the traces.
type Updates struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// NewUpdates makes an Updates that exports to the exporter. What the environment says of the resource (OTEL_SERVICE_NAME,
// OTEL_RESOURCE_ATTRIBUTES) goes before what the manager says of itself.
func NewUpdates(ctx context.Context, exporter sdktrace.SpanExporter) (*Updates, error) {
	self, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "gantry")), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("describe the manager to the collector of traces: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter), sdktrace.WithResource(self), sdktrace.WithIDGenerator(identities{}),
		// The parts of a trace may come from several managers: each has all of its part.
		sdktrace.WithSampler(sdktrace.AlwaysSample()),
	)
	return &Updates{provider: provider, tracer: provider.Tracer("github.com/gantry-operator/gantry")}, nil
}

// Close exports what is left.
func (u *Updates) Close(ctx context.Context) error { return u.provider.Shutdown(ctx) }

// Decided tells of the reconcile of a Stack that made an Update.
func (u *Updates) Decided(update *autov1alpha1.Update, stack string, began, ended time.Time) {
	u.span(update, SpanUpdate, SpanDecide, began, ended, attribute.String(KeyStack, stack))
}

// Offered tells that an Update's operation was offered to a pod: how long it was waited for, and how long of that the pod
// took to start if it was made for this Update. pod may be nil.
func (u *Updates) Offered(update *autov1alpha1.Update, pod *corev1.Pod, began, ended time.Time) {
	created := update.CreationTimestamp.Time
	u.span(update, SpanUpdate, SpanWait, created, began)
	if pod != nil && !pod.CreationTimestamp.Time.Before(created) {
		u.span(update, SpanWait, SpanPodStart, pod.CreationTimestamp.Time, began, attribute.String(keyPod, pod.Name))
	}
	u.span(update, SpanUpdate, SpanOffer, began, ended)
}

// Ended tells that the end of an Update is on record, with the reason that its status has. result is nil where no agent
// told one. began is when the reconcile did that recorded it.
func (u *Updates) Ended(update *autov1alpha1.Update, result *operation.Result, reason string, began, ended time.Time) {
	if result != nil {
		u.phases(update, result, began)
	}
	u.span(update, SpanUpdate, SpanRecord, began, ended)
	outcome := operation.OutcomeWord(result.GetOutcome())
	if result == nil {
		outcome = operation.OutcomeWord(operation.OutcomeWithoutResult(reason))
	}
	u.root(update, outcome, reason, ended)
}

// phases tells of what the agent did. The times are by the clock of the pod, and what a pod says may be wrong: nothing
// begins before the Update or ends after its record.
func (u *Updates) phases(update *autov1alpha1.Update, result *operation.Result, recorded time.Time) {
	within := func(t time.Time) time.Time {
		if created := update.CreationTimestamp.Time; t.Before(created) {
			return created
		}
		if t.After(recorded) {
			return recorded
		}
		return t
	}
	started := within(result.GetStarted().AsTime())
	u.span(update, SpanUpdate, SpanOperation, started, within(result.GetEnded().AsTime()))
	at := started
	for name, took := range operation.KnownPhases(result, recorded.Sub(update.CreationTimestamp.Time)) {
		end := within(at.Add(took))
		u.span(update, SpanOperation, name, at, end)
		at = end
	}
}

// span adds a span below another one of the same Update.
func (u *Updates) span(update *autov1alpha1.Update, parent, name string, began, ended time.Time, attributes ...attribute.KeyValue) {
	uid := string(update.UID)
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{ //nolint:forbidigo // a span takes what it needs of its context from here
		TraceID: TraceID(uid), SpanID: spanID(uid, parent), TraceFlags: trace.FlagsSampled, Remote: true,
	}))
	_, s := u.tracer.Start(named(ctx, uid, name), name, trace.WithTimestamp(began), trace.WithAttributes(attributes...))
	s.End(trace.WithTimestamp(latest(began, ended)))
}

// root tells of the whole Update.
func (u *Updates) root(update *autov1alpha1.Update, outcome, reason string, ended time.Time) {
	created := update.CreationTimestamp.Time
	ctx := named(context.Background(), string(update.UID), SpanUpdate) //nolint:forbidigo // it has no parent
	_, s := u.tracer.Start(ctx, SpanUpdate, trace.WithNewRoot(), trace.WithTimestamp(created), trace.WithAttributes(
		attribute.String(keyNamespace, update.Namespace), attribute.String(KeyUpdate, update.Name), attribute.String(KeyUID, string(update.UID)),
		attribute.String(KeyType, string(update.Spec.Type)), attribute.String(KeyWorkspace, update.Spec.WorkspaceName),
		attribute.String(KeyOutcome, outcome), attribute.String(KeyReason, reason),
	))
	if outcome != operation.OutcomeWord(operation.Outcome_SUCCEEDED) {
		s.SetStatus(codes.Error, reason)
	}
	s.End(trace.WithTimestamp(latest(created, ended)))
}

func latest(a, b time.Time) time.Time {
	if b.Before(a) {
		return a
	}
	return b
}
