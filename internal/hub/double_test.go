package hub

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/gantry-operator/gantry/internal/certificate"
	"github.com/gantry-operator/gantry/internal/hub/identity"
	"github.com/gantry-operator/gantry/internal/operation"
)

var demo = types.NamespacedName{Namespace: "team", Name: "demo"}

// patience is how long a test waits for what has to come; it is only used up by a failing test.
const patience = 20 * time.Second

// tokens is an Authenticator that knows a few tokens by heart.
type tokens map[string]identity.Identity

func (t tokens) Authenticate(_ context.Context, token string) (identity.Identity, error) {
	if who, ok := t[token]; ok {
		return who, nil
	}
	return identity.Identity{}, identity.ErrUnauthenticated
}

// known has a pod of Workspace demo, the pod after it, and one of another Workspace.
func known() tokens {
	return tokens{
		"pod-1": {Workspace: demo, Pod: "pod-1"},
		"pod-2": {Workspace: demo, Pod: "pod-2"},
		"other": {Workspace: types.NamespacedName{Namespace: "team", Name: "other"}, Pod: "pod-3"},
	}
}

// world is a hub that is served over TLS.
type world struct {
	*Hub
	conn *grpc.ClientConn
	stop func()
	// updates and workspaces are the names of all that was woken.
	updates, workspaces chan string
}

func serve(t *testing.T, authenticator Authenticator, waiting Waiting) *world {
	t.Helper()
	keeper := &certificate.Keeper{
		Client: fake.NewClientBuilder().Build(), Clock: clock.RealClock{}, Log: logr.Discard(),
		Namespace: "gantry-system", Names: certificate.Names("gantry-hub", "gantry-system"),
	}
	if err := keeper.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(keeper.Bundle())
	ctx, cancel := context.WithCancel(context.Background())
	listener := bufconn.Listen(64 << 10)
	w := &world{
		Hub:     New(logr.Discard(), clock.RealClock{}, authenticator, waiting),
		updates: make(chan string, 1000), workspaces: make(chan string, 1000),
	}
	served := make(chan error, 1)
	go func() { served <- (&Server{Hub: w.Hub, TLS: keeper.TLS()}).Serve(ctx, listener) }()
	collect := func(from <-chan event.GenericEvent, to chan string) {
		for {
			select {
			case e := <-from:
				to <- e.Object.GetNamespace() + "/" + e.Object.GetName()
			case <-ctx.Done():
				return
			}
		}
	}
	go collect(w.Updates(), w.updates)
	go collect(w.Workspaces(), w.workspaces)
	conn, err := grpc.NewClient("passthrough:///hub",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: "gantry-hub"})))
	if err != nil {
		t.Fatal(err)
	}
	w.conn = conn
	w.stop = func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		conn.Close()
	}
	t.Cleanup(func() {
		if ctx.Err() == nil {
			w.stop()
		}
	})
	return w
}

// agent is a stand-in for the pod's end.
type agent struct {
	t      *testing.T
	stream operation.Hub_SessionClient
	leave  func()
	// got has what the hub sent; the channel ends with the stream, err says how.
	got chan *operation.HubMessage
	err error
}

// dial opens a stream and says nothing.
func (w *world) dial(t *testing.T, authorization ...string) *agent {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	for _, value := range authorization {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", value)
	}
	stream, err := operation.NewHubClient(w.conn).Session(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return &agent{t: t, stream: stream, leave: cancel, got: make(chan *operation.HubMessage, 1000)}
}

// read reads until the stream ends.
func (a *agent) read() *agent {
	go func() {
		defer close(a.got)
		for {
			message, err := a.stream.Recv()
			if err != nil {
				a.err = err
				return
			}
			a.got <- message
		}
	}()
	return a
}

// connect opens a session, says Hello and waits for the Welcome.
func (w *world) connect(t *testing.T, token string, hello *operation.Hello) *agent {
	t.Helper()
	a := w.dial(t, "Bearer "+token).read()
	if hello == nil {
		hello = &operation.Hello{AgentVersion: "1.2.3", PulumiVersion: "3.200.0"}
	}
	hello.Protocol = operation.Protocol
	a.say(&operation.AgentMessage{Body: &operation.AgentMessage_Hello{Hello: hello}})
	if a.next().GetWelcome() == nil {
		t.Fatal("the first message is no Welcome")
	}
	return a
}

func (a *agent) say(message *operation.AgentMessage) {
	a.t.Helper()
	if err := a.stream.Send(message); err != nil && !errors.Is(err, io.EOF) {
		a.t.Fatal(err)
	}
}

func (a *agent) progress(p *operation.Progress) {
	a.say(&operation.AgentMessage{Body: &operation.AgentMessage_Progress{Progress: p}})
}

func (a *agent) result(r *operation.Result) {
	a.say(&operation.AgentMessage{Body: &operation.AgentMessage_Result{Result: r}})
}

// next is the next message from the hub.
func (a *agent) next() *operation.HubMessage {
	a.t.Helper()
	select {
	case message, ok := <-a.got:
		if !ok {
			a.t.Fatalf("the stream ended: %v", a.err)
		}
		return message
	case <-time.After(patience):
		a.t.Fatal("no message came")
		return nil
	}
}

// ended waits for the end of the stream and says how it ended. Messages before it are in vain.
func (a *agent) ended() *status.Status {
	a.t.Helper()
	for {
		select {
		case _, ok := <-a.got:
			if !ok {
				return status.Convert(a.err)
			}
		case <-time.After(patience):
			a.t.Fatal("the stream did not end")
		}
	}
}

// quiet makes sure that nothing was sent before what is sent now: a Cancel of an operation that is offered for it.
func (a *agent) quiet(w *world, pod types.UID) {
	a.t.Helper()
	if err := w.Offer(demo, pod, op("marker")); err != nil {
		a.t.Fatal(err)
	}
	if got := a.next(); got.GetOperation().GetUid() != "marker" {
		a.t.Errorf("the hub sent %v", got)
	}
}

// wait waits until the hub is as it should be; each wake-up is a reason to look.
func (w *world) wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for !done() {
		select {
		case <-w.updates:
		case <-w.workspaces:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func op(uid string) *operation.Operation {
	return &operation.Operation{Uid: uid, Name: "update-" + uid, Type: operation.Type_UP}
}

func running(uid string, done int32) *operation.Progress {
	return &operation.Progress{Uid: uid, Name: "update-" + uid, Done: done}
}

func finished(uid string) *operation.Result {
	return &operation.Result{Uid: uid, Name: "update-" + uid, Outcome: operation.Outcome_SUCCEEDED, Reason: operation.ReasonSucceeded}
}
