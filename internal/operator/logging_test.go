package operator

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// logged waits for a line of the manager's log, and checks what it has under the given keys, and that it names its reconcile.
func (r *replica) logged(t *testing.T, message string, want map[string]any) {
	t.Helper()
	var line map[string]any
	eventually(t, r.name+" logs "+message, func() bool {
		for text := range strings.Lines(r.said()) {
			if json.Unmarshal([]byte(text), &line) == nil && line["msg"] == message {
				return true
			}
		}
		return false
	})
	for key, value := range want {
		if !reflect.DeepEqual(line[key], value) {
			t.Errorf("the line %q has %s=%v, want %v", message, key, line[key], value)
		}
	}
	if id, _ := line["reconcileID"].(string); len(id) != 36 {
		t.Errorf("the line %q has reconcileID=%v", message, line["reconcileID"])
	}
}
