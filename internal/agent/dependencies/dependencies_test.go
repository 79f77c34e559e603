package dependencies_test

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"github.com/gantry-operator/gantry/internal/agent/dependencies"
)

// tree is a program's files by their paths.
type tree map[string]string

// with is the tree with other files; an empty one is left out.
func (t tree) with(changes tree) tree {
	all := maps.Clone(t)
	for name, text := range changes {
		if all[name] = text; text == "" {
			delete(all, name)
		}
	}
	return all
}

// write puts the files into a new directory.
func (t tree) write(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	for name, text := range t {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// load reads the project of a directory.
func load(tb testing.TB, dir string) *workspace.Project {
	tb.Helper()
	project, err := workspace.LoadProject(filepath.Join(dir, "Pulumi.yaml"))
	if err != nil {
		tb.Fatal(err)
	}
	return project
}

// of writes the files and finds their dependencies.
func of(tb testing.TB, files tree) dependencies.Set {
	tb.Helper()
	dir := files.write(tb)
	set, err := dependencies.Of(dir, load(tb, dir))
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

func node() tree {
	return tree{
		"Pulumi.yaml": "name: x\nruntime: nodejs\n", "index.ts": "1",
		"package.json":      `{"dependencies": {"a": "^1.0.0", "b": "git+https://host.example/b.git#v1"}, "scripts": {"test": "mocha"}}`,
		"package-lock.json": `{"lockfileVersion": 3}`,
	}
}

func python() tree {
	return tree{
		"Pulumi.yaml": "name: x\nruntime: {name: python, options: {virtualenv: venv}}\n", "__main__.py": "1",
		"requirements.txt": "# pinned\n--index-url https://index.example/simple\npulumi==3.1.0 \\\n    --hash=sha256:00\nother>=1 # why\n",
	}
}

func golang() tree {
	return tree{
		"Pulumi.yaml": "name: x\nruntime: go\n", "go.mod": "module x\n\ngo 1.26\n\nrequire example.com/a v1.0.0\n",
		"go.sum": "sums\n", "main.go": "package main\n\nimport \"example.com/a\"\n", "sub/sub.go": "package sub\n",
	}
}

func TestRevisionsThatShareAnInstallation(t *testing.T) {
	cases := map[string]struct {
		reason        string
		before, after tree
		shared        bool
	}{
		"NodeCode":     {"other code needs nothing else", node(), node().with(tree{"index.ts": "2", "README.md": "x"}), true},
		"NodeLock":     {"the lock file decides", node(), node().with(tree{"package-lock.json": `{"lockfileVersion": 2}`}), false},
		"NodeManifest": {"so does the manifest", node(), node().with(tree{"package.json": `{"dependencies": {"a": "^1.1.0"}}`}), false},
		"NodeRegistry": {"and where packages come from", node(), node().with(tree{".npmrc": "registry=https://other.example\n"}), false},
		"NodeOptions":  {"and how the project wants it", node(), node().with(tree{"Pulumi.yaml": "name: x\nruntime: {name: nodejs, options: {packagemanager: yarn}}\n"}), false},
		"NodeOtherLock": {
			"each package manager has its own lock file", node().with(tree{"yarn.lock": "1"}), node().with(tree{"yarn.lock": "2"}), false,
		},
		"PythonCode":         {"other code needs nothing else", python(), python().with(tree{"__main__.py": "2"}), true},
		"PythonRequirements": {"requirements decide", python(), python().with(tree{"requirements.txt": "pulumi==3.2.0\n"}), false},
		"GoCode":             {"other code needs nothing else", golang(), golang().with(tree{"main.go": "package main\n\nimport \"example.com/a\"\n\nfunc main() { a.A() }\n"}), true},
		"GoSums":             {"the sums decide", golang(), golang().with(tree{"go.sum": "others\n"}), false},
		"GoImport":           {"a new import needs a module that was not fetched", golang(), golang().with(tree{"sub/sub.go": "package sub\n\nimport \"example.com/a/b\"\n"}), false},
		"GoModuleBelow":      {"a module below is another one", golang(), golang().with(tree{"tools/go.mod": "module tools\n", "tools/t.go": "package tools\n\nimport \"example.com/c\"\n"}), true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before, after := of(t, tc.before), of(t, tc.after)
			if !before.Shared() || !after.Shared() {
				t.Fatalf("%s, but shared are %v and %v", tc.reason, before, after)
			}
			if same := before.Key == after.Key; same != tc.shared {
				t.Errorf("%s, but the keys are the same: %v", tc.reason, same)
			}
		})
	}
}

func TestProgramsWithAnInstallationOfTheirOwn(t *testing.T) {
	cases := map[string]struct {
		reason string
		files  tree
	}{
		"NodeWithoutLock":  {"ranges mean something else tomorrow", node().with(tree{"package-lock.json": ""})},
		"NodeScript":       {"a script may build the program", node().with(tree{"package.json": `{"scripts": {"postinstall": "tsc"}}`})},
		"NodePrepare":      {"so may this one", node().with(tree{"package.json": `{"scripts": {"prepare": "husky"}}`})},
		"NodeFile":         {"a package of the repository changes without the lock", node().with(tree{"package.json": `{"dependencies": {"a": "file:../a"}}`})},
		"NodePath":         {"so it does by its path", node().with(tree{"package.json": `{"devDependencies": {"a": "../a"}}`})},
		"NodeOverride":     {"or where it stands for another one", node().with(tree{"package.json": `{"overrides": {"a": {"b": "file:b"}}}`})},
		"NodeWorkspaces":   {"or is a member", node().with(tree{"package.json": `{"workspaces": ["lib"]}`})},
		"NodePNPM":         {"pnpm patches packages", node().with(tree{"package.json": `{"pnpm": {"patchedDependencies": {"a": "p"}}}`})},
		"NodeGyp":          {"native code is built", node().with(tree{"binding.gyp": "{}"})},
		"NodeBroken":       {"npm says what is wrong with it", node().with(tree{"package.json": `{`})},
		"NodeNoManifest":   {"npm looks for one above", node().with(tree{"package.json": ""})},
		"Main":             {"the program may be elsewhere", node().with(tree{"Pulumi.yaml": "name: x\nruntime: nodejs\nmain: src/\n"})},
		"Packages":         {"packages are made for the program", node().with(tree{"Pulumi.yaml": "name: x\nruntime: nodejs\npackages: {a: b/c@1.0.0}\n"})},
		"Plugins":          {"plugins may be files of the repository", node().with(tree{"Pulumi.yaml": "name: x\nruntime: nodejs\nplugins: {providers: [{name: a, path: ./a}]}\n"})},
		"PythonEditable":   {"an editable package has its path", python().with(tree{"requirements.txt": "-e ./lib\n"})},
		"PythonInclude":    {"another file decides, too", python().with(tree{"requirements.txt": "-r more.txt\n"})},
		"PythonPath":       {"a folder is no package of an index", python().with(tree{"requirements.txt": "libs/mine\n"})},
		"PythonFile":       {"nor is a file", python().with(tree{"requirements.txt": "mine @ file:///repo/mine\n"})},
		"PythonWheel":      {"nor an archive", python().with(tree{"requirements.txt": "mine-1.0-py3-none-any.whl\n"})},
		"PythonVariable":   {"nor what the environment says", python().with(tree{"requirements.txt": "a @ https://${HOST}/a\n"})},
		"PythonPoetry":     {"poetry installs the program", python().with(tree{"Pulumi.yaml": "name: x\nruntime: {name: python, options: {toolchain: poetry}}\n"})},
		"PythonPyproject":  {"so does whoever reads this", python().with(tree{"pyproject.toml": "[project]\n"})},
		"PythonElsewhere":  {"a virtualenv outside is not the revision's", python().with(tree{"Pulumi.yaml": "name: x\nruntime: {name: python, options: {virtualenv: ../venv}}\n"})},
		"PythonNothing":    {"nothing is pinned", python().with(tree{"requirements.txt": ""})},
		"GoReplace":        {"a module of the repository changes without the sums", golang().with(tree{"go.mod": "module x\n\nreplace example.com/a => ../a\n"})},
		"GoWorkspace":      {"so do those of a workspace", golang().with(tree{"go.work": "go 1.26\n"})},
		"GoBroken":         {"Go says what is wrong with it", golang().with(tree{"go.mod": "modul x\n"})},
		"GoModuleAbove":    {"what is above belongs to it", golang().with(tree{"go.mod": ""})},
		"DotNet":           {"the program itself is built", tree{"Pulumi.yaml": "name: x\nruntime: dotnet\n"}},
		"YAMLWithPackages": {"packages are looked up", tree{"Pulumi.yaml": "name: x\nruntime: yaml\npackages: {a: b/c@1.0.0}\n"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if set := of(t, tc.files); set.Shared() {
				t.Errorf("%s, but it is shared", tc.reason)
			}
		})
	}
}
