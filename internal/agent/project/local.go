package project

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// local gives a directory of the pod in which the stack's settings can be written, with a name for what is in it: the
// directory itself where it can be, or a copy of it, as of a mounted ConfigMap or of an image's directory that belongs to
// somebody else. A copy is made anew when a file has changed since.
func (w *Workspace) local(dir string) (target, source string, err error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", "", fmt.Errorf("there is no directory %s in the pod", dir)
	}
	if w.Writable(dir) {
		return dir, "local:" + dir, nil
	}
	sum, err := fingerprint(dir)
	if err != nil {
		return "", "", fmt.Errorf("look through %s: %w", dir, err)
	}
	target = filepath.Join(w.Fetcher.Dir, "local-"+sum)
	source = "local:" + dir + "@" + sum
	if _, err := os.Stat(target); err == nil {
		return target, source, nil
	}
	if err := copyAtOnce(w.Fetcher.Dir, target, dir); err != nil {
		return "", "", fmt.Errorf("%s cannot be written to, and not be copied either: %w", dir, err)
	}
	return target, source, nil
}

// fingerprint changes with the names, sizes and times of what is in a directory.
func fingerprint(dir string) (string, error) {
	sum := sha256.New()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			_, err = fmt.Fprintf(sum, "%q %s %d %d\n", path, info.Mode(), info.Size(), info.ModTime().UnixNano())
		}
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)[:16]), err
}

// copyAtOnce makes target a copy of dir, whole or not at all. Links stay links.
func copyAtOnce(place, target, dir string) error {
	if err := os.MkdirAll(place, 0o755); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(place, ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	if err := os.CopyFS(temp, os.DirFS(dir)); err != nil {
		return err
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	return os.Rename(temp, target)
}
