package pack

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// git is the name of what git keeps for itself in a repository, and in each submodule.
const git = ".git"

// Dir packs what is in a directory: files, directories, and symbolic links that stay inside of it, sorted by name. Names
// of one file are files each. What git keeps for itself is left out. A directory over the limits is a *TooLargeError, one
// with anything else in it an *InvalidError. Nothing is read but the directory, whatever it holds.
func Dir(ctx context.Context, to io.Writer, dir string, limits Limits) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("pack a directory: %w", err)
	}
	defer root.Close()
	d := &directory{root: root, limits: limits, left: limits, buffer: make([]byte, 1<<18)}
	d.archive, err = newArchive(&counted{to: to, over: d.overBytes, left: limits.Bytes})
	if err != nil {
		return err
	}
	if err := d.pack(ctx, "."); err != nil {
		return err
	}
	return d.archive.close()
}

// directory is one that is being packed.
type directory struct {
	root    *os.Root
	archive *archive
	limits  Limits
	// left of the limits. The bytes are those of files alone; those of the archive are counted as they are written.
	left Limits
	// largest file so far, and its size.
	largest string
	size    int64
	buffer  []byte
}

// pack adds what is in the directory at that path, which is one itself and no link.
func (d *directory) pack(ctx context.Context, dir string) error {
	open, err := d.root.Open(dir)
	if err != nil {
		return fmt.Errorf("pack a directory: %w", err)
	}
	entries, err := open.ReadDir(-1)
	if err := errors.Join(err, open.Close()); err != nil {
		return fmt.Errorf("pack the directory %.200q: %w", dir, err)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, entry := range entries {
		if entry.Name() == git {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := d.add(ctx, path.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// add adds what has the given name.
func (d *directory) add(ctx context.Context, name string) error {
	if d.left.Files--; d.left.Files < 0 {
		return &TooLargeError{Limits: d.limits}
	}
	info, err := d.root.Lstat(name)
	if err != nil {
		return fmt.Errorf("pack %.200q: %w", name, err)
	}
	switch info.Mode().Type() {
	case 0:
		return d.file(ctx, name)
	case fs.ModeDir:
		if err := d.archive.header(tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: executable}); err != nil {
			return err
		}
		return d.pack(ctx, name)
	case fs.ModeSymlink:
		return d.link(name)
	default:
		return &InvalidError{Path: name, Problem: "is " + kind(info.Mode()) + ": only files, directories and symbolic links can be packed"}
	}
}

// file adds a file, as long as it is when it is opened.
func (d *directory) file(ctx context.Context, name string) error {
	file, err := d.root.Open(name)
	if err != nil {
		return fmt.Errorf("pack a file: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("pack a file: %w", err)
	}
	size := info.Size()
	if size > d.size || d.largest == "" {
		d.largest, d.size = name, size
	}
	if d.left.Bytes -= size; d.left.Bytes < 0 {
		return d.overBytes()
	}
	if err := d.archive.header(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode(info), Size: size}); err != nil {
		return err
	}
	// Neither end may copy in a way of its own: the buffer is what bounds the memory.
	copied, err := io.CopyBuffer(struct{ io.Writer }{d.archive.files}, &whole{ctx: ctx, file: io.LimitReader(file, size)}, d.buffer)
	if err == nil && copied < size {
		err = errors.New("it became shorter meanwhile")
	}
	if err != nil {
		return fmt.Errorf("pack %.200q: %w", name, err)
	}
	return nil
}

// overBytes is the error for too many bytes.
func (d *directory) overBytes() error {
	return &TooLargeError{Limits: d.limits, Largest: d.largest, Size: d.size}
}

// whole reads a file until its end or that of the context.
type whole struct {
	ctx  context.Context //nolint:containedctx // it lives as long as one call
	file io.Reader
}

// Read reads on.
func (w *whole) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.file.Read(p)
}

// counted writes so many bytes and no more.
type counted struct {
	to   io.Writer
	left int64
	over func() error
}

// Write writes on.
func (c *counted) Write(p []byte) (int, error) {
	if c.left -= int64(len(p)); c.left < 0 {
		return 0, c.over()
	}
	return c.to.Write(p)
}

// kind says what a file is that is none.
func kind(mode fs.FileMode) string {
	switch mode.Type() {
	case fs.ModeNamedPipe:
		return "a named pipe"
	case fs.ModeSocket:
		return "a socket"
	case fs.ModeDevice, fs.ModeDevice | fs.ModeCharDevice:
		return "a device"
	default:
		return "of a kind that is not known"
	}
}
