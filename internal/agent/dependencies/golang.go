package dependencies

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// ofGo reads a Go program that is a module of its own: what Pulumi installs is what `go mod tidy` finds necessary, which
// go.mod, go.sum and the imports decide. All of it is in the caches of Go, unless go.mod or go.sum were not tidy.
func ofGo(dir string) (Set, error) {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if os.IsNotExist(err) {
		return Set{}, nil
	}
	if err != nil {
		return Set{}, fmt.Errorf("read what the program depends on: %w", err)
	}
	module, err := modfile.Parse("go.mod", text, nil)
	if err != nil || replacedByFiles(module) || inWorkspace(dir) {
		return Set{}, nil //nolint:nilerr // what is wrong with it is for Go to say
	}
	imports, err := importsBelow(dir)
	if err != nil {
		return Set{}, fmt.Errorf("read what the program imports: %w", err)
	}
	result, err := builtWith(dir, text)
	if err != nil {
		return Set{}, fmt.Errorf("read what the program depends on: %w", err)
	}
	s := newSum("go")
	s.add("imports", []byte(strings.Join(imports, "\n")))
	if err := s.addFiles(dir, append(projectFiles(), "go.mod", "go.sum", "go.env")...); err != nil {
		return Set{}, err
	}
	return Set{Key: s.String(), result: result}, nil
}

// builtWith names what a build takes of go.mod and go.sum. Pulumi looks for plugins among all modules there are each time
// that a program runs, which adds the sums of their go.mod files.
func builtWith(dir string, module []byte) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil && !os.IsNotExist(err) {
		return "", err
	}
	lines := slices.DeleteFunc(strings.Split(string(text), "\n"), func(line string) bool { return strings.Contains(line, "/go.mod h1:") })
	s := newSum("go")
	s.add("go.mod", module)
	s.add("go.sum", []byte(strings.Join(lines, "\n")))
	return s.String(), nil
}

// replacedByFiles tells that a module is a directory beside the program.
func replacedByFiles(module *modfile.File) bool {
	return slices.ContainsFunc(module.Replace, func(r *modfile.Replace) bool { return r.New.Version == "" })
}

// inWorkspace tells that a go.work applies.
func inWorkspace(dir string) bool {
	for ; ; dir = filepath.Dir(dir) {
		if hasAny(dir, "go.work") {
			return true
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}

// importsBelow are the packages that the module's files import. A file that is not Go imports nothing: the compiler says so.
func importsBelow(dir string) ([]string, error) {
	imports := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != dir && (hasAny(path, "go.mod") || ignored(entry.Name())):
			return fs.SkipDir
		case !entry.Type().IsRegular() || filepath.Ext(path) != ".go":
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if file == nil {
			return err
		}
		for _, one := range file.Imports {
			imports[one.Path.Value] = true
		}
		return nil
	})
	return slices.Sorted(maps.Keys(imports)), err
}

// ignored tells whether Go looks for packages in a directory of this name.
func ignored(name string) bool {
	return name == "vendor" || name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}
