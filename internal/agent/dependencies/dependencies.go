// Package dependencies owns what a program's dependencies are: which files decide what `pulumi install` does, where it
// puts that, and whether what was installed for one revision of a program serves another one as it is. In doubt it does
// not: an installation too many costs time, one too few breaks a program.
package dependencies

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
)

// Set is what a program depends on.
type Set struct {
	// Key is equal for two revisions whose dependencies are the same. It is empty where nothing tells that.
	Key string
	// Dir is the directory, in the program's, that they are installed into; empty where that is the pod itself.
	Dir string
	// result names what the installation may change of the program and is needed to run it.
	result string
}

// Shared tells whether revisions with the same key may share one installation.
func (s Set) Shared() bool { return s.Key != "" }

// Of finds what the program in a directory depends on.
func Of(dir string, project *workspace.Project) (Set, error) {
	// Plugins and packages of a project may be files of the repository, and its program may be anywhere in it.
	if project.Plugins != nil || len(project.Packages) > 0 || project.Main != "" {
		return Set{}, nil
	}
	switch project.Runtime.Name() {
	case "nodejs":
		return ofNode(dir)
	case "python":
		return ofPython(dir, project.Runtime.Options())
	case "go":
		return ofGo(dir)
	default:
		// Others build the program itself when they install, or are not known.
		return Set{}, nil
	}
}

// Target is the directory, in the program's, that an installation makes; empty where it makes none that is known.
func Target(project *workspace.Project) string {
	switch project.Runtime.Name() {
	case "nodejs":
		return "node_modules"
	case "python":
		return virtualenv(project.Runtime.Options())
	default:
		return ""
	}
}

// projectFiles say which language and tools it is.
func projectFiles() []string { return []string{"Pulumi.yaml", "Pulumi.yml", "Pulumi.json"} }

// sum is a hash over files, by name.
type sum struct{ hash.Hash }

func newSum(runtime string) sum {
	s := sum{sha256.New()}
	s.add("runtime", []byte(runtime))
	return s
}

func (s sum) add(name string, content []byte) {
	fmt.Fprintf(s, "%q %d\n", name, len(content))
	s.Write(content)
}

// addFiles adds those files that there are.
func (s sum) addFiles(dir string, names ...string) error {
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(dir, name))
		switch {
		case os.IsNotExist(err):
		case err != nil:
			return fmt.Errorf("read what the program depends on: %w", err)
		default:
			s.add(name, content)
		}
	}
	return nil
}

func (s sum) String() string { return hex.EncodeToString(s.Sum(nil)) }

// hasAny tells whether one of the files is there.
func hasAny(dir string, names ...string) bool {
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// isDir tells whether there is a real directory, no link to one.
func isDir(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().Type() == fs.ModeDir
}
