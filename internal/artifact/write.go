package artifact

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// temporary is how the names of files begin that are being written.
	temporary = ".writing-"
	// abandoned is how long ago such a file was written to that nobody writes any more. A writer that is held up for
	// longer, in this process or in another one, loses its file and has to begin anew.
	abandoned = 2 * time.Minute
)

// insist stores what fill writes. If there is no space left, it makes some and tries once more.
func (s *Store) insist(ctx context.Context, fill func(io.Writer) error) (digest string, err error) {
	digest, err = s.write(fill)
	if full(err) {
		_, sweepErr := s.Sweep(ctx)
		if digest, err = s.write(fill); full(err) {
			err = fmt.Errorf("the disk of the artifact store is full, and nothing on it can be removed: give the manager a larger volume at %s: %w",
				s.dir, errors.Join(err, sweepErr))
		}
	}
	if err != nil {
		return "", fmt.Errorf("store an artifact: %w", err)
	}
	return digest, nil
}

// full tells whether the disk had no space left.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// write stores what fill writes. No fsync: a file that a crash cut short does not have its digest and counts as damaged.
func (s *Store) write(fill func(io.Writer) error) (digest string, err error) {
	file, err := s.create()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(file, hash), 1<<18)
	if err = fill(out); err == nil {
		err = out.Flush()
	}
	var size int64
	if err == nil {
		size, err = file.Seek(0, io.SeekCurrent)
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		now := s.clock.Now()
		err = os.Chtimes(file.Name(), now, now)
	}
	var sum [sha256.Size]byte
	hash.Sum(sum[:0])
	if err == nil {
		err = s.publish(file.Name(), s.path(sum), size)
	}
	if err != nil {
		return "", errors.Join(err, ifThere(os.Remove(file.Name())))
	}
	return prefix + hex.EncodeToString(sum[:]), nil
}

// publish gives a file that is written its name. The one that is there may be damaged; it may also be about to be evicted.
func (s *Store) publish(from, to string, size int64) error {
	s.using.Lock()
	defer s.using.Unlock()
	_, missing := os.Lstat(to)
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if missing != nil {
		s.grow(size)
	}
	return nil
}

// create makes a temporary file, and the directory if that was lost.
func (s *Store) create() (*os.File, error) {
	file, err := os.CreateTemp(s.dir, temporary+"*")
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(s.dir, 0o700); err != nil {
			return nil, err
		}
		file, err = os.CreateTemp(s.dir, temporary+"*")
	}
	return file, err
}

// tidy removes what interrupted writes left, of whatever process.
func (s *Store) tidy() error {
	left, err := filepath.Glob(filepath.Join(s.dir, temporary+"*"))
	if err != nil {
		return fmt.Errorf("look into the artifact store: %w", err)
	}
	failures := []error(nil)
	for _, path := range left {
		info, err := os.Lstat(path)
		if err == nil && s.clock.Now().Sub(info.ModTime()) >= abandoned {
			err = os.Remove(path)
		}
		failures = append(failures, ifThere(err))
	}
	if err := errors.Join(failures...); err != nil {
		return fmt.Errorf("clean the artifact store: %w", err)
	}
	return nil
}

// ifThere is the error of a removal, unless it is that there was nothing to remove.
func ifThere(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
