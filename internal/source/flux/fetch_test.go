package flux

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	fluxtar "github.com/fluxcd/pkg/tar"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
)

// packed is an archive as source-controller makes it.
func packed(t *testing.T, files map[string]string) []byte {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	var archive bytes.Buffer
	if _, err := fluxtar.Tar(dir, &archive); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

// zipped is a tar.gz of any entries.
func zipped(t *testing.T, headers ...*tar.Header) []byte {
	t.Helper()
	var archive bytes.Buffer
	zip := gzip.NewWriter(&archive)
	entries := tar.NewWriter(zip)
	for _, header := range headers {
		if err := entries.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := entries.Write(bytes.Repeat([]byte("x"), int(header.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(entries.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

// served is a server whose only answer is the given one, and the artifact that it would be.
func served(t *testing.T, body []byte, algorithm digest.Algorithm, status int) Artifact {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	return Artifact{URL: server.URL + "/gitrepository/ns/demo/a.tar.gz?signature=hunter2", Digest: algorithm.FromBytes(body).String(), Revision: "main@sha1:0123"}
}

func limits() Limits { return Limits{Bytes: 1 << 20, Files: 100, Within: time.Minute} }

// filesOf are the files of a directory, by their paths.
func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, relErr := filepath.Rel(dir, path)
		files[name] = string(text)
		return errors.Join(err, relErr)
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestFetch(t *testing.T) {
	want := map[string]string{"Pulumi.yaml": "name: demo", "app/main.go": "package main", "..odd": "name"}
	for _, algorithm := range []digest.Algorithm{digest.SHA256, digest.SHA384, digest.SHA512, digest.BLAKE3} {
		t.Run(algorithm.String(), func(t *testing.T) {
			dir, err := NewFetcher(limits(), "").Fetch(t.Context(), served(t, packed(t, want), algorithm, http.StatusOK), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, filesOf(t, dir)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFetchFromAnotherHost(t *testing.T) {
	a := served(t, packed(t, map[string]string{"a": "b"}), digest.SHA256, http.StatusOK)
	host := strings.TrimPrefix(strings.SplitAfterN(a.URL, "/", 4)[2], "/")
	a.URL = strings.Replace(a.URL, strings.TrimSuffix(host, "/"), "source-controller.flux-system.svc.cluster.local.", 1)
	if _, err := NewFetcher(limits(), strings.TrimSuffix(host, "/")).Fetch(t.Context(), a, t.TempDir()); err != nil {
		t.Error(err)
	}
}

// What an archive forbids its owner to read, the manager reads all the same.
func TestFetchWhatNobodyMayRead(t *testing.T) {
	a := served(t, zipped(t,
		&tar.Header{Name: "dir", Typeflag: tar.TypeDir, Mode: 0}, &tar.Header{Name: "dir/file", Typeflag: tar.TypeReg, Mode: 0, Size: 1}), digest.SHA256, http.StatusOK)
	dir, err := NewFetcher(limits(), "").Fetch(t.Context(), a, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "dir", "file"))
	if err != nil || info.Mode().Perm()&0o400 == 0 {
		t.Errorf("the file has the mode %v, %v", info.Mode(), err)
	}
}

func TestFetchLeavesLinksOut(t *testing.T) {
	a := served(t, zipped(t, &tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "/etc", Mode: 0o777},
		&tar.Header{Name: "link/file", Typeflag: tar.TypeReg, Mode: 0o600, Size: 1}), digest.SHA256, http.StatusOK)
	dir, err := NewFetcher(limits(), "").Fetch(t.Context(), a, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"link/file": "x"}, filesOf(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestFetchRefuses(t *testing.T) {
	file := func(name string, size int64) *tar.Header {
		return &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Size: size}
	}
	var many []*tar.Header
	for i := range 101 {
		many = append(many, file(strings.Repeat("f", i+1), 0))
	}
	incompressible := make([]byte, downloadLimit(1<<20)+1)
	good := zipped(t, file("a", 1))
	cases := map[string]struct {
		body []byte
		want string
	}{
		"NotGzip":     {[]byte("<html>Sign in</html>"), "gzip"},
		"NotTar":      {gzipped(t, strings.Repeat("no tar", 1000)), "tar error"},
		"CutShort":    {good[:len(good)-12], "EOF"},
		"TooLarge":    {incompressible, "larger than"},
		"Bomb":        {zipped(t, file("bomb", 2<<20)), "bigger than max archive size of 1048576 bytes"},
		"ManySmall":   {zipped(t, file("a", 600<<10), file("b", 600<<10)), "bigger than max archive size"},
		"ManyFiles":   {zipped(t, many...), "more than 100 files"},
		"Up":          {zipped(t, file("../escaped", 1)), `"../escaped"`},
		"UpLater":     {zipped(t, file("a/../../escaped", 1)), "escaped"},
		"Parent":      {zipped(t, file("..", 1)), `".."`},
		"Root":        {zipped(t, file("/escaped", 1)), `"/escaped"`},
		"Backslash":   {zipped(t, file(`..\escaped`, 1)), "escaped"},
		"Device":      {zipped(t, &tar.Header{Name: "dev", Typeflag: tar.TypeChar, Mode: 0o600}), "unsupported file type"},
		"Pipe":        {zipped(t, &tar.Header{Name: "pipe", Typeflag: tar.TypeFifo, Mode: 0o600}), "unsupported file type"},
		"FileInAFile": {zipped(t, file("a", 1), file("a/b", 1)), "not a directory"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			above := t.TempDir()
			dir := filepath.Join(above, "scratch")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			_, err := NewFetcher(limits(), "").Fetch(t.Context(), served(t, tc.body, digest.SHA256, http.StatusOK), dir)
			terminal, ok := failure.AsTerminal(err)
			if !ok || terminal.Reason != pulumiv1.ReasonSourceInvalid || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want SourceInvalid that says %q", err, tc.want)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), above) {
				t.Errorf("the message tells too much: %v", err)
			}
			if left, err := os.ReadDir(above); err != nil || len(left) != 1 {
				t.Errorf("outside of its directory it left %v, %v", left, err)
			}
		})
	}
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var archive bytes.Buffer
	zip := gzip.NewWriter(&archive)
	if _, err := zip.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

func TestFetchOfAnotherDigest(t *testing.T) {
	a := served(t, packed(t, map[string]string{"a": "b"}), digest.SHA256, http.StatusOK)
	a.Digest = "sha256:" + sha256Hex
	_, err := NewFetcher(limits(), "").Fetch(t.Context(), a, t.TempDir())
	if terminal, ok := failure.AsTerminal(err); !ok || terminal.Reason != pulumiv1.ReasonSourceInvalid || !strings.Contains(err.Error(), a.Digest) {
		t.Errorf("got %v, want SourceInvalid that names the digest", err)
	}
}

func TestFetchWaits(t *testing.T) {
	gone := served(t, nil, digest.SHA256, http.StatusOK)
	gone.URL = "http://127.0.0.1:1/a.tar.gz?signature=hunter2"
	broken := served(t, packed(t, map[string]string{"a": "b"}), digest.SHA256, http.StatusOK)
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("short"))
	}))
	t.Cleanup(cut.Close)
	broken.URL = cut.URL
	cases := map[string]struct {
		artifact Artifact
		want     string
	}{
		"Vanished":   {served(t, nil, digest.SHA256, http.StatusNotFound), "not there any more (404)"},
		"Down":       {served(t, nil, digest.SHA256, http.StatusServiceUnavailable), "5xx"},
		"Broken":     {served(t, nil, digest.SHA256, http.StatusInternalServerError), "5xx"},
		"Busy":       {served(t, nil, digest.SHA256, http.StatusTooManyRequests), "429"},
		"Forbidden":  {served(t, nil, digest.SHA256, http.StatusForbidden), "403"},
		"NobodyHome": {gone, "connection refused"},
		"CutOff":     {broken, "unexpected EOF"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := NewFetcher(limits(), "").Fetch(t.Context(), tc.artifact, t.TempDir())
			waiting, ok := failure.AsWaiting(err)
			if !ok || waiting.Reason != pulumiv1.ReasonSourceUnavailable || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "http://127.0.0.1:") {
				t.Errorf("got %v, want SourceUnavailable that says %q, and where", err, tc.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the message tells the URL's secrets: %v", err)
			}
		})
	}
}

func TestFetchHasItsTime(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(server.Close)
	short := limits()
	short.Within = 50 * time.Millisecond
	_, err := NewFetcher(short, "").Fetch(t.Context(), Artifact{URL: server.URL + "/a", Digest: "sha256:" + sha256Hex}, t.TempDir())
	if _, ok := failure.AsWaiting(err); !ok || !strings.Contains(err.Error(), "50ms") {
		t.Errorf("got %v, want to wait", err)
	}
}

func TestPasses(t *testing.T) {
	for _, err := range []error{&fs.PathError{Op: "write", Path: "a", Err: syscall.ENOSPC}, context.DeadlineExceeded, fs.ErrPermission} {
		if !passes(err) {
			t.Errorf("%v is taken for the archive's fault", err)
		}
	}
	for _, err := range []error{&fs.PathError{Op: "open", Path: "a", Err: syscall.ENAMETOOLONG}, errors.New("tar error")} {
		if passes(err) {
			t.Errorf("%v is taken for the manager's fault", err)
		}
	}
}
