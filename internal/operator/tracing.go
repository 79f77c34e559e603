package operator

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"

	"github.com/gantry-operator/gantry/internal/tracing"
)

// The protocols of OTLP that there are.
const (
	otlpHTTP = "http/protobuf"
	otlpGRPC = "grpc"
)

// otlpProtocol is how traces are exported, by OpenTelemetry's own environment variables; empty for not at all, as long as
// no endpoint is set.
func otlpProtocol(getenv func(string) string) (string, error) {
	first := func(names ...string) string {
		for _, name := range names {
			if value := strings.TrimSpace(getenv(name)); value != "" {
				return value
			}
		}
		return ""
	}
	endpoint := first("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	if endpoint == "" || strings.EqualFold(first("OTEL_SDK_DISABLED"), "true") || first("OTEL_TRACES_EXPORTER") == "none" {
		return "", nil
	}
	switch protocol := first("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); protocol {
	case "":
		return otlpHTTP, nil
	case otlpHTTP, otlpGRPC:
		return protocol, nil
	default:
		return "", fmt.Errorf("environment variable OTEL_EXPORTER_OTLP_PROTOCOL: %q is neither %s nor %s", protocol, otlpHTTP, otlpGRPC)
	}
}

// newTraces makes what makes traces, if they are asked for. The exporter reads the rest of OpenTelemetry's environment by
// itself: the endpoint, headers, certificates and time limits.
func newTraces(ctx context.Context, protocol string, log logr.Logger) (*tracing.Updates, error) {
	var client otlptrace.Client
	switch protocol {
	case "":
		return nil, nil //nolint:nilnil // none are asked for
	case otlpGRPC:
		client = otlptracegrpc.NewClient()
	default:
		client = otlptracehttp.NewClient()
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Error(err, "Could not send traces") }))
	exporter, err := otlptrace.New(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("export traces: %w", err)
	}
	return tracing.NewUpdates(ctx, exporter)
}

// tracesEnd sends the traces that are left when the manager ends, if it makes any.
type tracesEnd struct {
	traces *tracing.Updates
	log    logr.Logger
}

// NeedLeaderElection says that every replica does this.
func (e *tracesEnd) NeedLeaderElection() bool { return false }

// Start waits until ctx is done.
func (e *tracesEnd) Start(ctx context.Context) error {
	<-ctx.Done()
	if e.traces == nil {
		return nil
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin/2)
	defer cancel()
	if err := e.traces.Close(within); err != nil {
		e.log.Error(err, "Could not send the last traces")
	}
	return nil
}
