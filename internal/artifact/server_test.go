package artifact

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gantry-operator/gantry/internal/hub/identity"
)

// tokens knows a few tokens by heart; "down" cannot be checked.
type tokens map[string]identity.Identity

func (t tokens) Authenticate(_ context.Context, token string) (identity.Identity, error) {
	if token == "down" {
		return identity.Identity{}, errors.New("the API server is down")
	}
	if token == "stray" {
		return identity.Identity{}, identity.ErrForbidden
	}
	if who, ok := t[token]; ok {
		return who, nil
	}
	return identity.Identity{}, identity.ErrUnauthenticated
}

var demo = types.NamespacedName{Namespace: "team", Name: "demo"}

// newServer has "hello", which Workspace demo is entitled to, as well as to an artifact that is not there.
func newServer(t *testing.T) *Server {
	t.Helper()
	s := &Server{
		Store: newStore(t),
		Authenticator: tokens{
			"demo":  {Workspace: demo, Pod: "1"},
			"other": {Workspace: types.NamespacedName{Namespace: "team", Name: "other"}, Pod: "2"},
			"twin":  {Workspace: types.NamespacedName{Namespace: "elsewhere", Name: "demo"}, Pod: "3"},
		},
		Log: logr.Discard(),
	}
	digest := put(t, s.Store, "hello")
	s.Entitled = func(_ context.Context, workspace types.NamespacedName, wanted string) bool {
		return workspace == demo && (wanted == digest || wanted == missing)
	}
	return s
}

const missing = "sha256:00000000000000000000000000000000000000000000000000000000000000ff"

func TestServer(t *testing.T) {
	type want struct {
		code int
		body string
	}
	const path = Path + digestOfHello
	cases := map[string]struct {
		method, path, authorization string
		want                        want
	}{
		"Good":            {"GET", path, "Bearer demo", want{200, "hello"}},
		"SmallBearer":     {"GET", path, "bearer demo", want{200, "hello"}},
		"Head":            {"HEAD", path, "Bearer demo", want{200, ""}},
		"NoToken":         {"GET", path, "", want{401, ""}},
		"BadToken":        {"GET", path, "Bearer forged", want{401, ""}},
		"Basic":           {"GET", path, "Basic demo", want{401, ""}},
		"StrayPod":        {"GET", path, "Bearer stray", want{403, ""}},
		"OtherWorkspace":  {"GET", path, "Bearer other", want{403, ""}},
		"OtherNamespace":  {"GET", path, "Bearer twin", want{403, ""}},
		"Missing":         {"GET", Path + missing, "Bearer demo", want{404, ""}},
		"MissingToOthers": {"GET", Path + missing, "Bearer other", want{403, ""}},
		"CannotCheck":     {"GET", path, "Bearer down", want{503, ""}},
		"Put":             {"PUT", path, "Bearer demo", want{405, ""}},
		"Delete":          {"DELETE", path, "Bearer demo", want{405, ""}},
		"PostNoToken":     {"POST", path, "", want{401, ""}},
		"Root":            {"GET", "/", "Bearer demo", want{404, ""}},
		"List":            {"GET", Path, "Bearer demo", want{400, ""}},
		"Traversal":       {"GET", Path + "sha256:../../../../etc/passwd", "Bearer demo", want{400, ""}},
		"Escaped":         {"GET", Path + "sha256:%2e%2e%2f%2e%2e%2fetc%2fpasswd", "Bearer demo", want{400, ""}},
		"Deeper":          {"GET", path + "/x", "Bearer demo", want{400, ""}},
		"DotDot":          {"GET", Path + "x/../" + digestOfHello, "Bearer demo", want{400, ""}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			request := httptest.NewRequest(tc.method, tc.path, nil)
			if tc.authorization != "" {
				request.Header.Set("Authorization", tc.authorization)
			}
			answer := httptest.NewRecorder()
			newServer(t).ServeHTTP(answer, request)
			if answer.Code != tc.want.code {
				t.Errorf("code %d (%s), want %d", answer.Code, answer.Body, tc.want.code)
			}
			if answer.Code == 200 {
				if answer.Body.String() != tc.want.body || answer.Header().Get("Content-Length") != "5" {
					t.Errorf("body %q, headers %v", answer.Body, answer.Header())
				}
				return
			}
			if strings.Contains(answer.Body.String(), "hello") || strings.Contains(answer.Body.String(), "forged") {
				t.Errorf("the refusal says too much: %s", answer.Body)
			}
		})
	}
}

