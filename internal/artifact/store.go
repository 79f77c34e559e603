// Package artifact owns the archives that stacks are run from: a store on the manager's disk that addresses each by the
// digest of its bytes, and the server by which the one pod that is entitled to an archive gets it.
package artifact

import (
	"bytes"
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
	"time"
)

const (
	prefix = "sha256:"
	// temporary is how the names of files begin that are being written.
	temporary = ".writing-"
)

// ErrInvalidDigest means that a digest is not "sha256:" and 64 small hexadecimal digits.
var ErrInvalidDigest = errors.New("not a sha256 digest")

// Store keeps archives in a directory. It is safe for concurrent use, also by several processes: a file appears whole
// or not at all, and its name is the digest of its content.
type Store struct {
	dir string
}

// NewStore returns a Store in dir, which is made if it does not exist. What an interrupted write left is removed.
func NewStore(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the artifact store: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, temporary+"*"))
	if err != nil {
		return nil, fmt.Errorf("look into the artifact store: %w", err)
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("clean the artifact store: %w", err)
		}
	}
	return &Store{dir: dir}, nil
}

// Put stores an archive and returns its digest. Storing the same bytes again costs a look only.
func (s *Store) Put(ctx context.Context, archive []byte) (digest string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	sum := sha256.Sum256(archive)
	digest = prefix + hex.EncodeToString(sum[:])
	if file, _, err := s.Open(digest); err == nil {
		return digest, file.Close()
	}
	// No fsync: a file that a crash cut short does not have its digest and counts as missing.
	file, err := os.CreateTemp(s.dir, temporary+"*")
	if err != nil {
		return "", fmt.Errorf("store an artifact: %w", err)
	}
	_, err = io.Copy(file, bytes.NewReader(archive))
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), s.path(sum))
	}
	if err != nil {
		return "", fmt.Errorf("store an artifact: %w", errors.Join(err, os.Remove(file.Name())))
	}
	return digest, nil
}

// Has tells whether the archive is there. It does not read it.
func (s *Store) Has(digest string) bool {
	sum, err := parse(digest)
	if err != nil {
		return false
	}
	info, err := os.Lstat(s.path(sum))
	return err == nil && info.Mode().IsRegular()
}

// Open returns the archive and its size, once its bytes were found to have the digest. The error is fs.ErrNotExist if it
// is not there; an archive that is damaged is removed and is not there.
func (s *Store) Open(digest string) (archive io.ReadSeekCloser, size int64, err error) {
	sum, err := parse(digest)
	if err != nil {
		return nil, 0, err
	}
	file, err := os.Open(s.path(sum))
	if err != nil {
		return nil, 0, fmt.Errorf("open artifact %s: %w", digest, err)
	}
	hash := sha256.New()
	size, err = io.Copy(hash, file)
	if err == nil && !bytes.Equal(hash.Sum(nil), sum[:]) {
		err = errors.Join(fs.ErrNotExist, os.Remove(file.Name()))
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read artifact %s: %w", digest, errors.Join(err, file.Close()))
	}
	return file, size, nil
}

// Sweep removes the archives that nobody keeps and that were stored before the given time. The time is there for those
// whose user has yet to name them.
func (s *Store) Sweep(keep map[string]bool, before time.Time) (removed int, err error) {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return 0, fmt.Errorf("sweep the artifact store: %w", err)
	}
	var failures []error
	for _, file := range files {
		name, isArchive := strings.CutSuffix(file.Name(), extension)
		info, err := file.Info()
		if !isArchive || err != nil || keep[prefix+name] || !info.ModTime().Before(before) {
			continue
		}
		if err := os.Remove(filepath.Join(s.dir, file.Name())); err != nil {
			failures = append(failures, err)
			continue
		}
		removed++
	}
	return removed, errors.Join(failures...)
}

// extension of the files.
const extension = ".tar.gz"

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
