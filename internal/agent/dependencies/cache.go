package dependencies

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Cached gives the environment in which package managers keep what they download below a directory that outlives the
// pod. Where a user has said where a cache is to be, it stays there.
func Cached(environment []string, dir string) []string {
	all := slices.Clone(environment)
	for _, cache := range []struct{ variable, name string }{
		{"npm_config_cache", "npm"}, {"YARN_CACHE_FOLDER", "yarn"},
		{"PIP_CACHE_DIR", "pip"}, {"POETRY_CACHE_DIR", "poetry"}, {"UV_CACHE_DIR", "uv"},
		{"GOMODCACHE", "go/mod"}, {"GOCACHE", "go/build"},
		{"NUGET_PACKAGES", "nuget"},
	} {
		if !slices.ContainsFunc(environment, func(given string) bool { return names(given, cache.variable) }) {
			all = append(all, cache.variable+"="+filepath.Join(dir, cache.name))
		}
	}
	return all
}

// names tells whether a variable of the environment is the one of that name. npm reads its own in any case.
func names(given, variable string) bool {
	name, _, _ := strings.Cut(given, "=")
	if strings.HasPrefix(variable, "npm_") {
		return strings.EqualFold(name, variable)
	}
	return name == variable
}

// CachePlugins makes Pulumi keep its plugins below a directory that outlives the pod, unless the image has some.
func CachePlugins(environment []string, dir string) error {
	home := pulumiHome(environment)
	plugins := filepath.Join(home, "plugins")
	if home == "" || hasAny(home, "plugins") {
		return nil
	}
	kept := filepath.Join(dir, "plugins")
	for _, folder := range []string{home, kept} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("keep plugins in the cache: %w", err)
		}
	}
	if err := os.Symlink(kept, plugins); err != nil {
		return fmt.Errorf("keep plugins in the cache: %w", err)
	}
	return nil
}

// pulumiHome is where Pulumi keeps its own files; empty where nothing says it.
func pulumiHome(environment []string) string {
	home, user := "", ""
	for _, given := range environment {
		switch name, value, _ := strings.Cut(given, "="); name {
		case "PULUMI_HOME":
			home = value
		case "HOME":
			user = value
		}
	}
	if home == "" && user != "" {
		home = filepath.Join(user, ".pulumi")
	}
	return home
}
