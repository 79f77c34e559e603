package lenient

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

type inner struct {
	Count int32   `json:"count"`
	Next  *string `json:"next"`
}

type outer struct {
	Name      string                      `json:"name"`
	Inner     *inner                      `json:"inner"`
	Resources corev1.ResourceRequirements `json:"resources"`
	inner     `json:",inline"`
}

func TestUnmarshal(t *testing.T) {
	cases := map[string]struct {
		reason     string
		data       string
		want       outer
		unreadable []string
		err        bool
	}{
		"Readable":    {reason: "what fits is read at once", data: `{"name":"a","inner":{"count":1}}`, want: outer{Name: "a", Inner: &inner{Count: 1}}},
		"TooLarge":    {reason: "a field that does not fit is left empty, as a whole", data: `{"name":"a","inner":{"next":"x","count":2147483648}}`, want: outer{Name: "a"}, unreadable: []string{"inner: "}},
		"Quantity":    {reason: "a type's own decoder may refuse, too", data: `{"name":"a","resources":{"limits":{"cpu":"1e1.5"}},"inner":{"count":2}}`, want: outer{Name: "a", Inner: &inner{Count: 2}}, unreadable: []string{"resources: "}},
		"Several":     {reason: "all are named, in order", data: `{"resources":{"limits":{"cpu":"1e1.5"}},"inner":7,"name":"z"}`, want: outer{Name: "z"}, unreadable: []string{"inner: ", "resources: "}},
		"Inline":      {reason: "inlined fields are fields like others", data: `{"count":9,"name":[]}`, want: outer{inner: inner{Count: 9}}, unreadable: []string{"name: "}},
		"Case":        {reason: "names are told by their case", data: `{"Name":"a"}`, want: outer{}},
		"Unknown":     {reason: "what is not known is no matter", data: `{"x":[{}],"name":1}`, want: outer{}, unreadable: []string{"name: "}},
		"Null":        {reason: "null is nothing", data: `null`, want: outer{}},
		"NotAnObject": {reason: "no schema admits it", data: `[]`, err: true},
		"NotJSON":     {reason: "no server sends it", data: `{`, err: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, unreadable, err := Unmarshal[outer]([]byte(c.data))
			if (err != nil) != c.err {
				t.Fatalf("%s: error %v, want one: %t", c.reason, err, c.err)
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(outer{})); diff != "" {
				t.Errorf("%s: -want +got:\n%s", c.reason, diff)
			}
			var parts []string
			if unreadable != "" {
				parts = strings.Split(unreadable, "; ")
			}
			if len(parts) != len(c.unreadable) {
				t.Fatalf("%s: unreadable %q, want %d", c.reason, unreadable, len(c.unreadable))
			}
			for i, prefix := range c.unreadable {
				if !strings.HasPrefix(parts[i], prefix) {
					t.Errorf("%s: %q does not begin with %q", c.reason, parts[i], prefix)
				}
			}
		})
	}
}
