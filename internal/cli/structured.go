package cli

import (
	"encoding/json"
	"fmt"

	"sigs.k8s.io/yaml"
)

// structured writes a value, which is no object of the API server's, for programs.
func (a *app) structured(output string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("write it as JSON: %w", err)
	}
	switch output {
	case "json":
		text = append(text, '\n')
	case "yaml":
		if text, err = yaml.JSONToYAML(text); err != nil {
			return fmt.Errorf("write it as YAML: %w", err)
		}
	default:
		return usage(fmt.Errorf("-o %s is not known: use json or yaml", output))
	}
	_, err = a.Streams.Out.Write(text)
	return err
}
