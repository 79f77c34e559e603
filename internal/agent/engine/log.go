package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// Log reads an event log while it is written.
type Log struct {
	path   string
	offset int64
	rest   []byte
}

// NewLog reads the log at path, which need not be there yet.
func NewLog(path string) *Log { return &Log{path: path} }

// Read gives the tracker the events written since the last call, and says whether there were any. A line that is not
// whole yet is left for the next call.
func (l *Log) Read(tracker *Tracker) (bool, error) {
	file, err := os.Open(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open the event log: %w", err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.NewSectionReader(file, l.offset, maxRead))
	if err != nil {
		return false, fmt.Errorf("read the event log: %w", err)
	}
	l.offset += int64(len(text))
	l.rest = append(l.rest, text...)
	some := false
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return some, nil
		}
		l.rest = rest
		if event, ok := decode(line); ok {
			tracker.Apply(event)
			some = true
		}
	}
}

// Drain reads to the end of the log.
func (l *Log) Drain(tracker *Tracker) error {
	for {
		before := l.offset
		if _, err := l.Read(tracker); err != nil {
			return err
		}
		if l.offset == before {
			return nil
		}
	}
}

// decode reads one event. One that cannot be read is passed over: the result of the operation does not hang on it.
func decode(line []byte) (apitype.EngineEvent, bool) {
	var event apitype.EngineEvent
	decoder := json.NewDecoder(bytes.NewReader(line))
	// Outputs are numbers of any size.
	decoder.UseNumber()
	if err := decoder.Decode(&event); err != nil {
		return apitype.EngineEvent{}, false
	}
	return event, true
}

// maxRead bounds what one call takes into memory.
const maxRead = 8 << 20
