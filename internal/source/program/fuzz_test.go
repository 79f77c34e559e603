package program_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/internal/source/program"
	"github.com/gantry-operator/gantry/internal/source/program/programtest"
)

// Whatever JSON an object has as its program, the language reads the same values from the project.
func FuzzProject(f *testing.F) {
	for _, odd := range []string{
		"0o14", "0x1F", "0b1", "1_000", "012", "1e3", ".5", "+.inf", ".nan", "~", "null", "Null", "yes", "on", "y", "true", "=", "<<", "!!int 1",
		"2024-01-01", "12:30:45", "190:20:30", "- a", "? a", "a: b", "a #b", "#a", "&a", "*a", "{a}", "[a]", "|", ">", "%a", "@a", "`a", "'a'", `"a"`,
		" a", "a ", "a\n", "\na", "\n", "  a\n b\n", "\n  a\n\n", "a\r\nb", "\t", "a\tb", "\x7f", "\u0085", "\u2028", "\ufeff", "\ufeffa", "\x00", "😀", "日本", "---", "...", "a\n---\nb",
		"${a.b}", "$${a}", strings.Repeat("long ", 100), strings.Repeat("l", 200) + "\n" + strings.Repeat("m", 200), "", "-", "?", ":", ",",
	} {
		text, err := json.Marshal(map[string]any{odd: odd, "list": []string{odd}, "in": map[string]any{"a": []any{map[string]string{odd: odd}}}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(`{"numbers":[0,-0,1,-1,1.0,1.50,0.1,1e3,1E3,1e+3,1e-3,9007199254740993,18446744073709551616,123456789012345678901234567890,1.7976931348623157e+308,5e-324]}`)
	f.Add(`{"empty":{},"none":[],"null":null,"true":true,"false":false,"deep":[[[[[]]]]]}`)
	f.Fuzz(func(t *testing.T, body string) {
		object := object(body)
		var given map[string]any
		if json.Unmarshal([]byte(body), &given) != nil || given == nil || !utf8.ValidString(body) {
			t.Skip()
		}
		project, err := program.Project(object)
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		given["name"], given["runtime"] = "demo", "yaml"
		understood, err := programtest.Understood(project)
		if err != nil {
			t.Fatalf("%v in:\n%s", err, project)
		}
		if diff := cmp.Diff(any(given), understood); diff != "" {
			t.Errorf("-given +understood:\n%s\n%s", diff, project)
		}
	})
}
