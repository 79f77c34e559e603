package program

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
)

const (
	// file is the name of the one file in the archive.
	file = "Pulumi.yaml"
	// mode lets the pod's user read it, whoever that is.
	mode = 0o644
)

// pack makes the archive of a project. It carries no time, owner or host, and is not compressed: stored blocks are the
// one form of gzip that does not depend on the version of the compressor, so that a new manager does not give every
// unchanged Program a new digest.
func pack(project []byte) ([]byte, error) {
	var archive bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&archive, gzip.NoCompression)
	if err != nil {
		return nil, fmt.Errorf("make the archive: %w", err)
	}
	files := tar.NewWriter(zipped)
	header := &tar.Header{Typeflag: tar.TypeReg, Name: file, Mode: mode, Size: int64(len(project)), Format: tar.FormatUSTAR}
	if err := files.WriteHeader(header); err != nil {
		return nil, fmt.Errorf("make the archive: %w", err)
	}
	if _, err := files.Write(project); err != nil {
		return nil, fmt.Errorf("make the archive: %w", err)
	}
	if err := files.Close(); err != nil {
		return nil, fmt.Errorf("make the archive: %w", err)
	}
	if err := zipped.Close(); err != nil {
		return nil, fmt.Errorf("make the archive: %w", err)
	}
	return archive.Bytes(), nil
}
