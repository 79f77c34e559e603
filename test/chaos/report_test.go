package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func TestTheTableIsRecorded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chaos.json")
	rows := []row{{Fault: "pod killed", Injected: 3, Lost: 1, Twice: 2, Orphaned: 4, Locks: 5, Seconds: 1.5, harms: []string{"Update a has no result"}}}
	if err := write(path, rows); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{{
		"fault": "pod killed", "injected": 3.0, "lost": 1.0, "twice": 2.0, "orphaned": 4.0, "locks": 5.0, "seconds": 1.5,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("chaos.json (-want +got):\n%s", diff)
	}
	if printed := table(rows); !strings.Contains(printed, "pod killed: Update a has no result") || !strings.Contains(printed, "HARM") {
		t.Errorf("the table does not say what was wrong:\n%s", printed)
	}
}

func TestVerdict(t *testing.T) {
	cases := map[string]struct {
		row row
		bad bool
	}{
		"Harmless":    {row{Fault: "f", Injected: 1, Seconds: 2}, false},
		"NotInjected": {row{Fault: "f"}, true},
		"Lost":        {row{Fault: "f", Injected: 1, Lost: 1}, true},
		"Twice":       {row{Fault: "f", Injected: 1, Twice: 1}, true},
		"Orphaned":    {row{Fault: "f", Injected: 1, Orphaned: 1}, true},
		"Locked":      {row{Fault: "f", Injected: 1, Locks: 1}, true},
		"Slow":        {row{Fault: "f", Injected: 1, Seconds: soon + 1}, true},
		"Words":       {row{Fault: "f", Injected: 1, harms: []string{"the state has 1 pending operations"}}, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if err := verdict([]row{tc.row}); (err != nil) != tc.bad {
				t.Errorf("the verdict is %v", err)
			}
		})
	}
}

func TestChoose(t *testing.T) {
	all := []fault{{name: "a", times: 3, short: 1}, {name: "b", times: 3}, {name: "c", times: 1, short: 1}}
	cases := map[string]struct {
		options options
		want    []string
		refused bool
	}{
		"All":     {options{}, []string{"a", "b", "c"}, false},
		"Short":   {options{short: true}, []string{"a", "c"}, false},
		"Named":   {options{only: "c, b", short: true}, []string{"b", "c"}, false},
		"Unknown": {options{only: "a,d"}, nil, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			chosen, err := choose(all, tc.options)
			if (err != nil) != tc.refused {
				t.Fatalf("the error is %v", err)
			}
			var names []string
			for _, f := range chosen {
				names = append(names, f.name)
			}
			if diff := cmp.Diff(tc.want, names); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestFaultsAreWhole(t *testing.T) {
	names := map[string]bool{}
	for _, f := range faults() {
		if f.name == "" || f.times < 1 || f.short > f.times || f.inject == nil || names[f.name] {
			t.Errorf("the fault %q is not whole, or there twice", f.name)
		}
		names[f.name] = true
		for _, text := range append([]string{overlay}, f.overlays...) {
			if err := yaml.UnmarshalStrict([]byte(text), &map[string]any{}); err != nil {
				t.Errorf("the fault %q changes its Stack by what is no YAML: %v", f.name, err)
			}
		}
	}
}
