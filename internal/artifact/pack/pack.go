// Package pack owns how files become an archive: a tar.gz that is the same, byte for byte, whenever, wherever and by
// whatever build of the manager it is made of the same files.
package pack

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
)

const (
	// plain and executable are the modes of files, whatever they were: the pod's user has to read them, whoever that is.
	plain, executable = 0o644, 0o755
)

// File packs a single file.
func File(to io.Writer, name string, content []byte) error {
	a, err := newArchive(to)
	if err != nil {
		return err
	}
	if err := a.header(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: plain, Size: int64(len(content))}); err != nil {
		return err
	}
	if _, err := a.files.Write(content); err != nil {
		return fmt.Errorf("pack %s: %w", name, err)
	}
	return a.close()
}

// archive is a tar.gz under way. What has neither time nor owner nor host has no other form but the one: tar's oldest
// where a name fits into it, else the one with PAX records.
type archive struct {
	zipped *stored
	files  *tar.Writer
}

func newArchive(to io.Writer) (*archive, error) {
	zipped, err := newStored(to)
	if err != nil {
		return nil, fmt.Errorf("begin the archive: %w", err)
	}
	return &archive{zipped: zipped, files: tar.NewWriter(zipped)}, nil
}

// header begins the next file.
func (a *archive) header(header tar.Header) error {
	if err := a.files.WriteHeader(&header); err != nil {
		return fmt.Errorf("pack %s: %w", header.Name, err)
	}
	return nil
}

// close ends the archive.
func (a *archive) close() error {
	if err := a.files.Close(); err != nil {
		return fmt.Errorf("end the archive: %w", err)
	}
	if err := a.zipped.Close(); err != nil {
		return fmt.Errorf("end the archive: %w", err)
	}
	return nil
}

// mode of a file in the archive.
func mode(info fs.FileInfo) int64 {
	if info.Mode()&0o111 != 0 {
		return executable
	}
	return plain
}
