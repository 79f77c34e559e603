package project

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gantry-operator/gantry/internal/operation"
)

// Fetcher gets artifacts and unpacks them, each once: from the manager's store, which wants to know who asks, and from
// foreign servers, which must never learn that.
type Fetcher struct {
	// Own trusts the manager's CA and nobody else.
	Own *http.Client
	// Foreign trusts whom the image trusts.
	Foreign *http.Client
	// Token gives the token that says which pod this is. It is asked for each request of the manager's store, since it is
	// rotated.
	Token func() (string, error)
	// Dir is where the artifacts are unpacked, by their digest.
	Dir string
	// Patience is how long to try again while a server does not have the artifact or does not answer.
	Patience time.Duration
	// Limits of an archive.
	Limits Limits
	// Log gets one line for each try that failed.
	Log *slog.Logger
}

// Fetch gives the directory with the artifact's files.
func (f *Fetcher) Fetch(ctx context.Context, artifact *operation.Artifact) (string, error) {
	want, err := parseDigest(artifact.GetDigest())
	if err != nil {
		return "", err
	}
	dir := filepath.Join(f.Dir, want.hex)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := f.insist(ctx, artifact, want, dir); err != nil {
		return "", err
	}
	return dir, nil
}

// insist tries until the artifact is there, or cannot be had.
func (f *Fetcher) insist(ctx context.Context, artifact *operation.Artifact, want digest, dir string) error {
	patience := time.NewTimer(f.Patience)
	defer patience.Stop()
	refusals := 0
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := f.try(ctx, artifact, want, dir)
		switch {
		case errors.As(err, new(*passingError)):
		case errors.As(err, new(*refusedError)) && refusals < fewRefusals:
			// A manager that has just taken over may not know the pod yet, and a token may be about to be replaced.
			refusals++
		default:
			return err
		}
		f.Log.Info("the artifact cannot be fetched yet", "digest", artifact.GetDigest(), "error", err)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-patience.C:
		case <-timer.C:
			continue
		}
		timer.Stop()
		return fmt.Errorf("fetch the artifact %s: %w", artifact.GetDigest(), err)
	}
}

// passingError is one that may go away by itself.
type passingError struct{ error }

// refusedError is the answer of the manager's store to a pod that may not have the artifact.
type refusedError struct{ error }

func (f *Fetcher) try(ctx context.Context, artifact *operation.Artifact, want digest, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, tryWithin)
	defer cancel()
	request, client, err := f.request(ctx, artifact)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return &passingError{fmt.Errorf("%s: %w", place(request.URL), withoutURL(err))}
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return answered(response, place(request.URL), artifact.GetForeign())
	}
	// More than this cannot be used, be it archive or what comes after its end.
	body := http.MaxBytesReader(nil, response.Body, f.Limits.Bytes)
	if err := f.unpack(body, want, dir); err != nil {
		return fmt.Errorf("%s: %w", place(request.URL), err)
	}
	return nil
}

// request asks for an artifact. The pod's token goes to the manager's store only, and only to who has a certificate of
// the manager's.
func (f *Fetcher) request(ctx context.Context, artifact *operation.Artifact) (*http.Request, *http.Client, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, artifact.GetUrl(), nil)
	if err != nil {
		return nil, nil, fmt.Errorf("the artifact's URL is not one: %w", withoutURL(err))
	}
	if artifact.GetForeign() {
		if scheme := request.URL.Scheme; scheme != "http" && scheme != "https" {
			return nil, nil, fmt.Errorf("the artifact's URL %s is neither http nor https", place(request.URL))
		}
		return request, f.Foreign, nil
	}
	if request.URL.Scheme != "https" {
		return nil, nil, fmt.Errorf("the artifact's URL %s is not https", place(request.URL))
	}
	token, err := f.Token()
	if err != nil {
		return nil, nil, fmt.Errorf("read the pod's token: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	return request, f.Own, nil
}

// place names a URL without what may be secret in it: users, passwords and signatures.
func place(from *url.URL) string {
	public := url.URL{Scheme: from.Scheme, Host: from.Host, Path: from.Path}
	return public.String()
}

// withoutURL leaves the URL out of an error, which may have a secret in it.
func withoutURL(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err
	}
	return err
}

// answered is the error for an answer without an archive. A foreign server's no is final: the manager's store may not have
// the artifact yet.
func answered(response *http.Response, from string, foreign bool) error {
	words, err := io.ReadAll(io.LimitReader(response.Body, maxWords))
	if err != nil {
		words = nil
	}
	err = fmt.Errorf("%s answered %s (%s)", from, response.Status, strings.TrimSpace(string(words)))
	switch code := response.StatusCode; {
	case code == http.StatusTooManyRequests, code >= http.StatusInternalServerError:
		return &passingError{err}
	case foreign:
		return err
	case code == http.StatusNotFound:
		return &passingError{err}
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return &refusedError{err}
	default:
		return err
	}
}

// unpack puts the archive's files at dir, all of them and checked, or none.
func (f *Fetcher) unpack(archive io.Reader, want digest, dir string) error {
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		return fmt.Errorf("make a place for the source: %w", err)
	}
	temp, err := os.MkdirTemp(f.Dir, ".new-*")
	if err != nil {
		return fmt.Errorf("make a place for the source: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	sum := want.hash()
	body := &failureReader{reader: io.TeeReader(archive, sum)}
	err = Unpack(body, temp, f.Limits)
	if err == nil {
		// The padding after the archive's end counts for the digest too.
		_, err = io.Copy(io.Discard, body)
	}
	switch {
	case errors.As(body.err, new(*http.MaxBytesError)):
		return fmt.Errorf("the artifact is larger than %d bytes", f.Limits.Bytes)
	case body.err != nil:
		return &passingError{fmt.Errorf("the download broke off: %w", body.err)}
	case err != nil:
		return fmt.Errorf("unpack the artifact: %w", err)
	}
	if got := want.of(sum.Sum(nil)); got != want {
		return fmt.Errorf("the artifact has the digest %s, not %s as it should", got, want)
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return fmt.Errorf("open the source to its readers: %w", err)
	}
	if err := os.Rename(temp, dir); err != nil {
		return fmt.Errorf("put the source in its place: %w", err)
	}
	return nil
}

// failureReader tells a failed download from a bad archive.
type failureReader struct {
	reader io.Reader
	err    error
}

// Read reads on and keeps the error, if there is one.
func (r *failureReader) Read(p []byte) (int, error) {
	n, err := r.reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

const (
	firstWait   = 100 * time.Millisecond
	longestWait = 2 * time.Second
	// tryWithin bounds one download.
	tryWithin = 10 * time.Minute
	// fewRefusals are about three seconds.
	fewRefusals = 4
	maxWords    = 512
)
