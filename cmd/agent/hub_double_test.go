package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/gantry-operator/gantry/internal/operation"
)

// hubDouble stands in for the manager's hub: it keeps what agents say and says what a test wants.
type hubDouble struct {
	operation.UnimplementedHubServer
	t       testing.TB
	cert    tls.Certificate
	caPEM   string
	address string

	mu       sync.Mutex
	server   *grpc.Server
	token    string
	tokens   []string
	stream   grpc.BidiStreamingServer[operation.AgentMessage, operation.HubMessage]
	version  string
	hellos   []*operation.Hello
	progress []*operation.Progress
	results  []*operation.Result
	keep     bool
	// snapshots came; answer is what the hub says to them, nil for nothing.
	snapshots []*operation.Snapshot
	answer    *operation.SnapshotKept
	changed   chan struct{}
}

// newHubDouble starts one on a port of its own. It records results unless told to keep them unrecorded.
func newHubDouble(tb testing.TB) *hubDouble {
	tb.Helper()
	h := &hubDouble{t: tb, token: "pod-token", changed: make(chan struct{})}
	h.cert, h.caPEM = certificate(tb)
	h.start("127.0.0.1:0")
	tb.Cleanup(h.stop)
	return h
}

// start listens, again on the same address after a stop.
func (h *hubDouble) start(address string) {
	h.t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(h.t.Context(), "tcp", address)
	if err != nil {
		h.t.Fatal(err)
	}
	server := grpc.NewServer(
		grpc.Creds(credentials.NewServerTLSFromCert(&h.cert)),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
	)
	operation.RegisterHubServer(server, h)
	h.mu.Lock()
	h.server, h.address = server, listener.Addr().String()
	h.mu.Unlock()
	go func() { _ = server.Serve(listener) }()
}

// stop ends all sessions at once, as a killed manager does.
func (h *hubDouble) stop() {
	h.mu.Lock()
	server := h.server
	h.mu.Unlock()
	server.Stop()
}

// Session is the hub's end of an agent's session.
func (h *hubDouble) Session(stream grpc.BidiStreamingServer[operation.AgentMessage, operation.HubMessage]) error {
	values, _ := metadata.FromIncomingContext(stream.Context())
	h.mu.Lock()
	h.tokens = append(h.tokens, values.Get("authorization")...)
	allowed := len(values.Get("authorization")) == 1 && values.Get("authorization")[0] == "Bearer "+h.token
	h.tell()
	h.mu.Unlock()
	if !allowed {
		return status.Error(codes.Unauthenticated, "the token is not the pod's")
	}
	for {
		message, err := stream.Recv()
		if err != nil {
			return err
		}
		h.receive(stream, message)
	}
}

func (h *hubDouble) receive(
	stream grpc.BidiStreamingServer[operation.AgentMessage, operation.HubMessage], message *operation.AgentMessage,
) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch body := message.GetBody().(type) {
	case *operation.AgentMessage_Hello:
		h.version = body.Hello.GetPulumiVersion()
		if h.stream == stream {
			break
		}
		h.hellos, h.stream = append(h.hellos, body.Hello), stream
		h.send(&operation.HubMessage{Body: &operation.HubMessage_Welcome{Welcome: &operation.Welcome{Protocol: 1}}})
		h.progress = append(h.progress, body.Hello.GetRunning()...)
		for _, result := range body.Hello.GetFinished() {
			h.record(result)
		}
	case *operation.AgentMessage_Progress:
		h.progress = append(h.progress, body.Progress)
	case *operation.AgentMessage_Result:
		h.record(body.Result)
	case *operation.AgentMessage_Snapshot:
		h.snapshots = append(h.snapshots, body.Snapshot)
		h.answerSnapshot()
	}
	h.tell()
}

// record keeps a result and tells the agent so.
func (h *hubDouble) record(result *operation.Result) {
	h.results = append(h.results, result)
	if !h.keep {
		h.send(&operation.HubMessage{Body: &operation.HubMessage_Recorded{Recorded: &operation.Recorded{Uid: result.GetUid()}}})
	}
}

// answerSnapshot answers the newest snapshot. The caller holds the lock.
func (h *hubDouble) answerSnapshot() {
	if h.answer == nil {
		return
	}
	answer := proto.CloneOf(h.answer)
	answer.Uid = h.snapshots[len(h.snapshots)-1].GetUid()
	h.send(&operation.HubMessage{Body: &operation.HubMessage_SnapshotKept{SnapshotKept: answer}})
}

// send says something in the newest session. The caller holds the lock.
func (h *hubDouble) send(message *operation.HubMessage) {
	if err := h.stream.Send(message); err != nil {
		h.t.Logf("the hub's double cannot send: %v", err)
	}
}

// tell wakes who waits. The caller holds the lock.
func (h *hubDouble) tell() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// wait waits until what is seen is what the test wants.
func (h *hubDouble) wait(what string, seen func() bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	for {
		h.mu.Lock()
		ok, changed := seen(), h.changed
		h.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			h.mu.Lock()
			defer h.mu.Unlock()
			h.t.Fatalf("the agent never did: %s\nprogress: %v\nresults: %v", what, h.progress, h.results)
		}
	}
}

// offer offers an operation when an agent is there.
func (h *hubDouble) offer(op *operation.Operation) {
	h.t.Helper()
	h.wait("connect", func() bool { return h.stream != nil })
	h.mu.Lock()
	defer h.mu.Unlock()
	h.send(&operation.HubMessage{Body: &operation.HubMessage_Operation{Operation: op}})
}

// cancel asks for an operation's end.
func (h *hubDouble) cancel(uid, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.send(&operation.HubMessage{Body: &operation.HubMessage_Cancel{Cancel: &operation.Cancel{Uid: uid, Reason: reason}}})
}

// result waits for an operation's result.
func (h *hubDouble) result(uid string) *operation.Result {
	h.t.Helper()
	var found *operation.Result
	h.wait("send the result of "+uid, func() bool {
		for _, result := range h.results {
			if result.GetUid() == uid {
				found = result
				return true
			}
		}
		return false
	})
	return found
}

// run offers an operation and waits for its result.
func (h *hubDouble) run(op *operation.Operation) *operation.Result {
	h.t.Helper()
	h.offer(op)
	return h.result(op.GetUid())
}

// count counts the results of an operation.
func (h *hubDouble) count(uid string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, result := range h.results {
		if result.GetUid() == uid {
			n++
		}
	}
	return n
}

// certificate makes a CA with one certificate for this machine.
func certificate(tb testing.TB) (tls.Certificate, string) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hub double"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(text)
}

// patience is how long a test waits for what must come.
const patience = 60 * time.Second
