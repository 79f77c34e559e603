// Package programtest owns how tests read a Pulumi YAML project: as the language does.
package programtest

import (
	"errors"
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Understood is what the language makes of a project: all numbers are floating-point ones to it, and what is neither
// number nor boolean nor null is a string, as it is written.
func Understood(project []byte) (any, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(project, &document); err != nil {
		return nil, fmt.Errorf("read the project: %w", err)
	}
	if len(document.Content) != 1 {
		return nil, errors.New("there is not one document")
	}
	return value(document.Content[0])
}

func value(node *yaml.Node) (any, error) {
	switch node.Kind {
	case yaml.MappingNode:
		return object(node)
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range node.Content {
			read, err := value(item)
			if err != nil {
				return nil, err
			}
			list = append(list, read)
		}
		return list, nil
	case yaml.ScalarNode:
		return scalar(node)
	case yaml.AliasNode:
		return nil, fmt.Errorf("line %d: the language takes no aliases", node.Line)
	default:
		return nil, fmt.Errorf("line %d: a node of kind %d", node.Line, node.Kind)
	}
}

func object(node *yaml.Node) (any, error) {
	read := map[string]any{}
	for i := 0; i < len(node.Content); i += 2 {
		key, err := value(node.Content[i])
		if err != nil {
			return nil, err
		}
		name, isString := key.(string)
		if !isString {
			return nil, fmt.Errorf("line %d: the key %q is no string", node.Line, node.Content[i].Value)
		}
		if read[name], err = value(node.Content[i+1]); err != nil {
			return nil, err
		}
	}
	return read, nil
}

func scalar(node *yaml.Node) (any, error) {
	switch node.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool":
		var read bool
		err := node.Decode(&read)
		return read, err
	case "!!int", "!!float":
		var read float64
		if number, err := strconv.ParseFloat(node.Value, 64); err == nil || errors.Is(err, strconv.ErrRange) {
			return number, nil
		}
		err := node.Decode(&read)
		return read, err
	default:
		return node.Value, nil
	}
}
