package gitserver

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"strings"
)

// ServeHTTP answers one request of git, of git-lfs or of a curious person.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if handler := s.mounted(r.URL.Path); handler != nil {
		handler.ServeHTTP(w, r)
		return
	}
	repository, rest := split(r.URL.Path)
	body, err := read(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	kind := s.kind(r, rest, body)
	watched := &watched{ResponseWriter: w, status: http.StatusOK}
	defer func() {
		s.record(Request{
			Repository: repository, Kind: kind, Status: watched.status, Sent: watched.sent,
			Authorization: r.Header.Get("Authorization"),
		})
		if watched.cut {
			panic(http.ErrAbortHandler) // the connection breaks
		}
	}()
	if s.broken(watched, r, kind) {
		return
	}
	if status := s.auth(repository).refuse(r); status != 0 {
		watched.Header().Set("Www-Authenticate", `Basic realm="git"`)
		http.Error(watched, http.StatusText(status), status)
		return
	}
	if after, isLFS := strings.CutPrefix(rest, "/info/lfs/"); isLFS {
		s.serveLFS(watched, r, repository, after)
		return
	}
	s.serveGit(watched, r)
}

// split parts /team/app.git/info/refs into team/app and /info/refs.
func split(path string) (repository, rest string) {
	repository, rest, _ = strings.Cut(strings.TrimPrefix(path, "/"), ".git/")
	return repository, "/" + rest
}

// read reads the request's body, so that it can be looked at and a CGI program be told its length.
func read(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	if r.Header.Get("Content-Encoding") != "gzip" {
		return body, nil
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	plain, err := io.ReadAll(unzipped)
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	return plain, nil
}

// serveGit lets git answer.
func (s *Server) serveGit(w http.ResponseWriter, r *http.Request) {
	program, err := backend(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if s.options.OldProtocol {
		r.Header.Del("Git-Protocol")
	}
	handler := &cgi.Handler{
		Path: program, Root: "/", Dir: s.root, Logger: silent(), Stderr: io.Discard,
		Env: append([]string{
			"GIT_PROJECT_ROOT=" + s.root, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + s.root, "PATH=" + os.Getenv("PATH"),
			"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		}, s.configuration()...),
	}
	handler.ServeHTTP(w, r)
}

// configuration is that of the server's git, as environment.
func (s *Server) configuration() []string {
	return []string{
		"GIT_CONFIG_COUNT=2",
		"GIT_CONFIG_KEY_0=uploadpack.allowFilter", fmt.Sprintf("GIT_CONFIG_VALUE_0=%t", !s.options.NoFilter),
		"GIT_CONFIG_KEY_1=uploadpack.allowReachableSHA1InWant", fmt.Sprintf("GIT_CONFIG_VALUE_1=%t", !s.options.OldProtocol),
	}
}

// errCut is what a program is told whose answer is not let through.
var errCut = errors.New("the connection is cut")

// watched tells what was answered, and cuts what is to be cut.
type watched struct {
	http.ResponseWriter
	status int
	sent   int64
	// left is how much may still be sent if limited.
	limited bool
	left    int
	cut     bool
}

func (w *watched) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(data []byte) (int, error) {
	if w.limited && len(data) > w.left {
		data, w.cut = data[:w.left], true
	}
	n, err := w.ResponseWriter.Write(data)
	w.sent += int64(n)
	w.left -= n
	if err == nil && w.cut {
		w.Flush()
		return n, errCut
	}
	return n, err
}

func (w *watched) Flush() {
	if flusher, ok := w.ResponseWriter.(http.Flusher); ok {
		flusher.Flush()
	}
}
