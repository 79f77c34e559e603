package program

import (
	"bytes"

	"github.com/gantry-operator/gantry/internal/artifact/pack"
)

// file is the name of the one file in the archive.
const file = "Pulumi.yaml"

// archive is the tar.gz of a project.
func archive(project []byte) ([]byte, error) {
	var packed bytes.Buffer
	if err := pack.File(&packed, file, project); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}
