package dependencies

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// ofPython reads a program of Python whose dependencies pip installs from requirements.txt. Other tools install the
// program itself too, with the path that it has.
func ofPython(dir string, options map[string]any) (Set, error) {
	if tool, given := options["toolchain"]; given && tool != "pip" || hasAny(dir, "pyproject.toml", "setup.py", "setup.cfg", "Pipfile") {
		return Set{}, nil
	}
	target := virtualenv(options)
	if _, given := options["virtualenv"]; given && target == "" {
		return Set{}, nil
	}
	text, err := os.ReadFile(filepath.Join(dir, "requirements.txt"))
	if os.IsNotExist(err) || err == nil && !onlyPackages(string(text)) {
		return Set{}, nil
	}
	if err != nil {
		return Set{}, fmt.Errorf("read what the program depends on: %w", err)
	}
	s := newSum("python")
	if err := s.addFiles(dir, append(projectFiles(), "requirements.txt", ".python-version")...); err != nil {
		return Set{}, err
	}
	return Set{Key: s.String(), Dir: target}, nil
}

// virtualenv is the directory of packages that the project names; empty for none, or one outside of the program's.
func virtualenv(options map[string]any) string {
	name, ok := options["virtualenv"].(string)
	if !ok || !filepath.IsLocal(name) || filepath.Clean(name) == "." {
		return ""
	}
	return filepath.Clean(name)
}

// onlyPackages tells that requirements name packages of an index or of a URL, and no files or folders.
func onlyPackages(requirements string) bool {
	for _, line := range strings.Split(requirements, "\n") {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
		switch {
		case line == "", strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "-"):
			if !pipOption.MatchString(line) {
				return false
			}
		case strings.Contains(line, "file:"), strings.HasPrefix(line, "."), strings.Contains(line, "${"),
			strings.ContainsAny(line, `/\`) && !strings.Contains(line, "://") && !strings.HasSuffix(line, `\`),
			pipArchive.MatchString(line) && !strings.Contains(line, "://"):
			return false
		}
	}
	return true
}

var (
	// pipOption are the options that say where packages come from, and no more.
	pipOption  = regexp.MustCompile(`^(--hash|-i|--index-url|--extra-index-url|--trusted-host|--no-index|--only-binary|--no-binary|--prefer-binary|--pre|--require-hashes)\b`)
	pipArchive = regexp.MustCompile(`\.(whl|zip|tar\.\w+|tgz)$`)
)
