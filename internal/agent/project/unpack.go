package project

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
)

// Limits bound what an archive may become on the disk.
type Limits struct {
	// Bytes of all files together, and Files, whatever their kind.
	Bytes int64
	Files int
}

// longestName is the longest path that a program could open: a longer one makes nothing but directories without end.
const longestName = 4096

// Unpack puts the files of a tar.gz under dir. No entry, whatever its name and whatever links came before it, is
// written outside of dir: os.Root sees to that. Symbolic links are kept as they are, as in a clone; devices and the
// like are left out.
func Unpack(archive io.Reader, dir string, limits Limits) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	unzipped, err := gzip.NewReader(archive)
	if err != nil {
		return fmt.Errorf("it is not gzip: %w", err)
	}
	entries, left := tar.NewReader(unzipped), limits
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is not a tar archive: %w", err)
		}
		if left.Files--; left.Files < 0 {
			return fmt.Errorf("it has more than %d files", limits.Files)
		}
		if left.Bytes -= header.Size; header.Size < 0 || left.Bytes < 0 {
			return fmt.Errorf("its files are larger than %d bytes together", limits.Bytes)
		}
		if len(header.Name) > longestName {
			return fmt.Errorf("%.100q… is a name of more than %d characters", header.Name, longestName)
		}
		if err := put(root, header, entries); err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
	}
}

// put writes one entry.
func put(root *os.Root, header *tar.Header, content io.Reader) error {
	name := path.Clean(header.Name)
	if name == "." {
		return nil
	}
	if header.Typeflag != tar.TypeDir {
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeReg:
		return putFile(root, name, header, content)
	case tar.TypeSymlink:
		return root.Symlink(header.Linkname, name)
	case tar.TypeLink:
		return root.Link(path.Clean(header.Linkname), name)
	default:
		return nil
	}
}

func putFile(root *os.Root, name string, header *tar.Header, content io.Reader) (err error) {
	mode := os.FileMode(0o644)
	if header.FileInfo().Mode()&0o111 != 0 {
		mode = 0o755
	}
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}()
	_, err = io.Copy(file, content)
	return err
}