// Of a damaged archive nobody gets all bytes, and whoever can is told to store it again.
func TestServerDamage(t *testing.T) {
	for name, size := range map[string]int{"Small": 5, "Large": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			digest := put(t, s.Store, strings.Repeat("h", size))
			s.Entitled = func(context.Context, types.NamespacedName, string) bool { return true }
			var missing []string
			s.Missing = func(digest string) { missing = append(missing, digest) }
			sum, err := parse(digest)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(s.Store.path(sum), []byte(strings.Repeat("h", size-1)+"j"), 0o600); err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(s)
			defer server.Close()
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+Path+digest, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer demo")
			for _, want := range []bool{name == "Large", false} {
				answer, err := server.Client().Do(request)
				if err != nil {
					t.Fatal(err)
				}
				defer answer.Body.Close()
				body, err := io.ReadAll(answer.Body)
				if !want {
					if answer.StatusCode != http.StatusNotFound {
						t.Errorf("code %d, want 404", answer.StatusCode)
					}
					continue
				}
				if answer.StatusCode != http.StatusOK || !errors.Is(err, io.ErrUnexpectedEOF) || len(body) >= size {
					t.Errorf("code %d, %d bytes, error %v; want the download to break off", answer.StatusCode, len(body), err)
				}
			}
			if s.Store.Has(digest) || len(missing) != 2 || missing[0] != digest {
				t.Errorf("still there: %v; missing are %v", s.Store.Has(digest), missing)
			}
		})
	}
}

// A part of an archive is not served: whoever asks for one gets it whole.
func TestServerRange(t *testing.T) {
	request := httptest.NewRequest(http.MethodGet, Path+digestOfHello, nil)
	request.Header.Set("Authorization", "Bearer demo")
	request.Header.Set("Range", "bytes=1-2")
	answer := httptest.NewRecorder()
	newServer(t).ServeHTTP(answer, request)
	if answer.Code != http.StatusOK || answer.Body.String() != "hello" || answer.Header().Get("Content-Range") != "" {
		t.Errorf("code %d, body %q, headers %v", answer.Code, answer.Body, answer.Header())
	}
}

// What sending an archive costs above reading and encrypting it is hashing it.
func BenchmarkServer(b *testing.B) {
	s, err := NewStore(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	const size = 64 << 20
	digest, err := s.Put(b.Context(), make([]byte, size))
	if err != nil {
		b.Fatal(err)
	}
	verified := &Server{
		Store: s, Authenticator: tokens{"demo": {Workspace: demo}}, Log: logr.Discard(),
		Entitled: func(context.Context, types.NamespacedName, string) bool { return true },
	}
	plain := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sum, err := parse(digest)
		if err != nil {
			b.Error(err)
		}
		http.ServeFile(w, r, s.path(sum))
	})
	for name, handler := range map[string]http.Handler{"Plain": plain, "Verified": verified} {
		b.Run(name, func(b *testing.B) {
			server := httptest.NewTLSServer(handler)
			defer server.Close()
			b.SetBytes(size)
			for b.Loop() {
				request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, server.URL+Path+digest, nil)
				if err != nil {
					b.Fatal(err)
				}
				request.Header.Set("Authorization", "Bearer demo")
				answer, err := server.Client().Do(request)
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, answer.Body); n != size || err != nil {
					b.Fatalf("%d bytes, error %v", n, err)
				}
				answer.Body.Close()
			}
		})
	}
}

// TestServerOverTLS starts and stops the real server.
func TestServerOverTLS(t *testing.T) {
	model := httptest.NewTLSServer(http.NotFoundHandler())
	defer model.Close()
	s := newServer(t)
	s.TLS = &tls.Config{Certificates: model.TLS.Certificates}
	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Address = free.Addr().String()
	free.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Start(ctx) }()
	get := func(scheme string) (int, string, error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, scheme+"://"+s.Address+Path+digestOfHello, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer demo")
		answer, err := model.Client().Do(request)
		if err != nil {
			return 0, "", err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		return answer.StatusCode, string(body), err
	}
	code, body, err := get("https")
	for err != nil {
		select {
		case err := <-done:
			t.Fatal(err)
		default:
			code, body, err = get("https")
		}
	}
	if code != http.StatusOK || body != "hello" {
		t.Errorf("code %d, body %q", code, body)
	}
	if code, body, _ := get("http"); code == http.StatusOK || body == "hello" {
		t.Error("served without TLS")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, _, err := get("https"); err == nil {
		t.Error("still serving after the end")
	}
}

func TestURL(t *testing.T) {
	want := "https://gantry-hub.gantry-system.svc:9444/artifacts/" + digestOfHello
	if got := URL("gantry-hub.gantry-system.svc", 9444, digestOfHello); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
