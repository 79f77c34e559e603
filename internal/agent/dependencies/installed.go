package dependencies

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
)

// Installed keeps on record what was installed in the pod, and for which directory.
type Installed struct {
	// Dir is where the records are.
	Dir string
}

// Serve tells whether a set is installed for the program in dir. What another revision has of it is moved here: that one
// gets it back in the same way, should it be wanted again.
func (i Installed) Serve(set Set, dir string) (bool, error) {
	if !set.Shared() {
		return false, nil
	}
	text, err := os.ReadFile(i.record(set))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read what is installed: %w", err)
	}
	holder := string(text)
	switch {
	case set.Dir == "":
		return true, nil
	case holder == dir:
		return isDir(filepath.Join(dir, set.Dir)), nil
	}
	from, to := filepath.Join(holder, set.Dir), filepath.Join(dir, set.Dir)
	if hasAny(dir, set.Dir) || !isDir(from) {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return false, fmt.Errorf("take what is installed over: %w", err)
	}
	if err := os.Rename(from, to); err != nil {
		return false, fmt.Errorf("take what is installed over: %w", err)
	}
	return true, i.write(set, dir)
}

// Keep puts on record that a set, as it was before, is installed for the program in dir, and tells whether it may. What the
// installation had to change of the program itself is this revision's only.
func (i Installed) Keep(before Set, dir string, project *workspace.Project) (bool, error) {
	if !before.Shared() || before.Dir != "" && !isDir(filepath.Join(dir, before.Dir)) {
		return false, nil
	}
	after, err := Of(dir, project)
	if err != nil || after.result != before.result {
		return false, err
	}
	return true, i.write(before, dir)
}

func (i Installed) write(set Set, dir string) error {
	if err := os.MkdirAll(i.Dir, 0o700); err != nil {
		return fmt.Errorf("keep what is installed on record: %w", err)
	}
	if err := os.WriteFile(i.record(set), []byte(dir), 0o600); err != nil {
		return fmt.Errorf("keep what is installed on record: %w", err)
	}
	return nil
}

func (i Installed) record(set Set) string { return filepath.Join(i.Dir, set.Key) }
