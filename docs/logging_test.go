package docs

import (
	"go/ast"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// logged is a key of a line that the product logs.
type logged struct{ key, where string }

// loggedKeys finds the keys of all lines that the product logs. A key that is no literal is told of as "".
func loggedKeys(t *testing.T) []logged {
	t.Helper()
	var all []logged
	inspect(t, []string{"../internal", "../cmd"}, func(node ast.Node, at token.Position) {
		if call, ok := node.(*ast.CallExpr); ok {
			for _, key := range keysOf(call) {
				all = append(all, logged{key, at.String()})
			}
		}
	})
	return all
}

// keysOf are the keys of a call of a logger: every other argument after the message, which comes first but for logr's
// Error, where the error does.
func keysOf(call *ast.CallExpr) []string {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !isLogger(method.X) {
		return nil
	}
	first := 1
	switch method.Sel.Name {
	case "WithValues", "With":
		first = 0
	case "Info", "Debug", "Warn":
	case "Error":
		if len(call.Args) > 1 && !isString(call.Args[0]) {
			first = 2
		}
	default:
		return nil
	}
	var keys []string
	for i := first; i < len(call.Args); i += 2 {
		key := ""
		if literal, ok := call.Args[i].(*ast.BasicLit); ok {
			key, _ = strconv.Unquote(literal.Value)
		}
		keys = append(keys, key)
	}
	return keys
}

// isString tells whether an expression begins with a literal of a string: a message.
func isString(expression ast.Expr) bool {
	if sum, ok := expression.(*ast.BinaryExpr); ok {
		return isString(sum.X)
	}
	literal, ok := expression.(*ast.BasicLit)
	return ok && literal.Kind == token.STRING
}

// isLogger tells whether an expression is a logger, by its name or by what returned it.
func isLogger(expression ast.Expr) bool {
	switch e := expression.(type) {
	case *ast.Ident:
		return e.Name == "log"
	case *ast.SelectorExpr:
		return e.Sel.Name == "Log" || e.Sel.Name == "log"
	case *ast.CallExpr:
		method, ok := e.Fun.(*ast.SelectorExpr)
		return ok && (method.Sel.Name == "LoggerFrom" || slices.Contains([]string{"V", "WithName", "WithValues", "With"}, method.Sel.Name) && isLogger(method.X))
	}
	return false
}

// The keys of log lines are those of the table, and no others: whoever searches the logs finds the same thing under the
// same name everywhere.
func TestLogKeys(t *testing.T) {
	page, err := os.ReadFile("guides/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| key | what it has |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	unused := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-zA-Z]+)` \\|").FindAllStringSubmatch(table, -1) {
		unused[row[1]] = true
	}
	known := len(unused)
	keys := loggedKeys(t)
	if len(keys) < 60 || known < 20 {
		t.Fatalf("%d keys in the code and %d in guides/observability.md: the search is broken", len(keys), known)
	}
	listed := map[string]bool{}
	for key := range unused {
		listed[key] = true
	}
	for _, one := range keys {
		if !listed[one.key] {
			t.Errorf("%s: a line is logged with the key %q, which guides/observability.md does not list; take one of those, or list it", one.where, one.key)
		}
		delete(unused, one.key)
	}
	for key := range unused {
		t.Errorf("guides/observability.md lists the key %s, which no line has", key)
	}
}
