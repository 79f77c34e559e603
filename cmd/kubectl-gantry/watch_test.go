package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
)

// closer stands between the plugin and the API server, and ends watches.
type closer struct {
	to      http.Handler
	watches chan struct{}
	mu      sync.Mutex
	end     context.CancelFunc
	refused bool
}

// startCloser starts one that speaks to the API server as the config does, and answers a kubeconfig for it.
func startCloser(t *testing.T, config *rest.Config) (*closer, string) {
	t.Helper()
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	host, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Transport: transport, FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(host) }}
	c := &closer{to: proxy, watches: make(chan struct{}, 100)}
	server := httptest.NewTLSServer(c)
	t.Cleanup(server.Close)
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters["c"] = &clientcmdapi.Cluster{Server: server.URL, CertificateAuthorityData: certificatePEM(server.Certificate())}
	kubeconfig.Contexts["c"] = &clientcmdapi.Context{Cluster: "c"}
	kubeconfig.CurrentContext = "c"
	path := filepath.Join(t.TempDir(), "closer")
	if err := clientcmd.WriteToFile(*kubeconfig, path); err != nil {
		t.Fatal(err)
	}
	return c, path
}

func certificatePEM(certificate *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
}

func (c *closer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("watch") == "" {
		c.to.ServeHTTP(w, r)
		return
	}
	ctx, end := context.WithCancel(r.Context())
	defer end()
	c.mu.Lock()
	refused := c.refused
	c.end, c.refused = end, false
	c.mu.Unlock()
	if refused {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusGone)
		_ = json.NewEncoder(w).Encode(metav1.Status{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure,
			Code: http.StatusGone, Reason: metav1.StatusReasonExpired, Message: "too old resource version",
		})
		return
	}
	c.watches <- struct{}{}
	defer func() { _ = recover() }() // the proxy gives up a watch that is ended on its way
	c.to.ServeHTTP(w, r.WithContext(ctx))
}

// close ends the watch, waits for the next one, and may have the API server not go on from where the plugin was.
func (c *closer) close(t *testing.T, tooOld bool) {
	t.Helper()
	c.mu.Lock()
	c.refused = tooOld
	c.end()
	c.mu.Unlock()
	select {
	case <-c.watches:
	case <-t.Context().Done():
		t.Fatal("nobody watches again")
	}
}

// TestGetOutlastsItsWatch: get --watch goes on when the API server ends the watch, and shows each change once.
func TestGetOutlastsItsWatch(t *testing.T) {
	w := newWorld(t)
	config, err := clientcmd.BuildConfigFromFlags("", w.admin)
	if err != nil {
		t.Fatal(err)
	}
	closer, kubeconfig := startCloser(t, config)
	cmd := w.command(kubeconfig, "get", "web", "--watch")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	lines := bufio.NewScanner(out)
	next := func(want string) {
		t.Helper()
		if !lines.Scan() || !strings.Contains(lines.Text(), want) {
			t.Fatalf("it shows %q, error %v; want %q", lines.Text(), lines.Err(), want)
		}
	}
	stack := w.until("web", func(*pulumiv1.Stack) bool { return true })
	change := func(message string) {
		t.Helper()
		w.status(stack, func(s *pulumiv1.StackStatus) {
			s.Conditions = conditions.Merge(nil, conditions.Ready(pulumiv1.ReasonProcessingCompleted, message).Conditions(1), metav1.Now())
		})
		next(message)
	}
	next("NAME")
	next("the stack is up to date")
	<-closer.watches
	change("first")
	closer.close(t, false)
	change("second")
	closer.close(t, true)
	change("third")
}
