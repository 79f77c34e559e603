// Command collector is a double of an OpenTelemetry collector, as far as traces over gRPC and TLS go: it writes each span
// that it is sent to its standard output, as a line of JSON with the resource that the span is of.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/encoding/protojson"
)

func main() {
	address := flag.String("address", ":4317", "where to listen")
	certificate := flag.String("certificate", "tls.crt", "the file of the serving certificate")
	key := flag.String("key", "tls.key", "the file of its key")
	flag.Parse()
	if err := serve(*address, *certificate, *key); err != nil {
		fmt.Fprintln(os.Stderr, "collector:", err)
		os.Exit(1)
	}
}

func serve(address, certificate, key string) error {
	secure, err := credentials.NewServerTLSFromFile(certificate, key)
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := grpc.NewServer(grpc.Creds(secure))
	collectorv1.RegisterTraceServiceServer(server, &collector{})
	fmt.Fprintln(os.Stderr, "a double of a collector listens on", listener.Addr())
	return server.Serve(listener)
}

type collector struct {
	collectorv1.UnimplementedTraceServiceServer
}

// Export takes spans.
func (*collector) Export(_ context.Context, request *collectorv1.ExportTraceServiceRequest) (*collectorv1.ExportTraceServiceResponse, error) {
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				line, err := protojson.Marshal(&tracev1.ResourceSpans{
					Resource: resource.GetResource(), ScopeSpans: []*tracev1.ScopeSpans{{Scope: scope.GetScope(), Spans: []*tracev1.Span{span}}},
				})
				if err != nil {
					return nil, fmt.Errorf("write a span: %w", err)
				}
				fmt.Println(string(line))
			}
		}
	}
	return &collectorv1.ExportTraceServiceResponse{}, nil
}
