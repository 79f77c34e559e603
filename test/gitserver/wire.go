package gitserver

import (
	"encoding/json"
	"fmt"
)

// MarshalJSON writes a file for a server in another process.
func (f File) MarshalJSON() ([]byte, error) { return json.Marshal([2]string{f.mode, f.content}) }

// UnmarshalJSON reads what MarshalJSON writes.
func (f *File) UnmarshalJSON(text []byte) error {
	var parts [2]string
	if err := json.Unmarshal(text, &parts); err != nil {
		return fmt.Errorf("a file: %w", err)
	}
	f.mode, f.content = parts[0], parts[1]
	return nil
}
