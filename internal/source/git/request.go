// Package git owns which commit of a repository is the one to run, and the archive of it: one poll for all that follow a
// ref of a repository with the same credential, and one fetch of each commit.
package git

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/git/client"
)

// Request is what a consumer follows.
type Request struct {
	// Remote is the repository and the credential.
	Remote client.Remote
	// Ref is followed; Commit, a full id, is fetched once and never polled. One of them is given.
	Ref, Commit string
	// Selection is what of the commit is wanted.
	Selection client.Selection
	// Every is how often Ref is polled at least.
	Every time.Duration
	// Token asks for a poll at once, whenever it is another one than the last time; empty asks for none. Until that poll
	// has ended the answer is a *StaleError that is Pending.
	Token string
	// Last is what the consumer was given before the manager started; empty if that is not on record. As long as its
	// archive is in the store it stands for the commit, for this consumer alone, and is not fetched again.
	Last source.Revision
}

// At makes the request be of a full commit id, or of a ref.
func (r *Request) At(revision string) {
	if IsCommit(revision) {
		r.Commit = revision
		return
	}
	r.Ref = revision
}

// Select is what a program in dir needs: the whole repository, or dir and the paths, if any are given. Submodules are
// wanted unless it is said that they are not.
func Select(dir string, paths []string, submodules *bool) client.Selection {
	selection := client.Selection{Paths: slices.Clone(paths), Submodules: submodules == nil || *submodules}
	if dir = strings.TrimPrefix(path.Clean("/"+dir), "/"); len(paths) > 0 && dir != "" {
		selection.Paths = append(selection.Paths, dir)
	}
	return selection
}

// IsCommit tells whether text is a full commit id, SHA-1 or SHA-256.
func IsCommit(text string) bool {
	const sha1, sha256 = 40, 64
	return (len(text) == sha1 || len(text) == sha256) && strings.Trim(text, "0123456789abcdef") == ""
}

// StaleError comes with a Revision: it is the last one known, and may not be the newest.
type StaleError struct {
	// Pending says that somebody is looking, right now; otherwise the source cannot be reached.
	Pending bool
	err     error
}

// NewStale makes a StaleError of its cause.
func NewStale(pending bool, cause error) *StaleError {
	return &StaleError{Pending: pending, err: cause}
}

// Error is fit for a condition.
func (e *StaleError) Error() string { return e.err.Error() }

// Unwrap gives the cause.
func (e *StaleError) Unwrap() error { return e.err }

// FetchingError says that a commit is being fetched from a repository that has just told of it, so that it will most
// likely be there in a moment.
type FetchingError struct{ err error }

// NewFetching makes a FetchingError of its cause.
func NewFetching(cause error) *FetchingError { return &FetchingError{err: cause} }

// Error is fit for a condition.
func (e *FetchingError) Error() string { return e.err.Error() }

// Unwrap gives the cause.
func (e *FetchingError) Unwrap() error { return e.err }
