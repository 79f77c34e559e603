package volume

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestPlan(t *testing.T) {
	cases := map[string]struct {
		list     string
		released []string
		missing  int
	}{
		"EmptyClusterGetsTheWholeStock": {list: `{}`, missing: Stock},
		"BoundVolumesAreReplacedInTheStock": {
			list:    `{"items":[{"metadata":{"name":"volume-0001"},"status":{"phase":"Bound"}}]}`,
			missing: Stock,
		},
		"AvailableAndNewVolumesCount": {
			list:    `{"items":[{"metadata":{"name":"volume-0001"},"status":{"phase":"Available"}},{"metadata":{"name":"volume-0002"}}]}`,
			missing: Stock - 2,
		},
		"ReleasedVolumesGo": {
			list:     `{"items":[{"metadata":{"name":"volume-0001"},"status":{"phase":"Released"}}]}`,
			released: []string{"volume-0001"},
			missing:  Stock,
		},
		"VolumesOfOthersAreLeftAlone": {
			list:    `{"items":[{"metadata":{"name":"mine"},"status":{"phase":"Released"}},{"metadata":{"name":"also"},"status":{"phase":"Available"}}]}`,
			missing: Stock,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var list List
			if err := json.Unmarshal([]byte(c.list), &list); err != nil {
				t.Fatal(err)
			}
			released, missing := plan(list)
			if !slices.Equal(released, c.released) || missing != c.missing {
				t.Errorf("plan = %v, %d; want %v, %d", released, missing, c.released, c.missing)
			}
		})
	}
}
