package operator

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// TestBounded has a server that does not answer, or stops in the middle of its answer, until it is told to go on.
func TestBounded(t *testing.T) {
	cases := map[string]struct {
		reason, path string
		timesOut     bool
	}{
		"Silent":     {"no answer comes", "/silent", true},
		"Halting":    {"the answer does not end", "/halting", true},
		"Watch":      {"a watch stays open", "/halting?watch=true", false},
		"WatchOne":   {"another way to say true", "/halting?watch=1", false},
		"NoWatch":    {"not a watch", "/halting?watch=false", true},
		"FastEnough": {"the answer ends in time", "/fast", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			goOn := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/silent" {
					_, _ = io.WriteString(w, "begin ")
					w.(http.Flusher).Flush()
				}
				if r.URL.Path != "/fast" {
					<-goOn
				}
				_, _ = io.WriteString(w, "end")
			}))
			defer server.Close()
			transport := &bounded{next: http.DefaultTransport, timeout: 10 * time.Second}
			if tc.timesOut || strings.Contains(tc.path, "watch") {
				transport.timeout = 100 * time.Millisecond
			}
			if tc.timesOut {
				defer close(goOn)
			} else {
				time.AfterFunc(300*time.Millisecond, func() { close(goOn) })
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+tc.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := (&http.Client{Transport: transport}).Do(request)
			var content []byte
			if err == nil {
				content, err = io.ReadAll(response.Body)
				response.Body.Close()
			}
			if tc.timesOut != errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: error %v", tc.reason, err)
			}
			if !tc.timesOut && string(content) != "begin end" {
				t.Errorf("%s: %q, error %v", tc.reason, content, err)
			}
		})
	}
}

func TestGuard(t *testing.T) {
	cases := map[string]struct {
		authorization string
		want          int
	}{
		"Nobody":   {"", 401},
		"Basic":    {"Basic reader", 401},
		"Forged":   {"Bearer forged", 401},
		"Stranger": {"Bearer stranger", 403},
		"Reader":   {"Bearer reader", 200},
		"Down":     {"Bearer down", 503},
	}
	c := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Create: func(_ context.Context, _ client.WithWatch, o client.Object, _ ...client.CreateOption) error {
			switch review := o.(type) {
			case *authenticationv1.TokenReview:
				if review.Spec.Token == "down" {
					return errors.New("the API server is down")
				}
				review.Status.Authenticated = review.Spec.Token != "forged"
				review.Status.User.Username = review.Spec.Token
			case *authorizationv1.SubjectAccessReview:
				path := review.Spec.NonResourceAttributes
				review.Status.Allowed = review.Spec.User == "reader" && path.Path == "/metrics" && path.Verb == "get"
			}
			return nil
		},
	}).Build()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := &guard{client: c, log: logr.Discard(), next: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
			request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			if tc.authorization != "" {
				request.Header.Set("Authorization", tc.authorization)
			}
			answer := httptest.NewRecorder()
			g.ServeHTTP(answer, request)
			if answer.Code != tc.want {
				t.Errorf("code %d, want %d: %s", answer.Code, tc.want, answer.Body)
			}
		})
	}
}
