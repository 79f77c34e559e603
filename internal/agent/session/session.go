// Package session owns the agent's link to the manager's hub: one stream over TLS, opened by the agent, proved by the
// pod's token, and opened again for as long as the agent lives.
package session

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/gantry-operator/gantry/internal/operation"
)

// Handler is the agent behind the session.
type Handler interface {
	// Hello opens each session.
	Hello() *operation.Hello
	// Receive takes a message of the hub.
	Receive(*operation.HubMessage)
	// Outgoing gives what is to be sent now, and a channel that says when to ask again.
	Outgoing() ([]*operation.AgentMessage, <-chan struct{})
}

// Client keeps a session open.
type Client struct {
	// Hub is its address, host:port.
	Hub string
	// TLS trusts the manager's CA and names the server.
	TLS *tls.Config
	// Token gives the pod's token. It is asked for each session, since the token is rotated.
	Token func() (string, error)
	// Handler is the agent.
	Handler Handler
	// Log is the pod's.
	Log *slog.Logger
	// Opened is told when the manager has taken the agent in. Optional.
	Opened func()
	// Failed is told why there is no session, between two tries, and says whether to give up. Optional.
	Failed func(Trouble) (giveUp bool)
}

// Run keeps a session open until the context ends, or until Failed gives up.
func (c *Client) Run(ctx context.Context) {
	wait := firstWait
	for {
		try := &attempt{}
		welcomed, err := c.session(ctx, try)
		if ctx.Err() != nil {
			return
		}
		if welcomed {
			wait = firstWait
		} else if c.Failed != nil && c.Failed(try.trouble(c.Hub, err)) {
			return
		}
		// A fleet must not come back in one beat after the manager was away.
		pause := wait/2 + rand.N(wait/2+1)
		c.Log.Info("the session to the manager is closed", "error", err, "retry", pause.Round(time.Millisecond).String())
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		wait = min(2*wait, longestWait)
	}
}

// session runs one session. It says whether the hub took the agent in.
func (c *Client) session(ctx context.Context, try *attempt) (welcomed bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	connection, err := c.dial(try)
	if err != nil {
		return false, err
	}
	defer func() { _ = connection.Close() }()
	opening, opened := c.deadline(cancel)
	defer opened()
	stream, err := operation.NewHubClient(connection).Session(ctx)
	if err != nil {
		return false, opening(fmt.Errorf("open the session: %w", err))
	}
	hello := &operation.AgentMessage{Body: &operation.AgentMessage_Hello{Hello: c.Handler.Hello()}}
	if err := stream.Send(hello); err != nil {
		// The stream's own error is what the hub said.
		_, err = stream.Recv()
		return false, opening(fmt.Errorf("open the session: %w", err))
	}
	first, err := stream.Recv()
	if err != nil {
		return false, opening(fmt.Errorf("open the session: %w", err))
	}
	if first.GetWelcome() == nil {
		return false, errors.New("open the session: the hub did not say welcome")
	}
	opened()
	c.Log.Info("the session to the manager is open", "hub", c.Hub)
	if c.Opened != nil {
		c.Opened()
	}
	failed := make(chan error, 1)
	go func() { failed <- c.receive(stream) }()
	return true, c.send(ctx, stream, failed)
}

// deadline ends what takes too long to open. The first function it returns says so in an error; the second lifts it.
func (c *Client) deadline(cancel func()) (opening func(error) error, opened func()) {
	late := make(chan struct{})
	timer := time.AfterFunc(openWithin, func() {
		close(late)
		cancel()
	})
	opening = func(err error) error {
		select {
		case <-late:
			return fmt.Errorf("no answer of %s within %s", c.Hub, openWithin)
		default:
			return err
		}
	}
	return opening, func() { timer.Stop() }
}

// dial makes the connection. The address is resolved for each session, and no proxy is used: the hub is in the cluster.
func (c *Client) dial(try *attempt) (*grpc.ClientConn, error) {
	connection, err := grpc.NewClient("passthrough:///"+c.Hub,
		grpc.WithContextDialer(try.dial),
		grpc.WithTransportCredentials(watched{credentials.NewTLS(c.TLS), try}),
		grpc.WithPerRPCCredentials(token(c.Token)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter, Timeout: pongWithin, PermitWithoutStream: true}),
		grpc.WithNoProxy(), grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
	)
	if err != nil {
		return nil, fmt.Errorf("connect to the hub: %w", err)
	}
	return connection, nil
}

// stream is the agent's end of a session.
type stream = grpc.BidiStreamingClient[operation.AgentMessage, operation.HubMessage]

// receive hands on what the hub says.
func (c *Client) receive(stream stream) error {
	for {
		message, err := stream.Recv()
		if err != nil {
			return err
		}
		c.Handler.Receive(message)
	}
}

// send says what there is to say until the session fails or the context ends.
func (c *Client) send(ctx context.Context, stream stream, failed <-chan error) error {
	for {
		messages, more := c.Handler.Outgoing()
		for _, message := range messages {
			if err := stream.Send(message); err != nil {
				return errors.Join(err, <-failed)
			}
		}
		select {
		case <-more:
		case err := <-failed:
			return err
		case <-ctx.Done():
			// What was sent is delivered before the end.
			if err := stream.CloseSend(); err != nil {
				return err
			}
			return ctx.Err()
		}
	}
}

// token is the credential of each session.
type token func() (string, error)

// GetRequestMetadata reads the token anew.
func (t token) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	text, err := t()
	if err != nil {
		return nil, fmt.Errorf("read the pod's token: %w", err)
	}
	return map[string]string{"authorization": "Bearer " + text}, nil
}

// RequireTransportSecurity keeps the token from an open link.
func (t token) RequireTransportSecurity() bool { return true }

const (
	firstWait   = 100 * time.Millisecond
	longestWait = 5 * time.Second
	openWithin  = 10 * time.Second
	pingAfter   = 10 * time.Second
	pongWithin  = 10 * time.Second
)
