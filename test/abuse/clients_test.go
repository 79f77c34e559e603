package abuse

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/test/memory"
)

// clients has hub clients do what they should not, all at once, each kind from an address of its own.
func (w *world) clients(t *testing.T, usual time.Duration) {
	t.Helper()
	trusted, slow := w.hostilePod(t, "slow")
	_, flood := w.hostilePod(t, "flood")
	before, begun, used := w.memory(memory.Now), time.Now(), w.processor()
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	hostile := func(last byte, times int, do func(context.Context, dialing)) {
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, last)}}
		for range times {
			all.Go(func() {
				for ctx.Err() == nil {
					do(ctx, func(ctx context.Context, address string) (net.Conn, error) {
						return dialer.DialContext(ctx, "tcp", address)
					})
				}
			})
		}
	}
	hostile(2, 400, w.silent)
	hostile(3, 10, w.garbage)
	hostile(4, 10, w.garbageInside(trusted))
	hostile(5, 10, w.strangers(trusted))
	hostile(6, 1, w.floods(trusted, flood))
	hostile(7, 10, w.slow(trusted, slow))
	during := w.usual(7)
	peak, spent := w.memory(memory.Peak), (w.processor()-used).Seconds()/time.Since(begun).Seconds()
	stop()
	all.Wait()
	end := time.Now()
	w.wantUsual(usual, during)
	requests := w.requests(begun, end)
	reviews := 0
	for _, r := range requests {
		if strings.HasPrefix(r.object, "tokenreviews/") {
			reviews++
		}
	}
	seconds := end.Sub(begun).Seconds()
	of := ofNamespace(writes(requests), "clients")
	t.Logf("in %.0f s: %d token reviews, %d writes for the Workspaces of the hostile pods; memory %d MiB before, at most %d MiB; %.2f of a processor",
		seconds, reviews, len(of), before>>20, peak>>20, spent)
	if most := 100 + seconds*5; float64(reviews) > most {
		t.Errorf("%d token reviews in %.0f s", reviews, seconds)
	}
	if most := 20 + seconds*4; float64(len(of)) > most {
		t.Errorf("%d writes in %.0f s for the Workspaces of the hostile pods", len(of), seconds)
	}
	if grown := peak - before; grown > 256<<20 {
		t.Errorf("the manager took %d MiB more", grown>>20)
	}
}

// hostilePod is a pod that does not do what it should: its token is good.
func (w *world) hostilePod(t *testing.T, name string) (trusted *tls.Config, token string) {
	t.Helper()
	w.program("clients", name, "dev")
	w.wait("the Stack is ready", func() bool { return isReady(w.stack("clients", name)) })
	pod := &corev1.Pod{}
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: "clients", Name: autov1alpha1.PodName(name)}, pod); err != nil {
		t.Fatal(err)
	}
	token, err := w.token(t.Context(), pod)
	if err != nil {
		t.Fatal(err)
	}
	return trust(pod), token
}

// dialing opens a connection from the client's own address.
type dialing = func(context.Context, string) (net.Conn, error)

// silent connects and says nothing, for as long as it is let.
func (w *world) silent(ctx context.Context, dial dialing) {
	conn, err := dial(ctx, w.hub)
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	_, _ = io.Copy(io.Discard, conn) // until it is closed
}

// garbage says what is no TLS.
func (w *world) garbage(ctx context.Context, dial dialing) {
	conn, err := dial(ctx, w.hub)
	if err != nil {
		return
	}
	defer conn.Close()
	text := make([]byte, 64<<10)
	_, _ = rand.Read(text)
	_, _ = conn.Write(text) // the other end closes in the middle
}

// garbageInside says garbage inside of TLS: of HTTP/2, and as an HTTP request to the store of the artifacts.
func (w *world) garbageInside(trusted *tls.Config) func(context.Context, dialing) {
	return func(ctx context.Context, dial dialing) {
		raw, err := dial(ctx, w.hub)
		if err != nil {
			return
		}
		config := trusted.Clone()
		config.NextProtos = []string{"h2"}
		conn := tls.Client(raw, config)
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { raw.Close() })()
		_, _ = io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
		text := make([]byte, 256<<10)
		_, _ = rand.Read(text)
		_, _ = conn.Write(text)
		_, _ = io.Copy(io.Discard, conn)
	}
}

