// Package provider owns what the stand-in providers have in common: how a Pulumi plugin is served, and
// how properties travel between the engine and a plugin.
package provider

import (
	"context"
	"fmt"
	"io"
	"net"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// maxMessage is as large as the engine allows.
const maxMessage = 400 << 20

// Serve runs the plugin until the engine ends it. The engine reads the port from the first line of out.
func Serve(out io.Writer, plugin pulumirpc.ResourceProviderServer) error {
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return fmt.Errorf("listening for the engine: %w", err)
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage))
	pulumirpc.RegisterResourceProviderServer(server, plugin)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return fmt.Errorf("reading the port: %w", err)
	}
	if _, err := fmt.Fprintln(out, port); err != nil {
		return fmt.Errorf("telling the engine the port: %w", err)
	}
	return server.Serve(listener)
}

// Base answers what every stand-in answers in the same way: its schema, its version, and an engine
// that attaches to it. A stand-in embeds it.
type Base struct {
	pulumirpc.UnimplementedResourceProviderServer

	// Schema is the package's schema, in JSON.
	Schema string
	// Version is the plugin's version, without a leading v.
	Version string
}

// GetSchema returns the package's schema.
func (b *Base) GetSchema(context.Context, *pulumirpc.GetSchemaRequest) (*pulumirpc.GetSchemaResponse, error) {
	return &pulumirpc.GetSchemaResponse{Schema: b.Schema}, nil
}

// GetPluginInfo returns the plugin's version.
func (b *Base) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: b.Version}, nil
}

// Attach accepts an engine that found the plugin running already.
func (b *Base) Attach(context.Context, *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// CheckConfig accepts the provider's inputs as they are.
func (b *Base) CheckConfig(_ context.Context, r *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: r.GetNews()}, nil
}

// DiffConfig sees no difference between any two configurations.
func (b *Base) DiffConfig(context.Context, *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
}

// Configure accepts any configuration.
func (b *Base) Configure(context.Context, *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	return &pulumirpc.ConfigureResponse{SupportsPreview: true}, nil
}
