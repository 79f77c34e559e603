package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWorldIsReadFromItsFolder(t *testing.T) {
	w := world{folder: t.TempDir()}
	files := map[string]string{
		"log":           "2030-01-01T00:00:00.5Z begin middle pod-1\n2030-01-01T00:00:01Z end middle pod-1\n",
		"things/middle": "", "things/last": "",
		".pulumi/locks/organization/things/steady/x.json": "{}", ".pulumi/locks/organization/things/steady/x.json.attrs": "{}",
		".pulumi/stacks/things/steady.json": `{"version": 3, "checkpoint": {"latest": {
			"resources": [{"type": "pulumi:pulumi:Stack"}, {"type": "testing:index:Thing", "inputs": {"label": "last"}}],
			"pending_operations": [{"type": "creating"}]}}}`,
		".pulumi/stacks/things/steady.json.bak": "{}",
	}
	for name, text := range files {
		path := filepath.Join(w.folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e := evidence{}
	if err := e.read(w); err != nil {
		t.Fatal(err)
	}
	if count(e.lines, begun, middle) != 1 || count(e.lines, ended, last) != 0 || e.lines[0].pod != "pod-1" {
		t.Errorf("the lines are %+v", e.lines)
	}
	if diff := cmp.Diff([]string{"middle"}, e.unknown); diff != "" {
		t.Errorf("unknown things (-want +got):\n%s", diff)
	}
	if len(e.locks) != 1 || e.pending != 1 {
		t.Errorf("%d locks, %d pending operations, want one each", len(e.locks), e.pending)
	}
}

func TestAnEmptyWorldIsNoError(t *testing.T) {
	e := evidence{}
	if err := e.read(world{folder: t.TempDir()}); err != nil || len(e.lines)+len(e.locks)+len(e.unknown)+e.pending > 0 {
		t.Errorf("%+v, %v", e, err)
	}
}
