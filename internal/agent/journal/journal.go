// Package journal owns what the agent remembers on the pod's disk: which operations were started, by their UID, and
// the results that the manager has not recorded yet. An entry is on the disk before the operation has any effect, and
// a result before it is sent, so a restarted agent neither runs an operation again nor loses its result.
package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gantry-operator/gantry/internal/operation"
)

// ErrKnown means that the operation is in the journal already.
var ErrKnown = errors.New("the operation is in the journal already")

// Entry is what is known of one operation.
type Entry struct {
	// UID and Name are those of the Update.
	UID  string
	Name string
	// Command is what was run, such as "up".
	Command string
	// Started is when it was accepted.
	Started time.Time
	// Result is there when it has ended.
	Result *operation.Result
	// Recorded says that the manager has the result.
	Recorded bool
}

// Journal is a directory with one file per operation.
type Journal struct {
	dir     string
	mu      sync.Mutex
	entries map[string]Entry
}

// Open reads the journal at dir, which is made when it is not there. Of a file that cannot be read the name is enough:
// that operation was started, so it must not run again.
func Open(dir string) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the journal: %w", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	j := &Journal{dir: dir, entries: map[string]Entry{}}
	for _, file := range files {
		uid, ok := strings.CutSuffix(file.Name(), suffix)
		if !ok {
			continue
		}
		entry, err := read(filepath.Join(dir, file.Name()))
		if err != nil || entry.UID != uid {
			entry = Entry{UID: uid}
		}
		j.entries[uid] = entry
	}
	return j, nil
}

// Get tells what is known of an operation.
func (j *Journal) Get(uid string) (Entry, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	entry, ok := j.entries[uid]
	return entry, ok
}

// Start writes that an operation is about to run. It fails with ErrKnown if that was written before.
func (j *Journal) Start(entry Entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !fileName.MatchString(entry.UID) {
		return fmt.Errorf("the operation's UID %q is not one", entry.UID)
	}
	if _, ok := j.entries[entry.UID]; ok {
		return ErrKnown
	}
	return j.put(entry)
}

// Finish writes a result, which is kept until it is recorded.
func (j *Journal) Finish(result *operation.Result) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	entry, ok := j.entries[result.GetUid()]
	if !ok {
		return fmt.Errorf("the operation %s is not in the journal", result.GetUid())
	}
	entry.Result = result
	return j.put(entry)
}

// Recorded writes that the manager has the result. What is left says that the operation has run, without its outputs.
func (j *Journal) Recorded(uid string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	entry, ok := j.entries[uid]
	if !ok || entry.Result == nil || entry.Recorded {
		return nil
	}
	entry.Result = withoutOutputs(entry.Result)
	entry.Recorded = true
	return j.put(entry)
}

// Unrecorded gives the results that the manager does not have, the oldest first.
func (j *Journal) Unrecorded() []*operation.Result {
	var results []*operation.Result
	for _, entry := range j.sorted() {
		if entry.Result != nil && !entry.Recorded {
			results = append(results, entry.Result)
		}
	}
	return results
}

// Unfinished gives the operations that were started and have no result. For an agent that has just come up these are
// the ones that died with the agent before it.
func (j *Journal) Unfinished() []Entry {
	return slices.DeleteFunc(j.sorted(), func(e Entry) bool { return e.Result != nil })
}

func (j *Journal) sorted() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := make([]Entry, 0, len(j.entries))
	for _, entry := range j.entries {
		all = append(all, entry)
	}
	slices.SortFunc(all, func(a, b Entry) int {
		if c := a.Started.Compare(b.Started); c != 0 {
			return c
		}
		return strings.Compare(a.UID, b.UID)
	})
	return all
}

// put writes the entry to the disk and then to memory.
func (j *Journal) put(entry Entry) error {
	if err := write(filepath.Join(j.dir, entry.UID+suffix), entry); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	j.entries[entry.UID] = entry
	return nil
}

const suffix = ".json"

// fileName is what a UID must be to name a file.
var fileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
