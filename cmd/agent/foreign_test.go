package main

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gantry-operator/gantry/internal/operation"
)

// foreignServer serves archives to anybody and keeps what it was told of who asks.
type foreignServer struct {
	*httptest.Server
	mu       sync.Mutex
	archives map[string][]byte
	// failing is how many requests are answered with 503 first.
	failing int
	asked   int
	told    []string
}

// newForeignServer starts one, over TLS with a certificate of its own if asked to.
func newForeignServer(tb testing.TB, secure bool) *foreignServer {
	tb.Helper()
	s := &foreignServer{archives: map[string][]byte{}}
	s.Server = httptest.NewUnstartedServer(s)
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	tb.Cleanup(s.Close)
	return s
}

// ServeHTTP gives an archive by its path.
func (s *foreignServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	s.told = append(s.told, r.Header.Values("Authorization")...)
	archive, ok := s.archives[r.URL.Path]
	switch {
	case s.failing > 0:
		s.failing--
		http.Error(w, "not now", http.StatusServiceUnavailable)
	case strings.HasPrefix(r.URL.Path, "/moved/"):
		http.Redirect(w, r, strings.TrimPrefix(r.URL.Path, "/moved"), http.StatusFound)
	case ok:
		_, _ = w.Write(archive)
	default:
		http.NotFound(w, r)
	}
}

// put serves an archive with the files at the path and gives its bytes.
func (s *foreignServer) put(tb testing.TB, path string, files map[string]string) []byte {
	tb.Helper()
	archive := pack(tb, files)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.archives[path] = archive
	return archive
}

// requests counts what was asked.
func (s *foreignServer) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// foreign is a source that the manager does not serve.
func foreign(digest, url string) *operation.Source {
	return &operation.Source{From: &operation.Source_Artifact{Artifact: &operation.Artifact{Digest: digest, Url: url, Foreign: true}}}
}

func sum256(archive []byte) string {
	sum := sha256.Sum256(archive)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// hasProject fails the test unless the operation succeeded in a project of that name.
func hasProject(t *testing.T, result *operation.Result, want string) {
	t.Helper()
	wantSuccess(t, result)
	if got := result.GetProject().GetName(); got != want {
		t.Errorf("the project is %q, want %q", got, want)
	}
}

// TestForeignArchives are fetched, as those of a Flux source are; no server but the manager's own is told who asks.
func TestForeignArchives(t *testing.T) {
	plain, secure := newForeignServer(t, false), newForeignServer(t, true)
	// The image's own certificates are what counts for other servers.
	roots := filepath.Join(t.TempDir(), "roots.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if err := os.WriteFile(roots, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	p := newPod(t, cliDouble(t), "SSL_CERT_FILE="+roots)
	p.release()

	plain.failing = 1
	archive := plain.put(t, "/a.tar.gz", map[string]string{"app/Pulumi.yaml": "name: plain\nruntime: yaml\n"})
	source := foreign(sum256(archive), plain.URL+"/moved/a.tar.gz")
	source.GetArtifact().Dir = "app"
	hasProject(t, p.hub.run(up("plain", source)), "plain")

	archive = secure.put(t, "/b.tar.gz", map[string]string{"Pulumi.yaml": "name: secure\nruntime: yaml\n"})
	sum := sha512.Sum512(archive)
	hasProject(t, p.hub.run(up("secure", foreign("sha512:"+hex.EncodeToString(sum[:]), secure.URL+"/b.tar.gz"))), "secure")

	// A URL may have credentials of its own.
	archive = plain.put(t, "/c.tar.gz", map[string]string{"Pulumi.yaml": "name: basic\nruntime: yaml\n"})
	url := strings.Replace(plain.URL, "http://", "http://me:hunter2@", 1) + "/c.tar.gz"
	hasProject(t, p.hub.run(up("basic", foreign(sum256(archive), url))), "basic")

	plain.mu.Lock()
	defer plain.mu.Unlock()
	secure.mu.Lock()
	defer secure.mu.Unlock()
	for _, told := range append(plain.told, secure.told...) {
		if !strings.HasPrefix(told, "Basic ") {
			t.Errorf("a foreign server was told %q", told)
		}
	}
	if len(plain.told) != 1 || len(secure.told) != 0 {
		t.Errorf("the servers were told %d and %d times who asks, want once, by the URL itself", len(plain.told), len(secure.told))
	}
}

// TestForeignArchivesThatCannotBeUsed end at once where asking again would not help, and nothing of them is run.
func TestForeignArchivesThatCannotBeUsed(t *testing.T) {
	plain := newForeignServer(t, false)
	good := plain.put(t, "/good", map[string]string{"Pulumi.yaml": "name: x\nruntime: yaml\n"})
	plain.put(t, "/other", map[string]string{"Pulumi.yaml": "name: y\nruntime: yaml\n"})
	plain.archives["/page"] = []byte("<html>")
	p := newPod(t, cliDouble(t))
	cases := map[string]struct {
		path, digest, want string
	}{
		"Missing": {"/nothing", sum256(good), "/nothing answered 404"},
		"Other":   {"/other", sum256(good), "not " + sum256(good) + " as it should"},
		"Page":    {"/page?signature=hunter2", sum256([]byte("<html>")), "/page: unpack the artifact: it is not gzip"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before := plain.requests()
			result := p.hub.run(up(name, foreign(tc.digest, plain.URL+tc.path)))
			if result.GetReason() != operation.ReasonSourceFailed || !strings.Contains(result.GetMessage(), tc.want) {
				t.Errorf("reason %s: %s; want it to say %q", result.GetReason(), result.GetMessage(), tc.want)
			}
			if asked := plain.requests() - before; asked != 1 {
				t.Errorf("the server was asked %d times, want once", asked)
			}
		})
	}
	if p.ups() != 0 || strings.Contains(p.log.text(), "hunter2") {
		t.Errorf("up ran %d times, want never; the log:\n%s", p.ups(), p.log.text())
	}
}
