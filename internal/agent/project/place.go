package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gantry-operator/gantry/internal/operation"
)

// make writes a project file that has a name and a runtime only: enough to destroy or refresh a stack.
func (w *Workspace) make(info *operation.ProjectInfo) (string, error) {
	if info.GetName() == "" || strings.ContainsAny(info.GetName(), `/\`) {
		return "", fmt.Errorf("the project's name %q is not one", info.GetName())
	}
	dir := filepath.Join(w.Made, info.GetName())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the project: %w", err)
	}
	text := fmt.Sprintf("name: %q\nruntime: %q\n", info.GetName(), info.GetRuntime())
	if err := os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), []byte(text), 0o644); err != nil {
		return "", fmt.Errorf("make the project: %w", err)
	}
	return dir, nil
}

// within is a directory of the artifact, links followed, which must be inside of it.
func within(root, dir string) (string, error) {
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return "", fmt.Errorf("find the source: %w", err)
	}
	target, err := filepath.EvalSymlinks(filepath.Join(root, filepath.Clean("/"+dir)))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("the source has no directory %q; it has %s", dir, contents(root))
	}
	if err != nil {
		return "", fmt.Errorf("find the directory %q in the source: %w", dir, err)
	}
	if inside, err := filepath.Rel(root, target); err != nil || !filepath.IsLocal(inside) {
		return "", fmt.Errorf("the directory %q leads out of the source", dir)
	}
	if info, err := os.Stat(target); err != nil || !info.IsDir() {
		return "", fmt.Errorf("%q in the source is not a directory", dir)
	}
	return target, nil
}

// link points the fixed path at the target, at once.
func link(path, target string) error {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink == 0 {
		return fmt.Errorf("%s is not the agent's link but %s; nothing may be mounted or put there "+
			"unless the workspace has no source", path, info.Mode().Type())
	}
	if info, err := os.Stat(target); err != nil || !info.IsDir() {
		return fmt.Errorf("there is no directory %s in the pod", target)
	}
	if now, err := os.Readlink(path); err == nil && now == target {
		return nil
	}
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("link %s: %w", path, err)
	}
	if err := os.Symlink(target, temp); err != nil {
		return fmt.Errorf("link %s: %w", path, err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("link %s: %w", path, err)
	}
	return nil
}

// prune removes the artifacts that none of the given paths is in, so that the pod's disk does not fill with revisions.
func prune(dir string, keep ...string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for old revisions: %w", err)
	}
	physical, err := filepath.EvalSymlinks(dir)
	if err != nil {
		physical = dir
	}
	for _, entry := range entries {
		path := filepath.Join(physical, entry.Name())
		if !slices.ContainsFunc(keep, func(k string) bool { return k == path || strings.HasPrefix(k, path+"/") }) {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("remove an old revision: %w", err)
			}
		}
	}
	return nil
}

// contents names what is in a directory, briefly.
func contents(dir string) string {
	entries, err := os.ReadDir(dir)
	switch {
	case err != nil:
		return "nothing that can be read"
	case len(entries) == 0:
		return "nothing in it"
	}
	var names []string
	for i, entry := range entries {
		if i == maxNames {
			names = append(names, fmt.Sprintf("and %d more", len(entries)-i))
			break
		}
		name := entry.Name()
		if entry.IsDir() {
			name += "/"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

const maxNames = 12
