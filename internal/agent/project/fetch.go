package project

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gantry-operator/gantry/internal/operation"
)

// Fetcher gets artifacts from the manager's store and unpacks them, each once.
type Fetcher struct {
	// Client trusts the manager's CA.
	Client *http.Client
	// Token gives the token that says which pod this is. It is asked for each request, since it is rotated.
	Token func() (string, error)
	// Dir is where the artifacts are unpacked, by their digest.
	Dir string
	// Patience is how long to try again while the store does not have the artifact or does not answer.
	Patience time.Duration
	// Limits of an archive.
	Limits Limits
	// Log gets one line for each try that failed.
	Log *slog.Logger
}

// Fetch gives the directory with the artifact's files.
func (f *Fetcher) Fetch(ctx context.Context, artifact *operation.Artifact) (string, error) {
	sum, ok := strings.CutPrefix(artifact.GetDigest(), "sha256:")
	if _, err := hex.DecodeString(sum); !ok || err != nil || len(sum) != hex.EncodedLen(sha256.Size) {
		return "", fmt.Errorf("the artifact's digest %q is not a sha256 digest", artifact.GetDigest())
	}
	dir := filepath.Join(f.Dir, sum)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := f.insist(ctx, artifact, sum, dir); err != nil {
		return "", err
	}
	return dir, nil
}

// insist tries until the artifact is there, or cannot be had.
func (f *Fetcher) insist(ctx context.Context, artifact *operation.Artifact, sum, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, f.Patience)
	defer cancel()
	refusals := 0
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := f.try(ctx, artifact.GetUrl(), sum, dir)
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
			timer.Stop()
			return fmt.Errorf("fetch the artifact %s from %s: %w", artifact.GetDigest(), artifact.GetUrl(), err)
		case <-timer.C:
		}
	}
}

// passingError is one that may go away by itself.
type passingError struct{ error }

// refusedError is the store's answer to a pod that may not have the artifact.
type refusedError struct{ error }

func (f *Fetcher) try(ctx context.Context, url, sum, dir string) error {
	token, err := f.Token()
	if err != nil {
		return fmt.Errorf("read the pod's token: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("the artifact's URL is not one: %w", err)
	}
	if request.URL.Scheme != "https" {
		return fmt.Errorf("the artifact's URL %s is not https", url)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := f.Client.Do(request)
	if err != nil {
		return &passingError{err}
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusOK {
		return f.unpack(response.Body, sum, dir)
	}
	return answered(response)
}

// answered is the error for an answer without an archive.
func answered(response *http.Response) error {
	words, err := io.ReadAll(io.LimitReader(response.Body, maxWords))
	if err != nil {
		words = nil
	}
	err = fmt.Errorf("the manager's store answered %s (%s)", response.Status, strings.TrimSpace(string(words)))
	switch code := response.StatusCode; {
	case code == http.StatusNotFound, code == http.StatusTooManyRequests, code >= http.StatusInternalServerError:
		return &passingError{err}
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return &refusedError{err}
	default:
		return err
	}
}

// unpack puts the archive's files at dir, all of them and checked, or none.
func (f *Fetcher) unpack(archive io.Reader, sum, dir string) error {
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		return fmt.Errorf("make a place for the source: %w", err)
	}
	temp, err := os.MkdirTemp(f.Dir, ".new-*")
	if err != nil {
		return fmt.Errorf("make a place for the source: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	hash := sha256.New()
	body := &failureReader{reader: io.TeeReader(archive, hash)}
	err = Unpack(body, temp, f.Limits)
	if err == nil {
		// The padding after the archive's end counts for the digest too.
		_, err = io.Copy(io.Discard, body)
	}
	if body.err != nil {
		return &passingError{fmt.Errorf("the download broke off: %w", body.err)}
	}
	if err != nil {
		return fmt.Errorf("unpack the artifact: %w", err)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != sum {
		return fmt.Errorf("the artifact has the digest sha256:%s, not sha256:%s as it should", got, sum)
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
	// fewRefusals are about three seconds.
	fewRefusals = 4
	maxWords    = 512
)
