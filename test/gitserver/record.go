package gitserver

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
)

// Kind is what a request is for.
type Kind string

const (
	// Greeting is the first request of each command of git; with the old protocol it is a List.
	Greeting Kind = "greeting"
	// List asks for refs, as git ls-remote does: once each.
	List Kind = "list"
	// Fetch asks for objects.
	Fetch Kind = "fetch"
	// LFSBatch asks where files in LFS are.
	LFSBatch Kind = "lfs-batch"
	// LFSDownload asks for one of them.
	LFSDownload Kind = "lfs-download"
	// Other is anything else.
	Other Kind = "other"
)

// Request is one request that was answered.
type Request struct {
	// Repository is team/app for /team/app.git.
	Repository string
	Kind       Kind
	Status     int
	// Sent is how many bytes were sent.
	Sent int64
	// Authorization is the header with the credentials.
	Authorization string
}

// kind tells what a request is for.
func (s *Server) kind(r *http.Request, rest string, body []byte) Kind {
	switch {
	case rest == "/info/refs" && (s.options.OldProtocol || !strings.Contains(r.Header.Get("Git-Protocol"), "version=2")):
		return List
	case rest == "/info/refs":
		return Greeting
	case rest == "/git-upload-pack" && bytes.HasPrefix(body, []byte("0014command=ls-refs")):
		return List
	case rest == "/git-upload-pack":
		return Fetch
	case rest == "/info/lfs/objects/batch":
		return LFSBatch
	case strings.HasPrefix(rest, "/info/lfs/"):
		return LFSDownload
	default:
		return Other
	}
}

func (s *Server) record(request Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, request)
}

// Requests are all that were answered, in order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Count tells how many requests of a kind a repository had; all repositories together if it is empty. Those that were
// refused with 401 do not count: git asks without credentials first.
func (s *Server) Count(repository string, kind Kind) int {
	n := 0
	for _, request := range s.Requests() {
		if request.Kind == kind && request.Status != http.StatusUnauthorized && (repository == "" || request.Repository == repository) {
			n++
		}
	}
	return n
}

// Sent tells how many bytes of answers a repository has sent.
func (s *Server) Sent(repository string) int64 {
	var n int64
	for _, request := range s.Requests() {
		if request.Repository == repository {
			n += request.Sent
		}
	}
	return n
}

// Forget starts counting anew.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}
