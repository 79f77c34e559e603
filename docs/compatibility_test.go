package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// schema is what the rows need of a definition's schema.
type schema struct {
	Properties           map[string]*schema `json:"properties"`
	Items                *schema            `json:"items"`
	AdditionalProperties *schema            `json:"additionalProperties"`
}

// children are the fields of an object, or of what a list or a map of objects holds.
func (s *schema) children() map[string]*schema {
	for _, inner := range []*schema{s.Items, s.AdditionalProperties} {
		if inner != nil {
			return inner.children()
		}
	}
	return s.Properties
}

// row is a line of a table.
type row struct{ table, name, proof string }

// isField says whether a row is about a field.
func (r row) isField() bool { return strings.HasPrefix(r.name, "`") }

// kinds are the tables of fields and the definitions they are about, and whether objects that have one row for a
// child need one for each.
func kinds() map[string]struct {
	file string
	deep bool
} {
	return map[string]struct {
		file string
		deep bool
	}{
		"Stack":     {"pulumi.com_stacks.yaml", true},
		"Program":   {"pulumi.com_programs.yaml", false},
		"Workspace": {"auto.pulumi.com_workspaces.yaml", true},
		"Update":    {"auto.pulumi.com_updates.yaml", false},
	}
}

// rowsOf reads the tables of a page. A table has the name of the heading above it.
func rowsOf(page string) []row {
	var rows []row
	table, body := "", false
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			table = heading
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		switch {
		case !strings.HasPrefix(line, "|"):
			body = false
		case strings.HasPrefix(line, "|---"):
			body = true
		case body:
			rows = append(rows, row{table, strings.TrimSpace(cells[0]), strings.TrimSpace(cells[len(cells)-1])})
		}
	}
	return rows
}

// compare says which fields lack a row, and which rows a field.
func compare(root *schema, rows []row, deep bool) []string {
	have := map[string]bool{}
	for _, r := range rows {
		have[strings.Trim(r.name, "`")] = true
	}
	known, problems := map[string]bool{}, []string{}
	var walk func(path string, s *schema, level int)
	walk = func(path string, s *schema, level int) {
		begun := slices.ContainsFunc(slices.Collect(maps.Keys(have)), func(name string) bool {
			parent := name[:max(strings.LastIndex(name, "."), 0)]
			return parent == path
		})
		for name, child := range s.children() {
			field := path + "." + name
			known[field] = true
			if (level == 1 || (level == 2 && deep && begun)) && !have[field] {
				problems = append(problems, field+" has no row")
			}
			walk(field, child, level+1)
		}
	}
	for _, part := range []string{"spec", "program", "status"} {
		if s := root.Properties[part]; s != nil {
			walk(part, s, 1)
		}
	}
	for name := range have {
		if !known[name] {
			problems = append(problems, name+" is no field")
		}
	}
	slices.Sort(problems)
	return problems
}

// stored reads the schema of a definition's storage version.
func stored(t *testing.T, file string) *schema {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../config/crd/bases", file))
	if err != nil {
		t.Fatal(err)
	}
	var definition struct {
		Spec struct {
			Versions []struct {
				Storage bool `json:"storage"`
				Schema  struct {
					Root *schema `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &definition); err != nil {
		t.Fatal(err)
	}
	for _, version := range definition.Spec.Versions {
		if version.Storage && version.Schema.Root != nil {
			return version.Schema.Root
		}
	}
	t.Fatalf("%s has no storage version with a schema", file)
	return nil
}

func compatibilityRows(t *testing.T) []row {
	t.Helper()
	page, err := os.ReadFile("compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	return rowsOf(string(page))
}

func TestEveryFieldHasARow(t *testing.T) {
	rows := compatibilityRows(t)
	for kind, of := range kinds() {
		mine := slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return r.table != kind })
		for _, problem := range compare(stored(t, of.file), mine, of.deep) {
			t.Errorf("%s: %s", kind, problem)
		}
	}
	for _, r := range rows {
		if _, ok := kinds()[r.table]; ok != r.isField() {
			t.Errorf("the table %s has the row %s", r.table, r.name)
		}
	}
}

func TestCompareFindsWhatIsMissing(t *testing.T) {
	leaf := &schema{}
	object := func(fields ...string) *schema {
		s := &schema{Properties: map[string]*schema{}}
		for _, field := range fields {
			s.Properties[field] = leaf
		}
		return s
	}
	root := &schema{Properties: map[string]*schema{
		"spec": {Properties: map[string]*schema{"a": leaf, "list": {Items: object("x", "y")}, "map": {AdditionalProperties: object("z")}}},
	}}
	const whole = "| `spec.a` | – |\n| `spec.list` | – |\n| `spec.map` | – |\n"
	cases := map[string]struct {
		rows string
		flat bool
		want []string
	}{
		"Whole":           {rows: whole, want: []string{}},
		"MissingField":    {rows: "| `spec.list` | – |\n| `spec.map` | – |\n", want: []string{"spec.a has no row"}},
		"NoField":         {rows: whole + "| `spec.b` | – |\n", want: []string{"spec.b is no field"}},
		"EveryChild":      {rows: whole + "| `spec.list.x` | – |\n| `spec.list.y` | – |\n", want: []string{}},
		"MissingChild":    {rows: whole + "| `spec.list.x` | – |\n", want: []string{"spec.list.y has no row"}},
		"ChildrenAreFree": {rows: whole + "| `spec.list.x` | – |\n", flat: true, want: []string{}},
		"ChildOfAMap":     {rows: whole + "| `spec.map.z` | – |\n", want: []string{}},
		"NoChild":         {rows: whole + "| `spec.a.q` | – |\n", want: []string{"spec.a.q is no field"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			rows := rowsOf("## Stack\n\n| field | proven by |\n|---|---|\n" + tc.rows)
			if diff := cmp.Diff(tc.want, compare(root, rows, !tc.flat)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// testsIn are the tests of a package, and the texts in its test files, in which the names of cases are.
func testsIn(t *testing.T, directory string) (tests, texts map[string]bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", directory, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	tests, texts = map[string]bool{}, map[string]bool{}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.FuncDecl:
				tests[n.Name.Name] = true
			case *ast.BasicLit:
				texts[strings.Trim(n.Value, `"`)] = true
			}
			return true
		})
	}
	return tests, texts
}

func TestNamedTestsExist(t *testing.T) {
	proof := regexp.MustCompile("^`([a-z0-9/]+) (Test[A-Za-z0-9]+)(?:/([A-Za-z0-9.-]+))?`$")
	claims := 0
	for _, r := range compatibilityRows(t) {
		if r.proof == "–" {
			continue
		}
		for claim := range strings.SplitSeq(r.proof, ", ") {
			match := proof.FindStringSubmatch(claim)
			if match == nil {
				t.Errorf("%s, row %s: %q names no test", r.table, r.name, claim)
				continue
			}
			claims++
			tests, texts := testsIn(t, match[1])
			if !tests[match[2]] || (match[3] != "" && !texts[match[3]]) {
				t.Errorf("%s, row %s: there is no %s", r.table, r.name, claim)
			}
		}
	}
	if claims < 100 {
		t.Errorf("only %d tests are named: the search is broken", claims)
	}
}
