package operator

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/gantry-operator/gantry/internal/tracing"
)

// collector is a stand-in for a collector of OpenTelemetry, as far as traces over HTTP go.
type collector struct {
	t     *testing.T
	mu    sync.Mutex
	spans []*tracev1.Span
}

// startCollector starts one, and has managers that are started from now on export to it.
func startCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{t: t}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var request collectorv1.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
		c.t.Errorf("%s: %d bytes that are no traces, error %v", r.URL.Path, len(body), err)
		http.Error(w, "no traces", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
}

// trace are the names of the spans of a trace, each below the names of those that it is part of.
func (c *collector) trace(id string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	byID := map[string]*tracev1.Span{}
	for _, span := range c.spans {
		byID[string(span.GetSpanId())] = span
	}
	var paths []string
	for _, span := range c.spans {
		var path []string
		for at := span; at != nil; at = byID[string(at.GetParentSpanId())] {
			path = append(path, at.GetName())
		}
		slices.Reverse(path)
		if tracing.TraceID(id).String() == hex.EncodeToString(span.GetTraceId()) {
			paths = append(paths, strings.Join(path, "/"))
		}
	}
	slices.Sort(paths)
	return paths
}

// traced checks the one trace of an Update: its parts come from the managers that did them, and each is there once.
func (c *collector) traced(uid string) {
	c.t.Helper()
	want := []string{
		"update", "update/decide", "update/offer", "update/record", "update/run", "update/run/fetch", "update/wait for pod", "update/wait for pod/start pod",
	}
	eventually(c.t, "the trace is complete", func() bool { return slices.Contains(c.trace(uid), "update") })
	if diff := cmp.Diff(want, c.trace(uid)); diff != "" {
		c.t.Errorf("spans (-want +got):\n%s", diff)
	}
}

func TestOTLPProtocol(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tests := map[string]struct {
		environment map[string]string
		want        string
		fails       bool
	}{
		"Off":           {nil, "", false},
		"OnlyAProtocol": {map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "", false},
		"Default":       {map[string]string{endpoint: "https://a"}, otlpHTTP, false},
		"OfTraces":      {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://a/v1/traces"}, otlpHTTP, false},
		"GRPC":          {map[string]string{endpoint: "https://a", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, otlpGRPC, false},
		"GRPCOfTraces":  {map[string]string{endpoint: "https://a", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}, otlpGRPC, false},
		"Disabled":      {map[string]string{endpoint: "https://a", "OTEL_SDK_DISABLED": "true"}, "", false},
		"NoExporter":    {map[string]string{endpoint: "https://a", "OTEL_TRACES_EXPORTER": "none"}, "", false},
		"JSON":          {map[string]string{endpoint: "https://a", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := otlpProtocol(func(name string) string { return test.environment[name] })
			if got != test.want || (err != nil) != test.fails {
				t.Errorf("protocol %q, error %v", got, err)
			}
		})
	}
}

// Without an endpoint there is nothing that makes traces, and nothing that they cost.
func TestNoTraces(t *testing.T) {
	if traces, err := newTraces(t.Context(), "", logr.Discard()); traces != nil || err != nil {
		t.Errorf("traces %v, error %v", traces, err)
	}
}
