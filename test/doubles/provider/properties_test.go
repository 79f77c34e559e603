package provider

import (
	"testing"

	"google.golang.org/protobuf/types/known/structpb"
)

func TestPlainRevealsSecretsAtAnyDepth(t *testing.T) {
	properties, err := structpb.NewStruct(map[string]any{
		"open":   "a",
		"secret": Secret("b"),
		"nested": map[string]any{"list": []any{Secret("c")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	plain := Plain(properties)
	if plain["open"] != "a" || plain["secret"] != "b" {
		t.Errorf("got %v", plain)
	}
	if list := plain["nested"].(map[string]any)["list"].([]any); list[0] != "c" {
		t.Errorf("nested secret: got %v", list)
	}
}

func TestPlainOfNothingCanBeWrittenTo(t *testing.T) {
	plain := Plain(nil)
	plain["a"] = 1
	if len(plain) != 1 {
		t.Errorf("got %v", plain)
	}
}

func TestChanged(t *testing.T) {
	cases := map[string]struct {
		olds, news map[string]any
		want       int
	}{
		"Same":      {map[string]any{"a": "1"}, map[string]any{"a": "1"}, 0},
		"Value":     {map[string]any{"a": "1"}, map[string]any{"a": "2"}, 1},
		"Added":     {map[string]any{}, map[string]any{"a": "2"}, 1},
		"Removed":   {map[string]any{"a": "1", "b": "1"}, map[string]any{}, 2},
		"Defaulted": {map[string]any{"__defaults": "1"}, map[string]any{}, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Changed(c.olds, c.news); len(got) != c.want {
				t.Errorf("got %v, want %d names", got, c.want)
			}
		})
	}
}
