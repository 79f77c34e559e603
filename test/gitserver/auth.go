package gitserver

import (
	"crypto/subtle"
	"net/http"
	"strings"
)

// Auth is what a repository demands. Nothing is demanded by the zero value.
type Auth struct {
	// Username and Password are for HTTP basic. Without Username any will do, as for tokens.
	Username, Password string
	// Bearer is a token that is only taken as such.
	Bearer string
	// Accept judges a password, where passwords come and go.
	Accept func(password string) bool
}

// refuse gives the status to refuse a request with, or 0.
func (a Auth) refuse(r *http.Request) int {
	username, password, isBasic := r.BasicAuth()
	bearer, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	open := a.Password == "" && a.Bearer == "" && a.Accept == nil
	if open || (isBasic && a.takes(username, password)) || (isBearer && a.Bearer != "" && same(bearer, a.Bearer)) {
		return 0
	}
	return http.StatusUnauthorized
}

func (a Auth) takes(username, password string) bool {
	if a.Accept != nil && a.Accept(password) {
		return true
	}
	return a.Password != "" && same(password, a.Password) && (a.Username == "" || same(username, a.Username))
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// auth is what a repository demands.
func (s *Server) auth(repository string) Auth {
	s.mu.Lock()
	defer s.mu.Unlock()
	if own, has := s.access[repository]; has {
		return own
	}
	return s.options.Auth
}
