package abuse

import (
	"bufio"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// request is one of the manager's, as the API server noted it.
type request struct {
	at     time.Time
	verb   string
	object string
}

// isWrite tells whether a request changes something, or costs as much as one that does.
func (r request) isWrite() bool {
	return slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, r.verb)
}

// requests are the manager's of a span of time.
func (w *world) requests(from, to time.Time) []request {
	w.t.Helper()
	file, err := os.Open(w.audit)
	if err != nil {
		w.t.Fatal(err)
	}
	defer file.Close()
	var found []request
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Verb, UserAgent string
			ObjectRef       struct{ Resource, Namespace, Name, Subresource string }
			StageTimestamp  time.Time
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue // the end of it is being written
		}
		ref, at := line.ObjectRef, line.StageTimestamp
		if line.UserAgent != manager || at.Before(from) || at.After(to) || ref.Resource == "leases" {
			continue
		}
		object := strings.Join([]string{ref.Resource, ref.Namespace, ref.Name}, "/")
		found = append(found, request{at: at, verb: line.Verb, object: object})
	}
	return found
}

// writes are the requests that change something, without events.
func writes(all []request) []request {
	return slices.DeleteFunc(slices.Clone(all), func(r request) bool { return !r.isWrite() || strings.HasPrefix(r.object, "events/") })
}

// perObject counts requests by their object.
func perObject(all []request) map[string]int {
	counts := map[string]int{}
	for _, r := range all {
		counts[r.object]++
	}
	return counts
}

// most is the object with most requests, and how many.
func most(counts map[string]int) (string, int) {
	object := ""
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if object == "" || counts[name] > counts[object] {
			object = name
		}
	}
	return object, counts[object]
}
