package dependencies_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gantry-operator/gantry/internal/agent/dependencies"
)

// installation is a pod with its record.
type installation struct {
	t         *testing.T
	installed dependencies.Installed
}

func newInstallation(t *testing.T) installation {
	t.Helper()
	return installation{t, dependencies.Installed{Dir: filepath.Join(t.TempDir(), "record")}}
}

// set finds the dependencies of a directory.
func (i installation) set(dir string) dependencies.Set {
	i.t.Helper()
	set, err := dependencies.Of(dir, load(i.t, dir))
	if err != nil {
		i.t.Fatal(err)
	}
	return set
}

// serve asks for them.
func (i installation) serve(dir string) bool {
	i.t.Helper()
	served, err := i.installed.Serve(i.set(dir), dir)
	if err != nil {
		i.t.Fatal(err)
	}
	return served
}

// install installs them: the directory named is made, and a file changed.
func (i installation) install(dir, made, changed string) (kept bool) {
	i.t.Helper()
	changed, added, _ := strings.Cut(changed, "+")
	set := i.set(dir)
	if made != "" {
		i.write(filepath.Join(dir, made, "a", "index.js"), dir)
	}
	if changed != "" {
		i.write(filepath.Join(dir, changed), added)
	}
	kept, err := i.installed.Keep(set, dir, load(i.t, dir))
	if err != nil {
		i.t.Fatal(err)
	}
	return kept
}

func (i installation) write(path, text string) {
	i.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		i.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		i.t.Fatal(err)
	}
}

func TestNodeModulesMoveToTheRevisionThatRuns(t *testing.T) {
	i := newInstallation(t)
	first, second := node().write(t), node().with(tree{"index.ts": "2"}).write(t)
	if i.serve(first) {
		t.Fatal("something is installed before the first installation")
	}
	// npm writes its own lock file anew: node_modules are what the file from before asked for.
	if !i.install(first, "node_modules", "package-lock.json") {
		t.Fatal("the installation is not kept")
	}
	for _, dir := range []string{second, second} {
		if !i.serve(dir) {
			t.Fatal("the same dependencies are not served")
		}
	}
	if text, err := os.ReadFile(filepath.Join(second, "node_modules/a/index.js")); err != nil || string(text) != first {
		t.Errorf("node_modules of the second revision: %q, %v", text, err)
	}
	if i.serve(node().with(tree{"package-lock.json": `{}`}).write(t)) {
		t.Error("another lock file is served as well")
	}
	back := node().write(t)
	if !i.serve(back) {
		t.Error("the revision that came back has no dependencies")
	}
	if _, err := os.Stat(filepath.Join(second, "node_modules")); !os.IsNotExist(err) {
		t.Errorf("the revision that left kept its dependencies (%v)", err)
	}
}

func TestInstallationsThatAreNotTaken(t *testing.T) {
	cases := map[string]struct {
		reason string
		spoil  func(i installation, first, second string)
	}{
		"OwnModules": {"what a repository brings is its own", func(i installation, _, second string) {
			i.write(filepath.Join(second, "node_modules/a/index.js"), "mine")
		}},
		"Link": {"a link is the repository's, too", func(i installation, _, second string) {
			if err := os.Symlink("/nowhere", filepath.Join(second, "node_modules")); err != nil {
				i.t.Fatal(err)
			}
		}},
		"Gone": {"a revision that left the disk took them along", func(i installation, first, _ string) {
			if err := os.RemoveAll(first); err != nil {
				i.t.Fatal(err)
			}
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			i := newInstallation(t)
			first, second := node().write(t), node().with(tree{"index.ts": "2"}).write(t)
			i.install(first, "node_modules", "")
			tc.spoil(i, first, second)
			if i.serve(second) {
				t.Errorf("%s, but they are served", tc.reason)
			}
		})
	}
}

func TestWhatAnInstallationLeaves(t *testing.T) {
	cases := map[string]struct {
		reason        string
		files         tree
		made, changed string
		kept          bool
	}{
		"Python":    {"a virtualenv is taken over", python(), "venv", "", true},
		"NoModules": {"what was not made cannot be taken over", node(), "", "", false},
		"Go":        {"modules are in the cache of the pod", golang(), "", "", true},
		"GoUntidy":  {"sums that had to be added are this revision's only", golang(), "", "go.sum+sums\nexample.com/a v1.0.0 h1:x\n", false},
		"GoMod":     {"so are requirements", golang(), "", "go.mod+module x\n", false},
		"GoPlugins": {"sums of go.mod files come with the search for plugins", golang(), "", "go.sum+sums\nexample.com/b v1.0.0/go.mod h1:x\n", true},
		"Others":    {"nothing tells", tree{"Pulumi.yaml": "name: x\nruntime: dotnet\n"}, "bin", "", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			i := newInstallation(t)
			dir, again := tc.files.write(t), tc.files.write(t)
			if kept := i.install(dir, tc.made, tc.changed); kept != tc.kept {
				t.Errorf("%s, but kept: %v", tc.reason, kept)
			}
			if served := i.serve(again); served != tc.kept {
				t.Errorf("%s, but served: %v", tc.reason, served)
			}
		})
	}
}

func TestCaches(t *testing.T) {
	environment := []string{"HOME=/home/x", "NPM_CONFIG_CACHE=/mine", "GOCACHE=", "PATH=/bin"}
	got := dependencies.Cached(environment, "/cache")
	for variable, want := range map[string]bool{
		"npm_config_cache=/cache/npm": false, "GOCACHE=/cache/go/build": false, "NPM_CONFIG_CACHE=/mine": true,
		"GOMODCACHE=/cache/go/mod": true, "PIP_CACHE_DIR=/cache/pip": true, "PATH=/bin": true,
	} {
		if slices.Contains(got, variable) != want {
			t.Errorf("%s is in the environment: %v, in %q", variable, !want, got)
		}
	}
}

func TestPluginsInTheCache(t *testing.T) {
	cases := map[string]struct {
		reason      string
		environment func(home string) []string
		image       bool
		linked      bool
	}{
		"Home":       {"plugins are below the user's home", func(home string) []string { return []string{"HOME=" + filepath.Dir(home)} }, false, true},
		"PulumiHome": {"unless there is another place", func(home string) []string { return []string{"HOME=/nowhere", "PULUMI_HOME=" + home} }, false, true},
		"OfTheImage": {"plugins of the image stay", func(home string) []string { return []string{"PULUMI_HOME=" + home} }, true, false},
		"Homeless":   {"nothing tells where they are", func(string) []string { return nil }, false, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			home, cache := filepath.Join(t.TempDir(), ".pulumi"), t.TempDir()
			if tc.image {
				newInstallation(t).write(filepath.Join(home, "plugins", "resource-a-v1.0.0", "a"), "x")
			}
			for range 2 { // the container may be restarted
				if err := dependencies.CachePlugins(tc.environment(home), cache); err != nil {
					t.Fatal(err)
				}
			}
			target, err := os.Readlink(filepath.Join(home, "plugins"))
			if linked := err == nil && target == filepath.Join(cache, "plugins"); linked != tc.linked {
				t.Errorf("%s, but linked: %v (%s)", tc.reason, linked, target)
			}
		})
	}
}
