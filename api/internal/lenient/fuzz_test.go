package lenient

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	kjson "k8s.io/apimachinery/pkg/util/json"
)

// FuzzUnmarshal: whatever object the API server stores can be read, what could be read is kept, and what could not is
// named.
func FuzzUnmarshal(f *testing.F) {
	for _, seed := range []string{
		`{"name":"a","inner":{"count":1}}`, `{"name":"a","inner":{"next":"x","count":2147483648}}`, `{"resources":{"limits":{"cpu":"1e1.5"}}}`,
		`{"count":9,"name":[]}`, `{"Name":"a"}`, `null`, `[]`, `{`, `{"name":null,"name":1}`, `{"inner":{"count":1e400}}`, `{"":1,"\u0000":{}}`,
		`{"resources":{"limits":{"cpu":9223372036854775808,"memory":-1}},"inner":null}`, "{\"name\":\"\xff\"}", `{"inner":{"next":{}},"count":"1"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		read, unreadable, err := Unmarshal[outer](data)
		fields := map[string]json.RawMessage{}
		if isObject := kjson.Unmarshal(data, &fields) == nil; isObject != (err == nil) {
			t.Fatalf("an object: %t, error: %v", isObject, err)
		}
		if err != nil {
			return
		}
		var strict outer
		if whole := kjson.Unmarshal(data, &strict); (whole == nil) != (unreadable == "") {
			t.Errorf("it can be read: %v, but unreadable is %q", whole, unreadable)
		}
		kept, err := json.Marshal(read)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, unreadable, err := Unmarshal[outer](kept)
		if err != nil || unreadable != "" {
			t.Fatalf("what was read and written cannot be read again: %q, %v", unreadable, err)
		}
		twice, err := json.Marshal(again)
		if diff := cmp.Diff(string(kept), string(twice)); err != nil || diff != "" {
			t.Errorf("it changes (%v):\n%s", err, diff)
		}
	})
}
