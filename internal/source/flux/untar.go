package flux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fluxcd/pkg/tar"

	"github.com/gantry-operator/gantry/internal/validate"
)

// untar unpacks an archive with Flux's library, which keeps every entry inside of dir, leaves symbolic links out and
// bounds the bytes. What it does not bound, the number of entries and the time, ends the stream that it reads.
func untar(ctx context.Context, from, dir string, limits Limits) error {
	file, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	stream := &stoppable{ctx: ctx, reader: file}
	entries := 0
	look := func(name string, _ fs.FileInfo) bool {
		entries++
		switch {
		case entries > limits.Files:
			stream.err = fmt.Errorf("it has more than %d files", limits.Files)
		case !filepath.IsLocal(filepath.FromSlash(name)):
			stream.err = fmt.Errorf("its path %s leads out of it", validate.Quote(name))
		}
		return stream.err != nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	err = tar.Untar(stream, dir, tar.WithMaxUntarSize(int(limits.Bytes)), tar.WithSkipSymlinks(), tar.WithFilter(look))
	if stream.err != nil {
		return stream.err
	}
	if err != nil {
		return withoutPath(err)
	}
	return readable(dir)
}

// withoutPath leaves the manager's own directories out of an error.
func withoutPath(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return fmt.Errorf("%s %s: %w", at.Op, validate.Quote(filepath.Base(at.Path)), at.Err)
	}
	return err
}

// readable lets the manager read all that it unpacked, whatever the archive says who may.
func readable(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil || info.Mode().Perm()&0o400 != 0 {
			return err
		}
		return os.Chmod(path, info.Mode().Perm()|0o400)
	})
}

// stoppable reads until it is told an error, or until ctx is done.
type stoppable struct {
	ctx    context.Context //nolint:containedctx // an io.Reader takes none
	reader io.Reader
	err    error
}

// Read reads on, or fails for good.
func (s *stoppable) Read(p []byte) (int, error) {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err != nil {
		return 0, s.err
	}
	return s.reader.Read(p)
}
