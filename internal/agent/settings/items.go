package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"

	"github.com/gantry-operator/gantry/internal/operation"
)

// Item is one configuration value, looked up and ready to be set.
type Item struct {
	// Key has its namespace.
	Key config.Key
	// Path says that the key is a path into an object or a list.
	Path bool
	// Secret says that the value must be encrypted.
	Secret bool
	// Text is the value: a string as it is or, if Structured, JSON.
	Text string
	// Structured says that the value is not a string, so that its type is kept.
	Structured bool
}

// Lookup is where values that are not in the operation come from.
type Lookup struct {
	// Env reads a variable of the pod's container or of its dynamic environment.
	Env func(name string) (string, bool)
	// File reads a file in the pod.
	File func(path string) ([]byte, error)
}

// Resolve gives the items of an operation for a project. An item whose value is JSON's null is left out, as if it were
// not there. Errors say which item is wrong and where, and never quote a value.
func Resolve(items []*operation.ConfigItem, project string, lookup Lookup) ([]Item, error) {
	resolved := make([]Item, 0, len(items))
	for _, item := range items {
		key, err := parseKey(item.GetKey(), project, item.GetPath())
		if err != nil {
			return nil, err
		}
		text, parse, err := find(item, lookup)
		if err != nil {
			return nil, fmt.Errorf("config %s: %w", item.GetKey(), err)
		}
		one := Item{Key: key, Path: item.GetPath(), Secret: item.GetSecret(), Text: text}
		if parse {
			present, err := one.parse()
			if err != nil {
				return nil, fmt.Errorf("config %s: %w", item.GetKey(), err)
			}
			if !present {
				continue
			}
		}
		resolved = append(resolved, one)
	}
	return resolved, nil
}

// find gives an item's text, and whether it is JSON.
func find(item *operation.ConfigItem, lookup Lookup) (text string, parse bool, err error) {
	switch from := item.GetFrom().(type) {
	case *operation.ConfigItem_Json:
		return string(from.Json), true, nil
	case *operation.ConfigItem_Env:
		value, ok := lookup.Env(from.Env)
		if !ok {
			return "", false, fmt.Errorf("the environment variable %s is not set in the pod; "+
				"set it on the container pulumi of the workspace", from.Env)
		}
		return value, item.GetParseJson(), nil
	case *operation.ConfigItem_File:
		value, err := lookup.File(from.File)
		if errors.Is(err, fs.ErrNotExist) {
			return "", false, fmt.Errorf("the file %s is not there; mount it into the container pulumi of the workspace", from.File)
		}
		if err != nil {
			return "", false, fmt.Errorf("the file cannot be read: %w", err)
		}
		return string(value), item.GetParseJson(), nil
	default:
		return "", false, errors.New("it has no value")
	}
}

// parse reads Text as JSON. It says false for null.
func (i *Item) parse() (bool, error) {
	decoder := json.NewDecoder(strings.NewReader(i.Text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil || decoder.More() {
		return false, errors.New("the value is not JSON")
	}
	switch value := value.(type) {
	case nil:
		return false, nil
	case string:
		i.Text = value
		return true, nil
	case json.Number:
		i.Text = value.String()
		// A whole number that no machine type holds would lose digits; programs read all scalars as text anyway.
		_, err := value.Int64()
		i.Structured = err == nil || strings.ContainsAny(i.Text, ".eE")
		return true, nil
	default:
		var compact bytes.Buffer
		if err := json.Compact(&compact, []byte(i.Text)); err != nil {
			return false, errors.New("the value is not JSON")
		}
		i.Text, i.Structured = compact.String(), true
		return true, nil
	}
}

// value is a plain item's value as the settings keep it.
func (i Item) value() config.Value {
	if i.Structured {
		return config.NewObjectValue(i.Text)
	}
	return config.NewValue(i.Text)
}

// parseKey reads a key as the CLI does: without a namespace it is the project's, and of a path only the first part
// counts.
func parseKey(key, project string, path bool) (config.Key, error) {
	head, rest := key, ""
	if at := strings.IndexAny(key, "[."); path && at > 0 {
		head, rest = key[:at], key[at:]
	}
	if !strings.Contains(head, ":") {
		head = project + ":" + head
	}
	parsed, err := config.ParseKey(head)
	if err != nil {
		return config.Key{}, fmt.Errorf("config key %q is not one: %w", key, err)
	}
	if rest == "" {
		return parsed, nil
	}
	return config.MustMakeKey(parsed.Namespace(), parsed.Name()+rest), nil
}
