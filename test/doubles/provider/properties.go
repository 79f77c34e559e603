package provider

import (
	"fmt"
	"sort"

	"google.golang.org/protobuf/types/known/structpb"
)

// How the engine marks a secret inside of a property map.
const (
	signatureKey    = "4dabf18193072939515e22adb298388d"
	secretSignature = "1b47061264138c4ac30d75fd1eb44270"
)

// Unknown is what the engine sends during a preview for a value that is not known yet.
const Unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

// Plain returns properties as Go values, secrets in clear.
func Plain(properties *structpb.Struct) map[string]any {
	if plain, isMap := reveal(properties.AsMap()).(map[string]any); isMap && plain != nil {
		return plain
	}
	return map[string]any{}
}

// Text is a property that is a string; empty if there is none.
func Text(properties map[string]any, name string) string {
	if value, isText := properties[name].(string); isText {
		return value
	}
	return ""
}

// Secret marks a value as secret.
func Secret(value any) map[string]any {
	return map[string]any{signatureKey: secretSignature, "value": value}
}

// Properties returns Go values as properties.
func Properties(values map[string]any) (*structpb.Struct, error) {
	properties, err := structpb.NewStruct(values)
	if err != nil {
		return nil, fmt.Errorf("properties for the engine: %w", err)
	}
	return properties, nil
}

// Changed lists the properties that differ, by name, in order.
func Changed(olds, news map[string]any) []string {
	var names []string
	for name := range union(olds, news) {
		if fmt.Sprint(olds[name]) != fmt.Sprint(news[name]) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

func union(a, b map[string]any) map[string]bool {
	names := map[string]bool{}
	for name := range a {
		names[name] = true
	}
	for name := range b {
		names[name] = true
	}
	delete(names, "__defaults")
	return names
}

func reveal(value any) any {
	switch v := value.(type) {
	case map[string]any:
		if v[signatureKey] == secretSignature {
			return reveal(v["value"])
		}
		for key, inner := range v {
			v[key] = reveal(inner)
		}
		return v
	case []any:
		for i, inner := range v {
			v[i] = reveal(inner)
		}
		return v
	default:
		return value
	}
}
