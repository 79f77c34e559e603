package artifact

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
)

// Archive is an open archive. It is verified while it is read: of one whose bytes are not what they should be the last
// ones are never given, and it is removed.
type Archive struct {
	file *os.File
	want [sha256.Size]byte
	hash hash.Hash
	// size is what the file has, left what is still to be read of it.
	size, left int64
}

// Size of the archive in bytes.
func (a *Archive) Size() int64 { return a.size }

// Read reads on. The error is fs.ErrNotExist if the archive is found to be damaged.
func (a *Archive) Read(p []byte) (int, error) {
	n, err := a.file.Read(p[:min(int64(len(p)), a.left)])
	if _, err := a.hash.Write(p[:n]); err != nil {
		return 0, fmt.Errorf("read an artifact: %w", err)
	}
	if a.left -= int64(n); a.left > 0 {
		if errors.Is(err, io.EOF) {
			return 0, a.damaged()
		}
		return n, err
	}
	if !bytes.Equal(a.hash.Sum(nil), a.want[:]) {
		return 0, a.damaged()
	}
	return n, io.EOF
}

// Close closes the file, which was only read.
func (a *Archive) Close() { a.file.Close() }

// damaged removes the archive, unless it was stored anew meanwhile.
func (a *Archive) damaged() error {
	err := fmt.Errorf("the artifact sha256:%x is damaged: %w", a.want, fs.ErrNotExist)
	opened, first := a.file.Stat()
	present, second := os.Lstat(a.file.Name())
	if first == nil && second == nil && os.SameFile(opened, present) {
		err = errors.Join(err, os.Remove(a.file.Name()))
	}
	return err
}