// strangers show tokens that are none, to the hub and to the store.
func (w *world) strangers(trusted *tls.Config) func(context.Context, dialing) {
	return func(ctx context.Context, dial dialing) {
		token := make([]byte, 16)
		_, _ = rand.Read(token)
		bearer := fmt.Sprintf("Bearer %x", token)
		if stream, done, err := w.open(ctx, dial, trusted, bearer); err == nil {
			_, _ = stream.Recv()
			done()
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+w.artifacts+"/artifacts/x", nil)
		if err != nil {
			return
		}
		request.Header.Set("Authorization", bearer)
		transport := &http.Transport{TLSClientConfig: trusted.Clone(), DisableKeepAlives: true, DialContext: func(ctx context.Context, _, address string) (net.Conn, error) { return dial(ctx, address) }}
		if response, err := transport.RoundTrip(request); err == nil {
			response.Body.Close()
		}
	}
}

// open opens a session with a connection of its own.
func (w *world) open(ctx context.Context, dial dialing, trusted *tls.Config, bearer string) (operation.Hub_SessionClient, func(), error) {
	conn, err := grpc.NewClient("passthrough:///"+w.hub, grpc.WithContextDialer(dial),
		grpc.WithTransportCredentials(credentials.NewTLS(trusted.Clone())))
	if err != nil {
		return nil, nil, err
	}
	stream, err := operation.NewHubClient(conn).Session(metadata.AppendToOutgoingContext(ctx, "authorization", bearer))
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return stream, func() { conn.Close() }, nil
}

// floods opens a session in place of the pod's agent, says without pause another version, progress of operations that it
// makes up, and results of 5 MB, until it is thrown out, and comes again.
func (w *world) floods(trusted *tls.Config, token string) func(context.Context, dialing) {
	return func(ctx context.Context, dial dialing) {
		stream, done, err := w.open(ctx, dial, trusted, "Bearer "+token)
		if err != nil {
			return
		}
		defer done()
		large := map[string]*operation.Output{"large": {Json: make([]byte, 5<<20)}}
		for i := 0; ; i++ {
			uid := fmt.Sprint("made-up-", i)
			messages := []*operation.AgentMessage{
				{Body: &operation.AgentMessage_Hello{Hello: &operation.Hello{Protocol: operation.Protocol, PulumiVersion: uid}}},
				{Body: &operation.AgentMessage_Progress{Progress: &operation.Progress{Uid: uid, Name: uid, Step: strings.Repeat("x", 1<<20)}}},
				{Body: &operation.AgentMessage_Result{Result: &operation.Result{Uid: uid, Name: uid, Message: strings.Repeat("x", 1<<20), Outputs: large}}},
			}
			for _, message := range messages {
				if stream.Send(message) != nil {
					return
				}
			}
		}
	}
}

// slow opens sessions: one in which it never says Hello, and one for which every byte takes its time.
func (w *world) slow(trusted *tls.Config, token string) func(context.Context, dialing) {
	return func(ctx context.Context, dial dialing) {
		for _, way := range []dialing{dial, func(ctx context.Context, address string) (net.Conn, error) {
			conn, err := dial(ctx, address)
			return slowly{conn}, err
		}} {
			stream, done, err := w.open(ctx, way, trusted, "Bearer "+token)
			if err != nil {
				continue
			}
			_, _ = stream.Recv() // until it is thrown out
			done()
		}
	}
}

// slowly is a connection that takes a byte every 20 ms.
type slowly struct{ net.Conn }

// Write writes byte by byte.
func (s slowly) Write(text []byte) (int, error) {
	for i := range text {
		time.Sleep(20 * time.Millisecond) // being slow is what it is for
		if _, err := s.Conn.Write(text[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(text), nil
}
