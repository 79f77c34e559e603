package settings

import (
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"

	"github.com/gantry-operator/gantry/internal/operation"
)

func TestResolve(t *testing.T) {
	lookup := Lookup{
		Env: func(name string) (string, bool) {
			value, ok := map[string]string{"TEXT": "t", "JSON": `{"a": 1}`, "STRING": `"s"`}[name]
			return value, ok
		},
		File: func(path string) ([]byte, error) {
			if path == "/there" {
				return []byte("content\n"), nil
			}
			return nil, fs.ErrNotExist
		},
	}
	json := func(key, value string) *operation.ConfigItem {
		return &operation.ConfigItem{Key: key, From: &operation.ConfigItem_Json{Json: []byte(value)}}
	}
	env := func(name string, parse bool) *operation.ConfigItem {
		return &operation.ConfigItem{Key: "k", From: &operation.ConfigItem_Env{Env: name}, ParseJson: parse}
	}
	key := config.MustMakeKey
	cases := map[string]struct {
		reason string
		item   *operation.ConfigItem
		want   *Item
		fails  bool
	}{
		"String":         {reason: "a string is itself", item: json("k", `"a"`), want: &Item{Key: key("demo", "k"), Text: "a"}},
		"StringOfDigits": {reason: "a string stays one", item: json("k", `"42"`), want: &Item{Key: key("demo", "k"), Text: "42"}},
		"Number":         {reason: "a number keeps its type", item: json("k", `42`), want: &Item{Key: key("demo", "k"), Text: "42", Structured: true}},
		"Fraction":       {reason: "as does a fraction", item: json("k", `1.5`), want: &Item{Key: key("demo", "k"), Text: "1.5", Structured: true}},
		"Huge":           {reason: "no digit of a large number is lost", item: json("k", `123456789012345678901234567890`), want: &Item{Key: key("demo", "k"), Text: "123456789012345678901234567890"}},
		"Bool":           {reason: "a boolean keeps its type", item: json("k", `true`), want: &Item{Key: key("demo", "k"), Text: "true", Structured: true}},
		"Object":         {reason: "an object is kept whole", item: json("k", `{"a": [1, null]}`), want: &Item{Key: key("demo", "k"), Text: `{"a":[1,null]}`, Structured: true}},
		"Null":           {reason: "null is no value", item: json("k", `null`)},
		"Namespace":      {reason: "a key may have its namespace", item: json("aws:region", `"x"`), want: &Item{Key: key("aws", "region"), Text: "x"}},
		"Dots":           {reason: "without path a dot is part of the name", item: json("a.b", `"x"`), want: &Item{Key: key("demo", "a.b"), Text: "x"}},
		"Env":            {reason: "a variable's text", item: env("TEXT", false), want: &Item{Key: key("demo", "k"), Text: "t"}},
		"EnvNotParsed":   {reason: "JSON is text unless it is to be parsed", item: env("JSON", false), want: &Item{Key: key("demo", "k"), Text: `{"a": 1}`}},
		"EnvParsed":      {reason: "and a value when it is", item: env("JSON", true), want: &Item{Key: key("demo", "k"), Text: `{"a":1}`, Structured: true}},
		"EnvString":      {reason: "a parsed string is a string", item: env("STRING", true), want: &Item{Key: key("demo", "k"), Text: "s"}},
		"EnvMissing":     {reason: "a variable must be there", item: env("NONE", false), fails: true},
		"EnvNotJSON":     {reason: "what is to be parsed must be JSON", item: env("TEXT", true), fails: true},
		"File": {
			reason: "a file is taken as it is",
			item:   &operation.ConfigItem{Key: "k", Secret: true, From: &operation.ConfigItem_File{File: "/there"}},
			want:   &Item{Key: key("demo", "k"), Text: "content\n", Secret: true},
		},
		"FileMissing": {reason: "a file must be there", item: &operation.ConfigItem{Key: "k", From: &operation.ConfigItem_File{File: "/x"}}, fails: true},
		"TwoValues":   {reason: "one JSON value only", item: json("k", `1 2`), fails: true},
		"Empty":       {reason: "an item has a value", item: &operation.ConfigItem{Key: "k"}, fails: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Resolve([]*operation.ConfigItem{tc.item}, "demo", lookup)
			if (err != nil) != tc.fails {
				t.Fatalf("%s: error %v", tc.reason, err)
			}
			var want []Item
			if tc.want != nil {
				want = []Item{*tc.want}
			}
			if len(got) == 0 {
				got = nil
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(config.Key{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestParseKey(t *testing.T) {
	cases := map[string]struct {
		key  string
		path bool
		want string
	}{
		"Plain":             {key: "a", want: "demo:a"},
		"Namespaced":        {key: "aws:region", want: "aws:region"},
		"Old":               {key: "aws:config:region", want: "aws:region"},
		"Path":              {key: "a.b[0]", path: true, want: "demo:a.b[0]"},
		"NamespacedPath":    {key: "aws:tags.owner", path: true, want: "aws:tags.owner"},
		"PathWithColon":     {key: `a["x:y"]`, path: true, want: `demo:a["x:y"]`},
		"BracketsFirst":     {key: `["a.b"].c`, path: true, want: `demo:["a.b"].c`},
		"TooManyNamespaces": {key: "a:b:c:d"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := parseKey(tc.key, "demo", tc.path)
			if (err == nil) != (tc.want != "") {
				t.Fatalf("error %v", err)
			}
			if err == nil && got.Namespace()+":"+got.Name() != tc.want {
				t.Errorf("got %s:%s, want %s", got.Namespace(), got.Name(), tc.want)
			}
		})
	}
}
