package session_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/gantry-operator/gantry/internal/agent/session"
	"github.com/gantry-operator/gantry/internal/operation"
)

// hub says welcome to everybody and then nothing.
type hub struct {
	operation.UnimplementedHubServer
	hellos chan *operation.Hello
	mute   bool
}

// Session takes a Hello.
func (h *hub) Session(stream grpc.BidiStreamingServer[operation.AgentMessage, operation.HubMessage]) error {
	message, err := stream.Recv()
	if err != nil {
		return err
	}
	h.hellos <- message.GetHello()
	if !h.mute {
		welcome := &operation.HubMessage{Body: &operation.HubMessage_Welcome{Welcome: &operation.Welcome{}}}
		if err := stream.Send(welcome); err != nil {
			return err
		}
	}
	<-stream.Context().Done()
	return nil
}

// idle is an agent with nothing to say.
type idle struct{}

func (idle) Hello() *operation.Hello                                { return &operation.Hello{AgentVersion: "idle"} }
func (idle) Receive(*operation.HubMessage)                          {}
func (idle) Outgoing() ([]*operation.AgentMessage, <-chan struct{}) { return nil, nil }

// serve runs the hub and gives its address and what trusts it.
func serve(t *testing.T, h *hub) (address string, trust *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"hub"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	server := grpc.NewServer(
		grpc.Creds(credentials.NewServerTLSFromCert(&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	)
	operation.RegisterHubServer(server, h)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "hub", MinVersion: tls.VersionTLS12}
}

// road leads to a server until it is cut: then packets are lost, and no connection is closed.
type road struct {
	address string
	mu      sync.Mutex
	cut     bool
}

func newRoad(t *testing.T, to string) *road {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	r := &road{address: listener.Addr().String()}
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			onward, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", to)
			if err != nil {
				_ = from.Close()
				continue
			}
			gone := r.isCut
			if gone() {
				// A new connection takes the new road.
				gone = func() bool { return false }
			}
			go carry(onward, from, gone)
			go carry(from, onward, gone)
		}
	}()
	return r
}

func (r *road) isCut() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cut
}

func (r *road) breakUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = true
}

func carry(to io.Writer, from io.Reader, gone func() bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if gone() {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// run keeps a session open for the length of the test.
func run(t *testing.T, address string, trust *tls.Config) {
	t.Helper()
	client := &session.Client{
		Hub: address, TLS: trust, Token: func() (string, error) { return "token", nil },
		Handler: idle{}, Log: slog.New(slog.DiscardHandler),
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		client.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

// hello waits for the next Hello and tells how long that took.
func (h *hub) hello(t *testing.T) time.Duration {
	t.Helper()
	start := time.Now()
	select {
	case <-h.hellos:
		return time.Since(start)
	case <-time.After(time.Minute):
		t.Fatal("the agent did not come back")
		return 0
	}
}

func TestASilentHubIsNoticed(t *testing.T) {
	t.Parallel()
	h := &hub{hellos: make(chan *operation.Hello, 8)}
	address, trust := serve(t, h)
	road := newRoad(t, address)
	run(t, road.address, trust)
	h.hello(t)
	road.breakUp()
	if waited := h.hello(t); waited > 30*time.Second {
		t.Errorf("it took %s to notice", waited)
	}
}

func TestAHubThatDoesNotAnswerIsLeft(t *testing.T) {
	t.Parallel()
	h := &hub{hellos: make(chan *operation.Hello, 8), mute: true}
	address, trust := serve(t, h)
	run(t, address, trust)
	h.hello(t)
	if waited := h.hello(t); waited < 5*time.Second || waited > 30*time.Second {
		t.Errorf("the agent came back after %s, want about 10 s", waited)
	}
}
