package main

import (
	"strings"
	"testing"

	"github.com/gantry-operator/gantry/test/doubles/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
)

func TestPassword(t *testing.T) {
	tests := map[string]struct {
		properties map[string]any
		length     int
		alphabet   string
	}{
		"Plain":       {map[string]any{"length": 200.0, "special": false}, 200, letters},
		"Special":     {map[string]any{"length": 200.0}, 200, letters + specials},
		"OwnSpecials": {map[string]any{"length": 16.0, "special": true, "overrideSpecial": "_%@"}, 16, letters + "_%@"},
		"NoLength":    {map[string]any{}, 0, ""},
		"TooLong":     {map[string]any{"length": 1e9}, 0, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := password(test.properties)
			if (err != nil) != (test.length == 0) || len(got) != test.length || strings.Trim(got, test.alphabet) != "" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestResultIsSecret(t *testing.T) {
	properties, err := structpb.NewStruct(map[string]any{"length": 8.0})
	if err != nil {
		t.Fatal(err)
	}
	made, err := (&random{}).Create(t.Context(), &pulumirpc.CreateRequest{Type: passwordType, Properties: properties})
	if err != nil {
		t.Fatal(err)
	}
	if _, open := made.GetProperties().AsMap()["result"].(string); open {
		t.Error("the password is in the open")
	}
	if revealed := provider.Text(provider.Plain(made.GetProperties()), "result"); len(revealed) != 8 {
		t.Errorf("the password is %q", revealed)
	}
}
