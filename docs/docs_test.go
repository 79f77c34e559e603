package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// reasons are the values of the constants named Reason… or reason… in the product's code, with where they stand.
func reasons(t *testing.T) map[string]string {
	t.Helper()
	return constants(t, regexp.MustCompile(`^[Rr]eason[A-Z]`))
}

// constants are the values of the constants in the product's code whose names fit, with where they stand.
func constants(t *testing.T, name *regexp.Regexp) map[string]string {
	t.Helper()
	found := map[string]string{}
	inspect(t, []string{"../api", "../internal"}, func(node ast.Node, at token.Position) {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Values) != len(spec.Names) {
			return
		}
		for i, ident := range spec.Names {
			literal, ok := spec.Values[i].(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING || !name.MatchString(ident.Name) {
				continue
			}
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			found[value] = at.Filename
		}
	})
	return found
}

// inspect looks at each node of the product's code below some folders.
func inspect(t *testing.T, roots []string, look func(node ast.Node, at token.Position)) {
	t.Helper()
	set := token.NewFileSet()
	visit := func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if node != nil {
				look(node, set.Position(node.Pos()))
			}
			return true
		})
		return nil
	}
	for _, root := range roots {
		if err := filepath.WalkDir(root, visit); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEveryReasonHasALineInTheRunbook(t *testing.T) {
	text, err := os.ReadFile("runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	all := reasons(t)
	if len(all) < 40 {
		t.Fatalf("only %d reasons were found in the code: the search is broken", len(all))
	}
	for reason, path := range all {
		if !strings.Contains(string(text), "| "+reason+" |") {
			t.Errorf("reason %s (%s) has no line in runbook.md", reason, path)
		}
	}
}

// TestEveryEventHasALineInTheRunbook is about the constants named Event….
func TestEveryEventHasALineInTheRunbook(t *testing.T) {
	text, err := os.ReadFile("runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n## Events\n")
	section, _, _ := strings.Cut(rest, "\n## ")
	all := constants(t, regexp.MustCompile(`^[Ee]vent[A-Z]`))
	if len(all) < 18 {
		t.Fatalf("only %d events are found in the code: the search is broken", len(all))
	}
	all["FieldsIgnored"] = "internal/conditions"
	for event, path := range all {
		if !strings.Contains(section, "| "+event+" |") {
			t.Errorf("event %s (%s) has no line in the section Events of runbook.md", event, path)
		}
	}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || strings.HasPrefix(line, "|---") || strings.TrimSpace(cells[2]) == "event" {
			continue
		}
		if all[strings.TrimSpace(cells[2])] == "" {
			t.Errorf("runbook.md has the event %s, which nothing emits", cells[2])
		}
	}
}

// TestNoEventIsALiteral: an event whose reason is no constant would be found by no test.
func TestNoEventIsALiteral(t *testing.T) {
	literal := regexp.MustCompile(`EventType(?:Normal|Warning), "`)
	files, err := filepath.Glob("../internal/controller/*/*.go")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files are found (%v): the search is broken", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if literal.Match(text) && !strings.HasSuffix(file, "_test.go") {
			t.Errorf("%s emits an event whose reason is no constant", file)
		}
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	pages, err := filepath.Glob("*/*.md")
	if err != nil {
		t.Fatal(err)
	}
	own, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(append(pages, own...), "../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), match[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", page, match[1])
			}
		}
	}
}
