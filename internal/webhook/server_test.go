package webhook

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// serve starts a real server with the rig's Receiver and returns a client of it, its address, and what ends it.
func serve(t *testing.T, r *rig) (*http.Client, string, func() error) {
	t.Helper()
	model := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(model.Close)
	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	s := &Server{
		Receiver: r.Receiver, Address: address, TLS: &tls.Config{Certificates: model.TLS.Certificates},
		Secrets: &Secrets{
			Client: fake.NewClientBuilder().WithObjects(webhookSecret(map[string][]byte{"a": []byte(oldKey)})).Build(),
			Clock:  clocktesting.NewFakeClock(time.Unix(0, 0)), Log: logr.Discard(), Name: types.NamespacedName{Namespace: "sys", Name: "gantry-webhook"},
		},
	}
	r.Secrets = s.Secrets.Current
	if !s.NeedLeaderElection() {
		t.Error("every replica listens")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Start(ctx) }()
	for r.Secrets() == nil {
		time.Sleep(time.Millisecond)
	}
	for {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err == nil {
			conn.Close()
			break
		}
		time.Sleep(time.Millisecond)
	}
	return model.Client(), address, func() error { cancel(); return <-done }
}

func send(t *testing.T, c *http.Client, url, signature string) (int, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(genericPush))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Signature", signature)
	response, err := c.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// TestServer starts and stops the real server.
func TestServer(t *testing.T) {
	r := newRig(t)
	c, address, end := serve(t, r)
	good := "sha256=" + sign(oldKey, genericPush)
	if code, err := send(t, c, "https://"+address+Path+"generic", good); code != http.StatusAccepted {
		t.Errorf("answered %d, %v", code, err)
	}
	if code, err := send(t, c, "https://"+address+Path+"generic", "sha256="+sign("another key", genericPush)); code != http.StatusUnauthorized {
		t.Errorf("a stranger is answered %d, %v", code, err)
	}
	if code, err := send(t, http.DefaultClient, "http://"+address+Path+"generic", good); code == http.StatusAccepted {
		t.Errorf("answered %d, %v without TLS", code, err)
	}
	if len(r.poker.keys) != 1 {
		t.Errorf("poked %v", r.poker.keys)
	}
	if err := end(); err != nil {
		t.Errorf("ended with %v", err)
	}
	if code, err := send(t, c, "https://"+address+Path+"generic", good); err == nil {
		t.Errorf("answered %d after its end", code)
	}
}

// TestServerCutsSlowClients sends a part of a request and waits for the server to lose its patience.
func TestServerCutsSlowClients(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: takes as long as the server's patience")
	}
	r := newRig(t)
	c, address, end := serve(t, r)
	for name, part := range map[string]string{
		"headers": "POST /hooks/generic HTTP/1.1\r\nHost: x\r\n",
		"body": fmt.Sprintf("POST /hooks/generic HTTP/1.1\r\nHost: x\r\nX-Signature: sha256=%s\r\nContent-Length: %d\r\n\r\n{",
			sign(oldKey, genericPush), len(genericPush)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := (&tls.Dialer{Config: &tls.Config{
				RootCAs: c.Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "example.com",
			}}).DialContext(t.Context(), "tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, part); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(bufio.NewReader(conn)) // until the server closes
			if err != nil || strings.Contains(string(answer), " 202 ") {
				t.Errorf("answered %q, %v", answer, err)
			}
		})
	}
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Errorf("ended with %v", err)
		}
		if len(r.poker.keys) > 0 {
			t.Errorf("poked %v", r.poker.keys)
		}
	})
}

func TestServerNeedsItsAddress(t *testing.T) {
	r := newRig(t)
	_, address, end := serve(t, r)
	if err := (&Server{Receiver: r.Receiver, Address: address}).Start(t.Context()); err == nil || !strings.Contains(err.Error(), "listen for webhooks") {
		t.Errorf("error %v", err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}
