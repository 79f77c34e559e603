package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gantry-operator/gantry/internal/operation"
)

// storeDouble stands in for the manager's store of artifacts.
type storeDouble struct {
	url string

	mu       sync.Mutex
	archives map[string][]byte
	// missing is how many requests are answered with 404 before the archive is there.
	missing int
	// refusing is how many are answered with 403.
	refusing int
	asked    int
}

func newStoreDouble(tb testing.TB, hub *hubDouble) *storeDouble {
	tb.Helper()
	s := &storeDouble{archives: map[string][]byte{}}
	server := httptest.NewUnstartedServer(s)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{hub.cert}}
	server.StartTLS()
	tb.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// ServeHTTP answers as the store does.
func (s *storeDouble) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if r.Header.Get("Authorization") != "Bearer pod-token" {
		http.Error(w, "who are you", http.StatusUnauthorized)
		return
	}
	if s.refusing > 0 {
		s.refusing--
		http.Error(w, "not yours", http.StatusForbidden)
		return
	}
	archive, ok := s.archives[strings.TrimPrefix(r.URL.Path, "/artifacts/")]
	if s.missing > 0 {
		s.missing--
		ok = false
	}
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(archive)
}

// requests counts what was asked.
func (s *storeDouble) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// put keeps an archive with the files and gives the source that names it.
func (s *storeDouble) put(tb testing.TB, files map[string]string, dir string) *operation.Source {
	tb.Helper()
	archive := pack(tb, files)
	sum := sha256.Sum256(archive)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	s.archives[digest] = archive
	return s.source(digest, dir)
}

func (s *storeDouble) source(digest, dir string) *operation.Source {
	return &operation.Source{From: &operation.Source_Artifact{Artifact: &operation.Artifact{
		Digest: digest, Url: s.url + "/artifacts/" + digest, Dir: dir,
	}}}
}

// pack makes a tar.gz.
func pack(tb testing.TB, files map[string]string) []byte {
	tb.Helper()
	var archive bytes.Buffer
	zipped := gzip.NewWriter(&archive)
	entries := tar.NewWriter(zipped)
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		header := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg}
		if err := entries.WriteHeader(header); err != nil {
			tb.Fatal(err)
		}
		if _, err := entries.Write([]byte(files[name])); err != nil {
			tb.Fatal(err)
		}
	}
	if err := entries.Close(); err != nil {
		tb.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		tb.Fatal(err)
	}
	return archive.Bytes()
}
