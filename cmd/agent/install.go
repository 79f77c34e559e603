package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// install copies this program to path, so that a container of any image can run it. Whoever looks sees the old program
// or the new one, never a part.
func install(path string) (err error) {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	from, err := os.Open(self)
	if err != nil {
		return fmt.Errorf("open this program: %w", err)
	}
	defer func() { _ = from.Close() }()
	to, err := os.CreateTemp(filepath.Dir(path), ".agent-*")
	if err != nil {
		return fmt.Errorf("install: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(to.Name())
		}
	}()
	if _, err = io.Copy(to, from); err == nil {
		err = to.Chmod(0o755)
	}
	if closeErr := to.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(to.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("install: %w", err)
	}
	return nil
}
