package settings

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/encoding"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
)

// pristine gives the path of a copy of the file as the source carries it, which is made before the first change.
func (w *Writer) pristine(path string) (string, error) {
	sum := sha256.Sum256([]byte(path))
	dir := filepath.Join(w.dir, hex.EncodeToString(sum[:8]))
	kept := filepath.Join(dir, filepath.Base(path))
	if _, err := os.Stat(dir); err == nil {
		return kept, nil
	}
	// The directory is there at once with all that is in it, or not at all.
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		return "", fmt.Errorf("keep the source's settings: %w", err)
	}
	temp, err := os.MkdirTemp(w.dir, ".new-*")
	if err != nil {
		return "", fmt.Errorf("keep the source's settings: %w", err)
	}
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(filepath.Join(temp, filepath.Base(path)), text, 0o600)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("keep the source's settings: %w", err)
	}
	if err := os.Rename(temp, dir); err != nil {
		return "", fmt.Errorf("keep the source's settings: %w", err)
	}
	return kept, nil
}

// save writes the file at once, where it differs.
func save(path string, stack *workspace.ProjectStack) error {
	marshaller, ok := encoding.Marshalers[filepath.Ext(path)]
	if !ok {
		return fmt.Errorf("the settings file %s is neither YAML nor JSON", path)
	}
	text, err := marshaller.Marshal(stack)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	temp := path + ".new"
	if err := os.WriteFile(temp, text, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// fileStack is the part of a stack's name that is in its file's name.
func fileStack(stack string) tokens.QName {
	return tokens.QName(stack[strings.LastIndex(stack, "/")+1:])
}
