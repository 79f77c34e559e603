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
	"golang.org/x/sys/unix"
)

// Log reads an event log while it is written. Neither the log nor what is kept of it grows with what a program prints:
// what was read of a long log is given back to the disk, and an event that is too long to be kept is passed over.
type Log struct {
	path   string
	offset int64
	rest   []byte
	// skipping says that the line under way is too long and is passed over to its end.
	skipping bool
	// given is how much of the log has been given back to the disk.
	given int64
	cut   bool
}

// NewLog reads the log at path, which need not be there yet.
func NewLog(path string) *Log { return &Log{path: path} }

// Read gives the tracker the events written since the last call, and says whether there were any. A line that is not
// whole yet is left for the next call.
func (l *Log) Read(tracker *Tracker) (bool, error) {
	file, err := os.OpenFile(l.path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open the event log: %w", err)
	}
	defer func() { _ = file.Close() }()
	if l.offset == 0 {
		l.offset = begin(file)
		l.cut = l.offset > 0
	}
	text, err := io.ReadAll(io.NewSectionReader(file, l.offset, maxRead))
	if err != nil {
		return false, fmt.Errorf("read the event log: %w", err)
	}
	l.offset += int64(len(text))
	l.giveBack(file)
	return l.take(text, tracker), nil
}

// take gives the tracker the events that a piece of the log completes, and says whether there were any.
func (l *Log) take(text []byte, tracker *Tracker) (some bool) {
	for {
		line, rest, found := bytes.Cut(text, []byte("\n"))
		if !l.skipping {
			l.rest = append(l.rest, line...)
		}
		if len(l.rest) > maxEvent {
			l.rest, l.skipping = nil, true
		}
		if !found {
			return some
		}
		if event, ok := decode(bytes.TrimLeft(l.rest, "\x00")); ok && !l.skipping {
			tracker.Apply(event)
			some = true
		}
		text, l.skipping = rest, false
		if l.rest = l.rest[:0]; cap(l.rest) > maxRead {
			l.rest = nil
		}
	}
}

// Cut says that the beginning of the log is not there any more.
func (l *Log) Cut() bool { return l.cut }

// begin is where the log of an earlier agent begins of which a part was given back to the disk.
func begin(file *os.File) int64 {
	at, err := unix.Seek(int(file.Fd()), 0, unix.SEEK_DATA)
	if err != nil {
		return 0 // it is empty, or the disk knows no holes
	}
	return at
}

// giveBack makes a hole of what was read, once that is much. The CLI goes on writing at the end. A disk that cannot do
// that keeps the log until the operation ends.
func (l *Log) giveBack(file *os.File) {
	if l.offset-l.given < maxKept {
		return
	}
	const keep = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	if err := unix.Fallocate(int(file.Fd()), keep, l.given, l.offset-l.given); err == nil {
		l.given = l.offset
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
	if isPrinted(line) {
		return event, false
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	// Outputs are numbers of any size.
	decoder.UseNumber()
	if err := decoder.Decode(&event); err != nil {
		return apitype.EngineEvent{}, false
	}
	return event, true
}

// isPrinted says that an event is nothing but what a program printed, which may be most of all. Only an error has its
// severity without quotes that are escaped.
func isPrinted(line []byte) bool {
	return bytes.Contains(line[:min(len(line), maxHead)], []byte(`"diagnosticEvent":{`)) && !bytes.Contains(line, []byte(`"severity":"error"`))
}

const (
	// maxHead is how far into an event its kind is told. Nothing of a program's comes before.
	maxHead = 100
	// maxRead bounds what one call takes into memory.
	maxRead = 8 << 20
	// maxEvent bounds one event. The largest of use is the one with a stack's outputs, which can be asked for, too.
	maxEvent = 16 << 20
	// maxKept is how much of a log that was read stays on the disk, about.
	maxKept = 32 << 20
)
