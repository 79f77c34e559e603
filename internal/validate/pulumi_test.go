package validate

import (
	"strings"
	"testing"
)

func TestConfigKey(t *testing.T) {
	cases := map[string]struct {
		key  string
		path bool
		// want is part of the problem; empty for none.
		want string
	}{
		"Name":              {"region", false, ""},
		"Namespace":         {"aws:region", false, ""},
		"OldNamespace":      {"aws:config:region", false, ""},
		"Path":              {`names[0]["x:y"].z`, true, ""},
		"LastIndex":         {"names[9999]", true, ""},
		"LiteralIndex":      {"names[100000]", false, ""},
		"Empty":             {"", false, "is empty"},
		"Parts":             {"a:b:c", false, "is no key"},
		"NoName":            {"aws:", false, "is no key"},
		"Control":           {"a\nb", false, "control characters"},
		"FarIndex":          {"names[10000]", true, "list index"},
		"FarIndexInside":    {"a[1].b[99999999999999999999].c", true, "list index"},
		"FarIndexWithZeros": {"names[0000010000]", true, "list index"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var problems Problems
			problems.ConfigKey("spec.x", tc.key, tc.path)
			got := problems.String()
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("ConfigKey(%q): %q, want %q", tc.key, got, tc.want)
			}
		})
	}
}
