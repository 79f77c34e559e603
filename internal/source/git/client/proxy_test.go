package client

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gantry-operator/gantry/test/doubles/githubapp"
	"github.com/gantry-operator/gantry/test/gitserver"
)

// proxy is one for CONNECT that counts.
type proxy struct {
	url, authorization string

	mu    sync.Mutex
	asked int
}

func startProxy(t *testing.T) *proxy {
	t.Helper()
	p := &proxy{}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = strings.Replace(server.URL, "http://", "http://user:canary-proxy@", 1)
	return p
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked++
	p.authorization = r.Header.Get("Proxy-Authorization")
	p.mu.Unlock()
	there, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", r.Host)
	if err != nil || r.Method != http.MethodConnect {
		http.Error(w, "no", http.StatusBadGateway)
		return
	}
	defer there.Close()
	w.WriteHeader(http.StatusOK)
	here, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	go func() {
		_, _ = io.Copy(there, buffered)
		there.Close()
	}()
	_, _ = io.Copy(here, there)
}

func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

func TestProxies(t *testing.T) {
	app, err := githubapp.New(now)
	if err != nil {
		t.Fatal(err)
	}
	server := gitserver.Start(t, gitserver.Options{Auth: gitserver.Auth{Accept: app.Accept}})
	server.Mount(githubapp.Prefix+"/", app)
	repository := server.Create("app")
	commit := repository.Commit("main", gitserver.Files{"a": gitserver.Text("a")})
	remote := Remote{URL: repository.URL, Credential: Credential{GitHubApp: &GitHubApp{AppID: app.ID, InstallationID: app.Installation, PrivateKey: app.PKCS1}}}
	cases := map[string]struct {
		variables []string
		used      bool
	}{
		"HTTPS_PROXY": {[]string{"HTTPS_PROXY=$"}, true},
		"https_proxy": {[]string{"https_proxy=$"}, true},
		"ALL_PROXY":   {[]string{"ALL_PROXY=$"}, true},
		"LowerFirst":  {[]string{"HTTPS_PROXY=http://127.0.0.1:1", "https_proxy=$"}, true},
		"HTTP_PROXY":  {[]string{"HTTP_PROXY=$"}, false},
		"NO_PROXY":    {[]string{"HTTPS_PROXY=$", "NO_PROXY=example.com,127.0.0.1"}, false},
		"no_proxy":    {[]string{"HTTPS_PROXY=$", "no_proxy=127.0.0.1,example.com"}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := startProxy(t)
			client := newClient(t, server, func(o *Options) {
				for _, variable := range c.variables {
					o.Environment = append(o.Environment, strings.ReplaceAll(variable, "$", p.url))
				}
			})
			if resolved, err := client.Resolve(t.Context(), remote, "main"); err != nil || resolved != commit {
				t.Errorf("%s, %v", resolved, err)
			}
			if n := p.count(); c.used != (n > 0) {
				t.Errorf("git asked the proxy %d times, want %t", n, c.used)
			}
			// Go asks no proxy for this machine; of another one it is as for git.
			host := "https://git.example/api"
			if strings.HasPrefix(strings.ToUpper(name), "NO_") {
				host = "https://example.com/api"
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, host, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			transport, err := client.transport("")
			if err != nil {
				t.Fatal(err)
			}
			if proxy, err := transport.Proxy(request); err != nil || c.used != (proxy != nil && proxy.String() == p.url) {
				t.Errorf("for the token the proxy is %v, %v", proxy, err)
			}
		})
	}
}
