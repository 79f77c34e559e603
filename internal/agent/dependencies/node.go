package dependencies

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// nodeManifest is what matters of a package.json.
type nodeManifest struct {
	Scripts      map[string]string `json:"scripts"`
	Workspaces   json.RawMessage   `json:"workspaces"`
	Dependencies map[string]string `json:"dependencies"`
	Development  map[string]string `json:"devDependencies"`
	Optional     map[string]string `json:"optionalDependencies"`
	Peers        map[string]string `json:"peerDependencies"`
	Overrides    json.RawMessage   `json:"overrides"`
	Resolutions  json.RawMessage   `json:"resolutions"`
	PNPM         json.RawMessage   `json:"pnpm"`
}

// ofNode reads a program of Node.js: its manifest and the lock files of the package managers. What is installed is decided
// by them alone where there is a lock file, nothing is built of the repository's own files and no package is one of them.
func ofNode(dir string) (Set, error) {
	locks := []string{"package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb"}
	builds := []string{"binding.gyp", "pnpm-workspace.yaml", ".pnpmfile.cjs", ".yarnrc.yml"}
	if !hasAny(dir, locks...) || hasAny(dir, builds...) {
		return Set{}, nil
	}
	text, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if os.IsNotExist(err) {
		return Set{}, nil
	}
	if err != nil {
		return Set{}, fmt.Errorf("read what the program depends on: %w", err)
	}
	manifest := nodeManifest{}
	if err := json.Unmarshal(text, &manifest); err != nil || !manifest.alone() {
		return Set{}, nil //nolint:nilerr // what is wrong with it is for the package manager to say
	}
	s := newSum("nodejs")
	files := slices.Concat(projectFiles(), locks, []string{"package.json", ".npmrc", ".yarnrc", ".nvmrc", ".node-version"})
	if err := s.addFiles(dir, files...); err != nil {
		return Set{}, err
	}
	return Set{Key: s.String(), Dir: "node_modules"}, nil
}

// alone tells that an installation reads the manifest and the lock file only, and runs nothing of the program's.
func (m nodeManifest) alone() bool {
	if m.Workspaces != nil || m.PNPM != nil {
		return false
	}
	for _, script := range []string{
		"preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare", "dependencies",
	} {
		if m.Scripts[script] != "" {
			return false
		}
	}
	for _, group := range []map[string]string{m.Dependencies, m.Development, m.Optional, m.Peers} {
		for _, wanted := range group {
			if nodeLocal.MatchString(wanted) {
				return false
			}
		}
	}
	return !nodeLocalInside.Match(m.Overrides) && !nodeLocalInside.Match(m.Resolutions)
}

// A dependency may be a folder or an archive beside the program; the lock file does not tell what is in it.
var (
	nodeLocal       = regexp.MustCompile(`^(\.|/|~|file:|link:|portal:|patch:|workspace:|exec:)`)
	nodeLocalInside = regexp.MustCompile(`"(\.|/|~|file:|link:|portal:|patch:|workspace:|exec:)`)
)
