package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

const (
	// readWithin is how long a client may take to send all of a request, the handshake included. A host sends it at once.
	readWithin = 5 * time.Second
	// answerWithin is how long it may take to read the few bytes of the answer.
	answerWithin = 10 * time.Second
	// idleWithin is how long a connection is kept without a request.
	idleWithin = 30 * time.Second
	// stopWithin is how long requests may go on when the manager stops.
	stopWithin = 2 * time.Second
	// maxConnections is how many clients are talked to at a time; more wait.
	maxConnections = 128
	// maxHeaders is more than any host sends.
	maxHeaders = 16 << 10
)

// Server serves a Receiver over TLS. It runs on the leader only, as only the leader polls.
type Server struct {
	Receiver *Receiver
	Secrets  *Secrets
	// Address to listen at, such as ":9445".
	Address string
	TLS     *tls.Config
}

// NeedLeaderElection says that only the leader listens.
func (s *Server) NeedLeaderElection() bool { return true }

// Start listens and serves until ctx is done.
func (s *Server) Start(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Address)
	if err != nil {
		return fmt.Errorf("listen for webhooks: %w", err)
	}
	var secrets sync.WaitGroup
	defer secrets.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	secrets.Go(func() { s.Secrets.run(ctx) })
	server := &http.Server{
		Handler: s.Receiver, MaxHeaderBytes: maxHeaders,
		ReadTimeout: readWithin, WriteTimeout: answerWithin, IdleTimeout: idleWithin,
		// What strangers send is theirs to know of, and would fill the log.
		ErrorLog: stdlog.New(io.Discard, "", 0),
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, end := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer end()
		if server.Shutdown(grace) != nil {
			server.Close() //nolint:errcheck // whoever still talks is cut off; the connections are not needed any more
		}
	})
	err = server.Serve(tls.NewListener(netutil.LimitListener(listener, maxConnections), s.TLS))
	if !stop() {
		<-stopped
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve webhooks: %w", err)
	}
	return nil
}
