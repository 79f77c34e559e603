package flux

import (
	"context"
	"errors"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fluxcd/pkg/http/fetch"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
)

// Limits bound what an artifact may be.
type Limits struct {
	// Bytes of all files together.
	Bytes int64
	// Files is how many entries the archive may have.
	Files int
	// Within is how long getting it may take.
	Within time.Duration
}

// Fetcher gets artifacts from where their sources serve them.
type Fetcher struct {
	limits Limits
	// host stands in for the host of every URL; empty leaves them alone.
	host     string
	download *fetch.ArchiveFetcher
}

// archive is the name of the download in its directory, and contents that of the directory with its files.
const archive, contents = "archive.tar.gz", "contents"

// NewFetcher makes a Fetcher. host stands in for the host of every URL, for a manager outside of the cluster; empty leaves
// the URLs alone.
func NewFetcher(limits Limits, host string) *Fetcher {
	// A try that fails is repeated by the Tracker, which keeps no worker waiting for it.
	return &Fetcher{limits: limits, host: host, download: fetch.New(
		fetch.WithRetries(0), fetch.WithFileName(archive), fetch.WithHostnameOverwrite(host),
		fetch.WithMaxDownloadSize(downloadLimit(limits.Bytes)),
	)}
}

// downloadLimit is the size of an archive that cannot be expected to have no more than the given bytes in it: files that
// cannot be compressed become a little larger.
func downloadLimit(bytes int64) int { return int(min(bytes, math.MaxInt64/2)/8*9) + 1<<20 }

// Fetch gets an artifact and answers the directory, below dir, with its files. Its failures are *failure.WaitingError and
// *failure.TerminalError.
func (f *Fetcher) Fetch(ctx context.Context, a Artifact, dir string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, f.limits.Within)
	defer cancel()
	place := f.place(a)
	if err := f.download.FetchWithContext(ctx, a.URL, a.Digest, dir); err != nil {
		return "", f.downloadError(ctx, err, a, place)
	}
	files := filepath.Join(dir, contents)
	if err := untar(ctx, filepath.Join(dir, archive), files, f.limits); err != nil {
		if passes(err) {
			return "", failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "the artifact at %s cannot be unpacked: %w", place, err)
		}
		return "", failure.NewTerminal(pulumiv1.ReasonSourceInvalid, "the artifact at %s cannot be used: %w", place, err)
	}
	return files, nil
}

// downloadError says why an artifact could not be had. The library tells its own findings in words only.
func (f *Fetcher) downloadError(ctx context.Context, err error, a Artifact, place string) error {
	var outer *url.Error
	switch words := err.Error(); {
	case errors.Is(err, fetch.ErrFileNotFound):
		return failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "the artifact at %s is not there any more (404): waiting for its source to name another one", place)
	case strings.HasPrefix(words, "failed to verify archive"):
		return failure.NewTerminal(pulumiv1.ReasonSourceInvalid, "the artifact at %s does not have the digest %s that its source tells", place, a.Digest)
	case strings.Contains(words, "greater than the max download size"):
		return failure.NewTerminal(pulumiv1.ReasonSourceInvalid, "the artifact at %s is larger than %d bytes; have its source leave out what the program does not need (spec.ignore), "+
			"or raise the manager's limits (FLUX_MAX_UNTAR_SIZE_BYTES, --artifact-max-size)", place, downloadLimit(f.limits.Bytes))
	case errors.Unwrap(errors.Unwrap(err)) == nil && strings.Contains(words, "giving up after"):
		// The library tries these again, and forgets which of them it was.
		return failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "the artifact cannot be had from %s: the server answers that it fails or is too busy (5xx or 429)", place)
	case ctx.Err() != nil:
		return failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "the artifact at %s could not be had in %s", place, f.limits.Within)
	case errors.As(err, &outer):
		err = outer.Err // what it says beside that is the URL, which may have a secret in it
	default:
		for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
			err = inner
		}
	}
	return failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "the artifact cannot be had from %s: %s", place, f.withoutSecrets(err.Error(), a))
}

// place names a URL without what may be secret in it: users, passwords and signatures.
func (f *Fetcher) place(a Artifact) string {
	from := f.url(a)
	return (&url.URL{Scheme: from.Scheme, Host: from.Host, Path: from.Path}).String()
}

// url is where the artifact is fetched from.
func (f *Fetcher) url(a Artifact) *url.URL {
	from, err := url.Parse(a.URL)
	if err != nil {
		return &url.URL{} // ArtifactOf lets none through
	}
	if f.host != "" {
		from.Host = f.host
	}
	return from
}

// withoutSecrets leaves of the URL in a message only what may be shown.
func (f *Fetcher) withoutSecrets(words string, a Artifact) string {
	from := f.url(a)
	return strings.NewReplacer(a.URL, f.place(a), from.String(), f.place(a), from.Redacted(), f.place(a)).Replace(words)
}

// passes tells whether a failure to unpack is the manager's and not the archive's.
func passes(err error) bool {
	for _, own := range []error{
		context.Canceled, context.DeadlineExceeded, os.ErrPermission,
		syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM,
	} {
		if errors.Is(err, own) {
			return true
		}
	}
	return false
}
