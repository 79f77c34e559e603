package tracing_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/internal/tracing"
)

const uid = "0a1b2c3d-4e5f-4061-8293-a4b5c6d7e8f9"

// at is a time, in seconds after the Update was made.
func at(seconds float64) time.Time {
	return time.Unix(1700000000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

func anUpdate() *autov1alpha1.Update {
	return &autov1alpha1.Update{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "u", UID: uid, CreationTimestamp: metav1.NewTime(at(0))},
		Spec:       autov1alpha1.UpdateSpec{Type: autov1alpha1.UpUpdate, WorkspaceName: "w"},
	}
}

// exported are the spans that what is done makes, each manager doing its part.
func exported(t *testing.T, parts ...func(*tracing.Updates)) tracetest.SpanStubs {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	var all tracetest.SpanStubs
	for _, part := range parts {
		updates, err := tracing.NewUpdates(t.Context(), keep{exporter})
		if err != nil {
			t.Fatal(err)
		}
		part(updates)
		if err := updates.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		all = append(all, exporter.GetSpans()...)
		exporter.Reset()
	}
	return all
}

// keep is an exporter that keeps what it has when it is closed.
type keep struct{ *tracetest.InMemoryExporter }

// Shutdown does nothing.
func (keep) Shutdown(context.Context) error { return nil }

// lines tell of spans: what each is part of, when it began and how long it took.
func lines(t *testing.T, spans tracetest.SpanStubs) []string {
	t.Helper()
	names := map[string]string{}
	for _, span := range spans {
		if got := span.SpanContext.TraceID().String(); got != strings.ReplaceAll(uid, "-", "") {
			t.Errorf("%s is of the trace %s", span.Name, got)
		}
		names[span.SpanContext.SpanID().String()] = span.Name
	}
	var all []string
	for _, span := range spans {
		parent := names[span.Parent.SpanID().String()]
		all = append(all, fmt.Sprintf("%s < %s: %s + %s", span.Name, parent, span.StartTime.Sub(at(0)), span.EndTime.Sub(span.StartTime)))
	}
	return all
}

func TestATraceOfSeveralManagers(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "w-workspace-0", CreationTimestamp: metav1.NewTime(at(1))}}
	result := &operation.Result{
		Outcome: operation.Outcome_FAILED, Message: "a secret of the provider", Started: timestamppb.New(at(8)), Ended: timestamppb.New(at(18)),
		Phases: []*operation.Phase{
			{Name: operation.PhaseFetch, Duration: durationpb.New(time.Second)}, {Name: operation.PhaseOperation, Duration: durationpb.New(9 * time.Second)},
		},
	}
	spans := exported(t,
		func(u *tracing.Updates) { u.Decided(anUpdate(), "stack", at(-0.5), at(0.1)) },
		func(u *tracing.Updates) { u.Offered(anUpdate(), pod, at(7), at(7.5)) },
		func(u *tracing.Updates) { u.Ended(anUpdate(), result, operation.ReasonFailed, at(19), at(20)) },
	)
	want := []string{
		"decide < update: -500ms + 600ms",
		"wait for pod < update: 0s + 7s", "start pod < wait for pod: 1s + 6s", "offer < update: 7s + 500ms",
		"run < update: 8s + 10s", "fetch < run: 8s + 1s", "operation < run: 9s + 9s",
		"record < update: 19s + 1s", "update < : 0s + 20s",
	}
	if diff := cmp.Diff(want, lines(t, spans)); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	root := spans[len(spans)-1]
	if root.Status.Code != codes.Error || root.Status.Description != operation.ReasonFailed {
		t.Errorf("the trace ends with %v", root.Status)
	}
	attributes := map[string]string{}
	for _, attribute := range root.Attributes {
		attributes[string(attribute.Key)] = attribute.Value.AsString()
	}
	wantAttributes := map[string]string{
		"k8s.namespace.name": "team", tracing.KeyUpdate: "u", tracing.KeyUID: uid, tracing.KeyType: "up", tracing.KeyWorkspace: "w",
		tracing.KeyOutcome: operation.Failed, tracing.KeyReason: operation.ReasonFailed,
	}
	if diff := cmp.Diff(wantAttributes, attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if all := fmt.Sprint(spans); strings.Contains(all, "secret") {
		t.Errorf("what the provider said is in the trace: %s", all)
	}
}

func TestAnUpdateOfAPodThatWasThere(t *testing.T) {
	old := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(at(-60))}}
	for _, pod := range []*corev1.Pod{old, nil} {
		spans := exported(t, func(u *tracing.Updates) { u.Offered(anUpdate(), pod, at(1), at(2)) })
		if len(spans) != 2 {
			t.Errorf("%v, want nothing of the start of a pod", lines(t, spans))
		}
	}
}

func TestAnUpdateWithoutAResult(t *testing.T) {
	spans := exported(t, func(u *tracing.Updates) { u.Ended(anUpdate(), nil, operation.ReasonCanceled, at(1), at(2)) })
	if diff := cmp.Diff([]string{"record < update: 1s + 1s", "update < : 0s + 2s"}, lines(t, spans)); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}

// What a pod says of its times makes no span outside of the Update's own life.
func TestTimesOfAPodThatLies(t *testing.T) {
	result := &operation.Result{
		Outcome: operation.Outcome_SUCCEEDED, Started: timestamppb.New(at(-1e6)), Ended: timestamppb.New(at(1e6)),
		Phases: []*operation.Phase{
			{Name: "made-up", Duration: durationpb.New(time.Second)}, {Name: operation.PhaseFetch, Duration: durationpb.New(1e6 * time.Second)},
			{Name: operation.PhaseInstall, Duration: durationpb.New(9 * time.Second)}, {Name: operation.PhaseConfigure, Duration: durationpb.New(9 * time.Second)},
		},
	}
	spans := exported(t, func(u *tracing.Updates) { u.Ended(anUpdate(), result, operation.ReasonSucceeded, at(10), at(11)) })
	want := []string{"run < update: 0s + 10s", "install < run: 0s + 9s", "configure < run: 9s + 1s", "record < update: 10s + 1s", "update < : 0s + 11s"}
	if diff := cmp.Diff(want, lines(t, spans)); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}

func TestTraceID(t *testing.T) {
	if got := tracing.TraceID(uid).String(); got != "0a1b2c3d4e5f40618293a4b5c6d7e8f9" {
		t.Errorf("the trace is %s", got)
	}
	strange := map[string]bool{}
	for _, uid := range []string{"", "strange", "00000000-0000-0000-0000-000000000000"} {
		id := tracing.TraceID(uid)
		if !id.IsValid() || id != tracing.TraceID(uid) || strange[id.String()] {
			t.Errorf("the trace of %q is %s", uid, id)
		}
		strange[id.String()] = true
	}
}
