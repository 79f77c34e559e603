package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// faultNames are those that `make chaos` knows.
func faultNames(t *testing.T) map[string]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../test/chaos/fault.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		pair, isPair := node.(*ast.KeyValueExpr)
		if !isPair {
			return true
		}
		key, isName := pair.Key.(*ast.Ident)
		value, isText := pair.Value.(*ast.BasicLit)
		if isName && isText && key.Name == "name" {
			name, err := strconv.Unquote(value.Value)
			if err != nil {
				t.Fatal(err)
			}
			names[name] = true
		}
		return true
	})
	return names
}

func TestEveryPromiseIsHeld(t *testing.T) {
	page, err := os.ReadFile("guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	test := regexp.MustCompile("^`([a-z0-9/]+) (Test[A-Za-z0-9]+)(?:/([A-Za-z0-9.-]+))?`$")
	fault := regexp.MustCompile("^`make chaos: ([^`]+)`$")
	faults, held := faultNames(t), map[string]bool{}
	promises := rowsOf(string(page))
	for _, promise := range promises {
		for claim := range strings.SplitSeq(promise.proof, ", ") {
			if match := fault.FindStringSubmatch(claim); match != nil {
				held[match[1]] = true
				if !faults[match[1]] {
					t.Errorf("%q: `make chaos` knows no fault %q", promise.name, match[1])
				}
				continue
			}
			match := test.FindStringSubmatch(claim)
			if match == nil {
				t.Errorf("%q: %q names no test", promise.name, claim)
				continue
			}
			tests, texts := testsIn(t, match[1])
			if !tests[match[2]] || (match[3] != "" && !texts[match[3]]) {
				t.Errorf("%q: there is no %s", promise.name, claim)
			}
		}
	}
	for name := range faults {
		if !held[name] {
			t.Errorf("no promise names the fault %q", name)
		}
	}
	if len(promises) < 10 || len(faults) < 10 {
		t.Errorf("only %d promises and %d faults are found: the search is broken", len(promises), len(faults))
	}
}
