package settings

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"

	"github.com/gantry-operator/gantry/internal/operation"
)

// FuzzResolve: whatever an item holds, it is set in the settings or an error says which one is wrong, and tells no value.
func FuzzResolve(f *testing.F) {
	for _, seed := range []struct {
		key, value string
		path       bool
	}{
		{"k", `"a"`, false}, {"aws:region", `1.5`, false}, {"a:config:b", `{"x":[1,null]}`, false}, {"a:b:c", `1`, false}, {"", `true`, false}, {":", `null`, false},
		{"a.b[0].c", `1`, true}, {`p:a["x:y"]`, `"hunter2-hunter2"`, true}, {"[0]", `1`, true}, {".a", `1`, true}, {"a..b", `1`, true}, {"a[", `1`, true}, {"a[-1]", `{}`, true},
		{"a[99999999]", `1`, true}, {"k", `{"a":`, false}, {"k", `1e400`, false}, {"k", "\"\xff\"", false}, {"k", `"__proto__" 2`, false}, {"a::b", `1`, true}, {"a.b:c", `1`, true},
	} {
		f.Add(seed.key, seed.value, seed.path)
	}
	f.Fuzz(func(t *testing.T, key, value string, path bool) {
		lookup := Lookup{
			Env:  func(string) (string, bool) { return value, true },
			File: func(string) ([]byte, error) { return nil, fs.ErrNotExist },
		}
		for _, item := range []*operation.ConfigItem{
			{Key: key, Path: path, From: &operation.ConfigItem_Json{Json: []byte(value)}},
			{Key: key, Path: path, From: &operation.ConfigItem_Env{Env: "A"}, ParseJson: true},
			{Key: key, Path: path, From: &operation.ConfigItem_Env{Env: "A"}, Secret: true},
			{Key: key, Path: path},
		} {
			resolved, err := Resolve([]*operation.ConfigItem{item}, "demo", lookup)
			if err != nil {
				if len(value) > 12 && !strings.Contains(key, value) && strings.Contains(err.Error(), value) {
					t.Errorf("the error tells the value: %v", err)
				}
				continue
			}
			set(t, resolved)
		}
	})
}

// set puts the items into settings, as overlay does.
func set(t *testing.T, items []Item) {
	t.Helper()
	values := config.Map{}
	for _, item := range items {
		if item.Path && strings.Count(item.Key.Name(), "[") > 0 {
			continue // an index of a thousand millions makes as long a list; the manager lets none of over four digits through
		}
		plain := plainKey(item)
		if plain.Namespace() != item.Key.Namespace() {
			t.Errorf("%s is encrypted under %s", item.Key, plain)
		}
		if err := values.Set(item.Key, item.value(), item.Path); err != nil {
			continue
		}
		if _, err := values.Decrypt(config.NopDecrypter); err != nil {
			t.Errorf("%s cannot be read again: %v", item.Key, err)
		}
	}
}
