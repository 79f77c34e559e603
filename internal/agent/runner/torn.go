package runner

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// mendTorn removes what a killed CLI left half written where the state is kept in files: beside each file the CLI keeps
// another one with its attributes, which it makes empty and then fills. An empty one would have every command to come fail
// ("failed to load checkpoint: EOF"); one that is missing means no attributes, and the CLI needs none. The files of the
// state themselves are put in place whole.
func (r *Runner) mendTorn(run *run) {
	location, err := url.Parse(r.backend(run))
	if err != nil || location.Scheme != "file" || !filepath.IsAbs(location.Path) {
		return
	}
	folder := filepath.Join(location.Path, ".pulumi")
	for _, pattern := range []string{"*" + attributes, "stacks/*" + attributes, "stacks/*/*" + attributes, "locks/*/*/*/*" + attributes} {
		// The pattern is a good one, whatever the folder is called.
		found, _ := filepath.Glob(filepath.Join(escape(folder), pattern)) //nolint:errcheck // see above
		for _, file := range found {
			if info, err := os.Lstat(file); err == nil && info.Mode().IsRegular() && info.Size() == 0 {
				r.Log.Warn("removing a file that was left half written", "file", file)
				os.Remove(file)
			}
		}
	}
}

// escape has a pattern match a path as it is.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// attributes is the suffix of the files with the attributes of others.
const attributes = ".attrs"
