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
	"path/filepath"
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

func TestServerDamage(t *testing.T) {
	s := newServer(t)
	if err := os.WriteFile(filepath.Join(s.Store.dir, files(t, s.Store)[0]), []byte("jello"), 0o600); err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodGet, Path+digestOfHello, nil)
	request.Header.Set("Authorization", "Bearer demo")
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, request)
	if answer.Code != 404 || s.Store.Has(digestOfHello) {
		t.Errorf("code %d, still there: %v", answer.Code, s.Store.Has(digestOfHello))
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
