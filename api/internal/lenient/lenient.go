// Package lenient owns how objects are read whose values the schema admits and Go's types do not, such as the quantity
// "1e1.5" or a number beyond 32 bits. One such object must not stop all the others from being listed.
package lenient

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	kjson "k8s.io/apimachinery/pkg/util/json"
)

// Unmarshal reads a JSON object into a T, which must have no UnmarshalJSON of its own. A field whose value does not fit
// is left empty, and unreadable says which and why. Only JSON that is no object, or none at all, is an error.
func Unmarshal[T any](data []byte) (read T, unreadable string, err error) {
	if kjson.Unmarshal(data, &read) == nil {
		return read, "", nil
	}
	var whole T
	fields := map[string]json.RawMessage{}
	if err := kjson.Unmarshal(data, &fields); err != nil {
		return whole, "", err
	}
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		single, err := json.Marshal(map[string]json.RawMessage{name: fields[name]})
		if err != nil {
			return whole, "", err
		}
		// A field that fails may be half read by then, so it is tried on a copy.
		attempt := whole
		if err := kjson.Unmarshal(single, &attempt); err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", name, err))
			continue
		}
		whole = attempt
	}
	return whole, strings.Join(problems, "; "), nil
}
