// Package kubeapi is the little of a Kubernetes client that the cluster itself
// needs: get, apply, delete, in JSON, with a client certificate.
package kubeapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/gantry-operator/gantry/test/cluster/paths"
	"github.com/gantry-operator/gantry/test/cluster/pki"
)

// ErrNotFound is what the API server answers for an object that is not there.
var ErrNotFound = errors.New("not found")

// Client talks to one API server as the admin.
type Client struct {
	server string
	http   *http.Client
}

// New makes a client with the certificates of a state folder.
func New(state paths.State, server string) (*Client, error) {
	user := "user-" + pki.Admin
	pair, err := tls.LoadX509KeyPair(state.PKI(user+".crt"), state.PKI(user+".key"))
	if err != nil {
		return nil, fmt.Errorf("read the admin's certificate: %w", err)
	}
	authority, err := os.ReadFile(state.PKI("ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, RootCAs: pool},
	}
	return &Client{server: server, http: &http.Client{Transport: transport, Timeout: 10 * time.Second}}, nil
}

// Get reads path into object, which may be nil.
func (c *Client) Get(ctx context.Context, path string, object any) error {
	return c.do(ctx, http.MethodGet, path, "", nil, object)
}

// Apply writes a YAML or JSON object by server-side apply.
func (c *Client) Apply(ctx context.Context, path string, content []byte) error {
	return c.do(ctx, http.MethodPatch, path+"?fieldManager=cluster&force=true", "application/apply-patch+yaml", content, nil)
}

// Delete removes an object.
func (c *Client) Delete(ctx context.Context, path string) error {
	return c.do(ctx, http.MethodDelete, path, "", nil, nil)
}

func (c *Client) do(ctx context.Context, method, path, kind string, content []byte, object any) error {
	request, err := http.NewRequestWithContext(ctx, method, c.server+path, bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: %w", method, path, err)
	case response.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s %s: %w", method, path, ErrNotFound)
	case response.StatusCode >= http.StatusMultipleChoices:
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, bytes.TrimSpace(body))
	case object == nil:
		return nil
	}
	if err := json.Unmarshal(body, object); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}
