package journal

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/gantry-operator/gantry/internal/operation"
)

// file is an entry on the disk.
type file struct {
	UID      string          `json:"uid"`
	Name     string          `json:"name"`
	Command  string          `json:"command"`
	Started  time.Time       `json:"started"`
	Result   json.RawMessage `json:"result,omitempty"`
	Recorded bool            `json:"recorded,omitempty"`
}

func read(path string) (Entry, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Entry{}, err
	}
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return Entry{}, err
	}
	entry := Entry{UID: f.UID, Name: f.Name, Command: f.Command, Started: f.Started, Recorded: f.Recorded}
	if len(f.Result) > 0 {
		entry.Result = &operation.Result{}
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(f.Result, entry.Result); err != nil {
			return Entry{}, err
		}
	}
	return entry, nil
}

// write replaces the file at once: whoever reads it, even after a crash, sees the old text or the new. A result may
// hold secret outputs, so nobody else may read it.
func write(path string, entry Entry) (err error) {
	f := file{UID: entry.UID, Name: entry.Name, Command: entry.Command, Started: entry.Started, Recorded: entry.Recorded}
	if entry.Result != nil {
		if f.Result, err = protojson.Marshal(entry.Result); err != nil {
			return err
		}
	}
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp.Name())
		}
	}()
	if _, err = temp.Write(text); err == nil {
		err = temp.Sync()
	}
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err = os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}

// withoutOutputs is a copy that holds no value.
func withoutOutputs(result *operation.Result) *operation.Result {
	slim := proto.CloneOf(result)
	slim.Outputs = nil
	return slim
}
