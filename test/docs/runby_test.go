package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// told is what a package of tests has: the names of its tests, and the pages whose blocks it asks for.
type told struct{ tests, pages map[string]bool }

// TestBlocksThatStoriesRun shows that a story exists that runs a block, and asks for the commands of that page.
func TestBlocksThatStoriesRun(t *testing.T) {
	packages := packagesOfTests(t)
	each(t, func(b block) bool { return b.runBy != "" }, func(b block) {
		if problem := nobodyRuns(packages, b); problem != "" {
			t.Errorf("%s: %s", b, problem)
		}
	})
}

// nobodyRuns is why a block is not run by the story that it names.
func nobodyRuns(packages map[string]told, b block) string {
	for folder, has := range packages {
		switch {
		case !has.tests[b.runBy]:
		case !has.pages[b.page]:
			return b.runBy + " is in " + folder + ", where nothing calls docs.RunBy for " + b.page
		default:
			return ""
		}
	}
	return "there is no test " + b.runBy
}

// packagesOfTests reads all tests of this module and of those within it, by folder.
func packagesOfTests(t *testing.T) map[string]told {
	t.Helper()
	packages := map[string]told{}
	err := filepath.WalkDir(filepath.Join(root, "test"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder := filepath.Dir(path)
		if _, known := packages[folder]; !known {
			packages[folder] = told{map[string]bool{}, map[string]bool{}}
		}
		packages[folder].add(file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

// add adds what a file has.
func (p told) add(file *ast.File) {
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.FuncDecl:
			p.tests[node.Name.Name] = node.Recv == nil && strings.HasPrefix(node.Name.Name, "Test")
		case *ast.CallExpr:
			called, isMember := node.Fun.(*ast.SelectorExpr)
			if !isMember || called.Sel.Name != "RunBy" || len(node.Args) != 2 {
				return true
			}
			if page, isText := node.Args[1].(*ast.BasicLit); isText {
				name, err := strconv.Unquote(page.Value)
				p.pages[name] = err == nil
			}
		}
		return true
	})
}

func TestNobodyRuns(t *testing.T) {
	packages := map[string]told{"test/a": {tests: map[string]bool{"TestX": true}, pages: map[string]bool{"docs/x.md": true}}}
	cases := map[string]struct {
		block block
		wrong string
	}{
		"Run":         {block: block{page: "docs/x.md", directive: directive{runBy: "TestX"}}},
		"NoTest":      {block: block{page: "docs/x.md", directive: directive{runBy: "TestY"}}, wrong: "there is no test"},
		"AnotherPage": {block: block{page: "docs/y.md", directive: directive{runBy: "TestX"}}, wrong: "nothing calls"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := nobodyRuns(packages, tc.block); (got == "") != (tc.wrong == "") || !strings.Contains(got, tc.wrong) {
				t.Errorf("it says %q, want %q", got, tc.wrong)
			}
		})
	}
}
