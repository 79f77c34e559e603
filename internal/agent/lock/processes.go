package lock

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Processes keeps on the pod's disk which processes of this pod may have taken locks, the last ones of them. What an
// agent before this one started is found there too.
type Processes struct {
	// Path is that of the file.
	Path string
}

// Add puts a process on record.
func (p Processes) Add(process Process) error {
	known, err := p.List()
	if err != nil {
		known = nil // what cannot be read proves nothing
	}
	known = append(known, process)
	text, err := json.Marshal(known[max(0, len(known)-keptProcesses):])
	if err != nil {
		return fmt.Errorf("encode the processes: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(p.Path), 0o700); err != nil {
		return fmt.Errorf("make a place for the processes: %w", err)
	}
	if err := os.WriteFile(p.Path+".new", text, 0o600); err != nil {
		return fmt.Errorf("write the processes: %w", err)
	}
	if err := os.Rename(p.Path+".new", p.Path); err != nil {
		return fmt.Errorf("write the processes: %w", err)
	}
	return nil
}

// List gives the processes on record.
func (p Processes) List() ([]Process, error) {
	text, err := os.ReadFile(p.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the processes: %w", err)
	}
	var known []Process
	if err := json.Unmarshal(text, &known); err != nil {
		return nil, fmt.Errorf("read the processes: %w", err)
	}
	return known, nil
}

// keptProcesses is how many are kept.
const keptProcesses = 64
