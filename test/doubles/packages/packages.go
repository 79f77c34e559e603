// Package packages is a stand-in for private package registries: it serves npm packages from a folder of their archives
// and Go modules from a folder laid out as a module proxy's, and keeps a record of what it was asked for. It has what
// was put there and nothing else.
package packages

import (
	"encoding/json"
	"net/http"
	"sync"
)

// Server is both registries: npm's below /npm/ and the Go modules' below /go/.
type Server struct {
	handler http.Handler

	mu    sync.Mutex
	paths []string
}

// Options say what there is to serve.
type Options struct {
	// NPM is a folder of archives as `npm pack` makes them; Go is a folder laid out as a module proxy's. Either may be empty.
	NPM, Go string
	// Token has to be shown to npm's registry, if it is given.
	Token string
}

// New reads what there is to serve.
func New(o Options) (*Server, error) {
	s, mux := &Server{}, http.NewServeMux()
	s.handler = mux
	if o.NPM != "" {
		registry, err := readRegistry(o.NPM)
		if err != nil {
			return nil, err
		}
		mux.Handle("/npm/", http.StripPrefix("/npm", s.recorded(authorized(o.Token, registry))))
	}
	if o.Go != "" {
		mux.Handle("/go/", http.StripPrefix("/go", s.recorded(http.FileServer(http.Dir(o.Go)))))
	}
	mux.HandleFunc("GET /admin/ready", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /admin/requests", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(s.Requests()) //nolint:errcheck,errchkjson // a test that does not get it fails
	})
	return s, nil
}

// ServeHTTP answers package managers and tests.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Requests are the paths that package managers asked for so far.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.paths...)
}

// recorded keeps a record of the requests.
func (s *Server) recorded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.paths = append(s.paths, r.URL.Path)
		s.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

// authorized lets only those through who show the token.
func authorized(token string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token != "" && r.Header.Get("Authorization") != "Bearer "+token {
			http.Error(w, `{"error":"a token is needed"}`, http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
