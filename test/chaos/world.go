package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// begun, ended are what the log of things says of their creation.
	begun, ended = "begin", "end"
	// middle is the thing whose creation lasts until it is released, and last the one after it.
	middle, last = "middle", "last"
)

// world is what the program of a story made and where its state is: the folder behind the namespace's volume. It is looked
// at from this machine, so that it can be seen when nothing of the cluster answers.
type world struct{ folder string }

// line is one of the log of things.
type line struct {
	at               time.Time
	what, label, pod string
}

// lines reads the log of things.
func (w world) lines() ([]line, error) {
	text, err := os.ReadFile(filepath.Join(w.folder, "log"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the log of things: %w", err)
	}
	var lines []line
	for text := range strings.Lines(string(text)) {
		words := strings.Fields(text)
		if len(words) != 4 {
			return nil, fmt.Errorf("the log of things has the line %q", text)
		}
		at, err := time.Parse(time.RFC3339Nano, words[0])
		if err != nil {
			return nil, fmt.Errorf("the log of things: %w", err)
		}
		lines = append(lines, line{at: at, what: words[1], label: words[2], pod: words[3]})
	}
	return lines, nil
}

// release lets the creation of the thing in the middle end, now and in all runs to come.
func (w world) release() error {
	return os.WriteFile(filepath.Join(w.folder, "go"), nil, 0o644)
}

// things lists those that exist.
func (w world) things() ([]string, error) {
	found, err := os.ReadDir(filepath.Join(w.folder, "things"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the things there are: %w", err)
	}
	var names []string
	for _, entry := range found {
		names = append(names, entry.Name())
	}
	return names, nil
}

// locks lists those of the backend.
func (w world) locks() ([]string, error) {
	var found []string
	err := filepath.WalkDir(filepath.Join(w.folder, ".pulumi", "locks"), func(path string, _ fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		// Beside each is a file with its attributes.
		case filepath.Ext(path) == ".json":
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("the locks of the backend: %w", err)
	}
	return found, nil
}

// checkpoint is what matters of a stack's state.
type checkpoint struct {
	Checkpoint struct {
		Latest struct {
			Resources []struct {
				Type   string `json:"type"`
				Inputs struct {
					Label string `json:"label"`
				} `json:"inputs"`
			} `json:"resources"`
			PendingOperations []json.RawMessage `json:"pending_operations"`
		} `json:"latest"`
	} `json:"checkpoint"`
}

// known lists the things that the state knows, and how many pending operations it has.
func (w world) known() (labels []string, pending int, err error) {
	files, err := filepath.Glob(filepath.Join(w.folder, ".pulumi", "stacks", "*", "*.json"))
	if err != nil {
		return nil, 0, fmt.Errorf("the states there are: %w", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, 0, fmt.Errorf("the state: %w", err)
		}
		state := checkpoint{}
		if err := json.Unmarshal(text, &state); err != nil {
			return nil, 0, fmt.Errorf("the state in %s: %w", filepath.Base(file), err)
		}
		pending += len(state.Checkpoint.Latest.PendingOperations)
		for _, resource := range state.Checkpoint.Latest.Resources {
			if resource.Type == "testing:index:Thing" {
				labels = append(labels, resource.Inputs.Label)
			}
		}
	}
	return labels, pending, nil
}

// unknown lists the things that exist and that no state knows.
func (w world) unknown() ([]string, error) {
	things, err := w.things()
	if err != nil {
		return nil, err
	}
	known, _, err := w.known()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(things, func(name string) bool { return slices.Contains(known, name) }), nil
}
