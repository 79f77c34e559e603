package hub

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/gantry-operator/gantry/internal/guard"
	"github.com/gantry-operator/gantry/internal/operation"
)

const (
	// largestMessage bounds what an agent may send at once. Outputs that fit into a Secret (1 MiB) fit many times, and a
	// Hello may bring several results; outputs that are too large for a Secret have to arrive as well, so that the user
	// is told so. Only authenticated agents get to send anything.
	largestMessage = 16 << 20
	// largestHeader bounds a stream's header: the token is all that is in it.
	largestHeader = 32 << 10
	// window is what an agent may send unread, and buffer what is kept for each connection.
	window, buffer = 64 << 10, 8 << 10
	// idleWithin is how long a connection may stay open without a session.
	idleWithin = 30 * time.Second
	// leastPing is how often an agent may ping; agents ping every 10 to 20 s.
	leastPing = 5 * time.Second
	// pingAfter and pongWithin find agents that went without a word, such as those of a lost node.
	pingAfter  = 15 * time.Second
	pongWithin = 10 * time.Second
)

// Server serves a Hub over gRPC with TLS. It runs on the leader only.
type Server struct {
	Hub *Hub
	// Address to listen at, such as ":9443".
	Address string
	TLS     *tls.Config
}

// NeedLeaderElection says that only the leader listens.
func (s *Server) NeedLeaderElection() bool { return true }

// Start listens and serves until ctx is done.
func (s *Server) Start(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Address)
	if err != nil {
		return fmt.Errorf("listen for sessions: %w", err)
	}
	return s.Serve(ctx, listener)
}

// Serve serves until ctx is done. Sessions are cut then, not waited for: the agents go on with their work and come back
// to the next leader.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(s.TLS)),
		grpc.MaxRecvMsgSize(largestMessage),
		grpc.MaxHeaderListSize(largestHeader),
		grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(window),
		grpc.ReadBufferSize(buffer), grpc.WriteBufferSize(buffer),
		grpc.MaxConcurrentStreams(2*mostStreams),
		grpc.ConnectionTimeout(10*time.Second),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: leastPing, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingAfter, Timeout: pongWithin, MaxConnectionIdle: idleWithin}),
	)
	operation.RegisterHubServer(server, s.Hub.Service())
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pumps := make(chan struct{})
	go func() {
		defer close(pumps)
		s.Hub.Run(ctx)
	}()
	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	err := server.Serve(guard.Listen(listener, s.Hub.clock))
	if ctx.Err() != nil {
		err = nil
	}
	cancel()
	<-pumps
	if err != nil {
		return fmt.Errorf("serve sessions: %w", err)
	}
	return nil
}
