// Package artifact owns the archives that stacks are run from: a store on the manager's disk that addresses each by the
// digest of its bytes, and the server by which the one pod that is entitled to an archive gets it.
package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"

	"github.com/gantry-operator/gantry/internal/artifact/pack"
)

const (
	prefix = "sha256:"
	// extension of the files.
	extension = ".tar.gz"
	// touchAfter is how exactly the time of an archive's last use is kept.
	touchAfter = time.Minute
)

// ErrInvalidDigest means that a digest is not "sha256:" and 64 small hexadecimal digits.
var ErrInvalidDigest = errors.New("not a sha256 digest")

// TooLargeError means that a directory is over the limits of an archive, in words that are fit for a condition.
type TooLargeError = pack.TooLargeError

// InvalidError means that a directory has something that cannot be in an archive, in words that are fit for a condition.
type InvalidError = pack.InvalidError

// Store keeps archives in a directory. It is safe for concurrent use, also by several processes: a file appears whole
// or not at all, and its name is the digest of its content. The directory may lose files, and be lost itself, at any
// time: what is not there is to be stored again. When a file was used last is the time of its modification.
type Store struct {
	dir    string
	limits pack.Limits
	bound  int64
	live   Live
	clock  clock.PassiveClock
	// using is held while an archive is found to be there and its use is recorded, and while one is evicted.
	using sync.Mutex
	// count and bytes are of all archives, evicted of those that sweeps removed: as far as this process knows.
	count, bytes, evicted atomic.Int64
	// pressed tells that the store is over its bound.
	pressed chan struct{}
}

// Live lists the digests of the archives that objects name now. They are never evicted.
type Live func(ctx context.Context) (map[string]bool, error)

// Option sets something about a Store.
type Option func(*Store)

// WithLimits bounds each directory that is packed. Without, it is 2Gi and half a million files.
func WithLimits(limits pack.Limits) Option { return func(s *Store) { s.limits = limits } }

// WithBound bounds what all archives have together, as long as that leaves those that live objects name. Without, it is
// 10Gi.
func WithBound(bytes int64) Option { return func(s *Store) { s.bound = bytes } }

// WithLive says what is never evicted. Without, nothing ever is.
func WithLive(live Live) Option { return func(s *Store) { s.live = live } }

// WithClock sets the clock by which archives get old.
func WithClock(now clock.PassiveClock) Option { return func(s *Store) { s.clock = now } }

// NewStore returns a Store in dir, which is made if it does not exist. What an interrupted write left is removed.
func NewStore(dir string, options ...Option) (*Store, error) {
	s := &Store{
		dir: dir, limits: pack.Limits{Bytes: 2 << 30, Files: 500_000}, bound: 10 << 30,
		clock: clock.RealClock{}, pressed: make(chan struct{}, 1),
	}
	for _, option := range options {
		option(s)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the artifact store: %w", err)
	}
	return s, s.tidy()
}

// Put stores an archive and returns its digest. Storing the same bytes again costs a look only.
func (s *Store) Put(ctx context.Context, archive []byte) (digest string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	sum := sha256.Sum256(archive)
	digest = prefix + hex.EncodeToString(sum[:])
	if s.whole(digest) {
		return digest, nil
	}
	return s.insist(ctx, func(to io.Writer) error {
		_, err := to.Write(archive)
		return err
	})
}

// PutDir packs a directory, stores the archive and returns its digest: the same for the same files. A directory that is
// over the limits is a *TooLargeError, one with something that no archive can have an *InvalidError.
func (s *Store) PutDir(ctx context.Context, dir string) (digest string, err error) {
	return s.insist(ctx, func(to io.Writer) error { return pack.Dir(ctx, to, dir, s.limits) })
}

// Has tells whether the archive is there. It does not read it, but counts as its use.
func (s *Store) Has(digest string) bool {
	sum, err := parse(digest)
	if err != nil {
		return false
	}
	s.using.Lock()
	defer s.using.Unlock()
	info, err := os.Lstat(s.path(sum))
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	s.touch(s.path(sum), info)
	return true
}

// Open returns the archive. The error is fs.ErrNotExist if it is not there.
func (s *Store) Open(digest string) (*Archive, error) {
	sum, err := parse(digest)
	if err != nil {
		return nil, err
	}
	s.using.Lock()
	defer s.using.Unlock()
	file, err := os.Open(s.path(sum))
	if err != nil {
		return nil, fmt.Errorf("open artifact %s: %w", digest, err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("open artifact %s: %w", digest, errors.Join(err, file.Close()))
	}
	s.touch(file.Name(), info)
	return &Archive{file: file, want: sum, hash: sha256.New(), size: info.Size(), left: info.Size()}, nil
}

// whole tells whether the archive is there and has its digest. It reads it, and counts as its use.
func (s *Store) whole(digest string) bool {
	archive, err := s.Open(digest)
	if err != nil {
		return false
	}
	defer archive.Close()
	_, err = io.Copy(io.Discard, archive)
	return err == nil
}

// touch records that an archive is used. That it cannot be recorded is no reason not to use it.
func (s *Store) touch(path string, info fs.FileInfo) {
	if now := s.clock.Now(); now.Sub(info.ModTime()).Abs() >= touchAfter {
		_ = os.Chtimes(path, now, now) //nolint:errcheck // see above
	}
}

// Usage is what a store holds, as far as its process knows: from its first sweep on.
type Usage struct {
	// Archives there are and the Bytes they have together, the Bound of these, and how many archives were Evicted.
	Archives, Bytes, Bound, Evicted int64
}

// Usage tells what the store holds.
func (s *Store) Usage() Usage {
	return Usage{Archives: s.count.Load(), Bytes: s.bytes.Load(), Bound: s.bound, Evicted: s.evicted.Load()}
}

// path is where an archive is. It is made of the digest's bytes, so no digest leads out of the directory.
func (s *Store) path(sum [sha256.Size]byte) string {
	return filepath.Join(s.dir, hex.EncodeToString(sum[:])+extension)
}

// parse reads a digest; only the canonical form is one.
func parse(digest string) (sum [sha256.Size]byte, err error) {
	text, ok := strings.CutPrefix(digest, prefix)
	if !ok || len(text) != hex.EncodedLen(len(sum)) || strings.ToLower(text) != text {
		return sum, fmt.Errorf("%w: %.100q", ErrInvalidDigest, digest)
	}
	if _, err := hex.Decode(sum[:], []byte(text)); err != nil {
		return sum, fmt.Errorf("%w: %.100q", ErrInvalidDigest, digest)
	}
	return sum, nil
}
