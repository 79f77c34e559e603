package program

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// indent of the project's YAML.
const indent = 2

// write writes the project as YAML that its readers, the CLI and the language host, read as the same values. They read it
// with version 3 of the library that writes it, so that a string that looks like something else to them is quoted.
func write(project map[string]any) ([]byte, error) {
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(indent)
	if err := encoder.Encode(literal(project)); err != nil {
		return nil, fmt.Errorf("encode the project: %w", err)
	}
	if err := encoder.Close(); err != nil {
		return nil, fmt.Errorf("encode the project: %w", err)
	}
	return text.Bytes(), nil
}

// literal has numbers written as they are in the object, digit by digit: JSON's are YAML's too.
func literal(value any) any {
	switch value := value.(type) {
	case map[string]any:
		object := make(map[string]any, len(value))
		for key, item := range value {
			object[key] = literal(item)
		}
		return object
	case []any:
		list := make([]any, len(value))
		for i, item := range value {
			list[i] = literal(item)
		}
		return list
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: value.String()}
	default:
		return value
	}
}
