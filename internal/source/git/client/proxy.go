package client

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// transport is for the requests that this program makes itself: with the manager's proxies, and trusting the same
// authorities as git does.
func (c *Client) transport(bundle string) (*http.Transport, error) {
	all := lookup(c.proxies(), "ALL_PROXY")
	or := func(value string) string {
		if value == "" {
			return all
		}
		return value
	}
	proxies := httpproxy.Config{
		HTTPProxy: or(lookup(c.proxies(), "HTTP_PROXY")), HTTPSProxy: or(lookup(c.proxies(), "HTTPS_PROXY")), NoProxy: lookup(c.proxies(), "NO_PROXY"),
	}
	choose := proxies.ProxyFunc()
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's certificate authorities: %w", err)
	}
	if system, err := os.ReadFile(c.options.Authorities); err == nil {
		pool = x509.NewCertPool()
		pool.AppendCertsFromPEM(system)
	}
	if bundle != "" && !pool.AppendCertsFromPEM([]byte(bundle)) {
		return nil, NewError(HostKey, "the CA bundle has no certificate in it", nil)
	}
	return &http.Transport{
		Proxy:           func(r *http.Request) (*url.URL, error) { return choose(r.URL) },
		DialContext:     (&net.Dialer{Timeout: 20 * time.Second}).DialContext,
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: 20 * time.Second,
		ForceAttemptHTTP2: true, DisableKeepAlives: true,
	}, nil
}

// proxySecrets are passwords that the proxies' URLs have in them.
func (c *Client) proxySecrets() []string {
	var secrets []string
	for _, pair := range c.proxies() {
		_, value, _ := strings.Cut(pair, "=")
		if parsed, err := url.Parse(value); err == nil {
			if password, has := parsed.User.Password(); has {
				secrets = append(secrets, password)
			}
		}
	}
	return secrets
}
