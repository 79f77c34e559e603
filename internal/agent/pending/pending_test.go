package pending_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/internal/agent/pending"
)

// exported is a file with a state.
func exported(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// state has one resource, of which one operation is pending twice, and a create.
const state = `{"version": 3, "deployment": {"manifest": {"version": "v3"}, "secrets_providers": {"type": "passphrase"},
"resources": [{"urn": "urn:stack", "type": "pulumi:pulumi:Stack"}, {"urn": "urn:known", "type": "a:b:C", "inputs": {"secret": "canary"}}],
"pending_operations": [{"type": "updating", "resource": {"urn": "urn:known", "type": "a:b:C"}},
{"type": "creating", "resource": {"urn": "urn:new", "type": "a:b:C"}}, {"type": "updating", "resource": {"urn": "urn:known", "type": "a:b:C"}}]}}`

func TestRead(t *testing.T) {
	cases := map[string]struct {
		text    string
		want    []string
		targets []string
		failure string
	}{
		"Some":      {text: state, want: []string{"updating urn:known", "creating urn:new"}, targets: []string{"urn:known"}},
		"None":      {text: `{"version": 3, "deployment": {"resources": [{"urn": "urn:stack", "type": "pulumi:pulumi:Stack"}]}}`, targets: []string{"urn:stack"}},
		"Empty":     {text: `{"version": 3, "deployment": {}}`},
		"NewFields": {text: `{"version": 4, "features": ["x"], "deployment": {"metadata": {}}}`},
		"NoJSON":    {text: `canary`, failure: "no JSON of a deployment"},
		"OddOne":    {text: `{"deployment": {"pending_operations": [{"type": "creating", "resource": "canary"}]}}`, failure: "cannot be read"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			read, err := pending.Read(exported(t, tc.text))
			if tc.failure != "" {
				if err == nil || !strings.Contains(err.Error(), tc.failure) || strings.Contains(err.Error(), "canary") {
					t.Errorf("error %v, want one that says %q and nothing of the state", err, tc.failure)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, one := range read.Operations {
				got = append(got, one.GetType()+" "+one.GetUrn())
			}
			if !cmp.Equal(tc.want, got) || !cmp.Equal(tc.targets, read.Targets()) {
				t.Errorf("pending are %q and targets %q, want %q and %q", got, read.Targets(), tc.want, tc.targets)
			}
			if read.Has("urn:known") != (name == "Some") || read.Has("urn:stack") {
				t.Errorf("what is pending is not known")
			}
		})
	}
	if (*pending.State)(nil).Has("urn:known") {
		t.Error("no state has something pending")
	}
}

// unpacked is what a snapshot holds.
func unpacked(t *testing.T, deployment []byte) string {
	t.Helper()
	reader, err := gzip.NewReader(bytes.NewReader(deployment))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSnapshotIsTheWholeStateWhereItFits(t *testing.T) {
	read, err := pending.Read(exported(t, state))
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := read.Snapshot(10 << 10)
	if err != nil {
		t.Fatal(err)
	}
	if got := unpacked(t, snapshot.GetDeployment()); got != state || snapshot.GetPartial() != "" || snapshot.GetCount() != 2 || len(snapshot.GetPending()) != 2 {
		t.Errorf("the snapshot says %v and holds %s", snapshot, got)
	}
}

func TestSnapshotOfALargeState(t *testing.T) {
	// What is random cannot be compressed.
	noise := func(size int) string {
		text := make([]byte, size)
		for i := range text {
			text[i] = "0123456789abcdefghijklmnopqrstuvwxyz"[rand.IntN(36)]
		}
		return string(text)
	}
	var all []map[string]any
	for i := range 30 {
		all = append(all, map[string]any{"type": "creating", "resource": map[string]any{"urn": fmt.Sprintf("urn:%d", i), "inputs": noise(200)}})
	}
	text, err := json.Marshal(map[string]any{"version": 3, "deployment": map[string]any{
		"resources": []map[string]any{{"urn": "urn:large", "inputs": noise(100 << 10)}}, "pending_operations": all,
	}})
	if err != nil {
		t.Fatal(err)
	}
	read, err := pending.Read(exported(t, string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[int]string{20 << 10: "only its pending operations are kept", 1 << 10: "so are its pending operations alone"} {
		snapshot, err := read.Snapshot(limit)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(snapshot.GetPartial(), want) || len(snapshot.GetDeployment()) > limit || snapshot.GetCount() != 30 || len(snapshot.GetPending()) != 20 {
			t.Errorf("with a limit of %d: %q, %d bytes, %d of %d listed", limit, snapshot.GetPartial(), len(snapshot.GetDeployment()), len(snapshot.GetPending()), snapshot.GetCount())
		}
		if limit < 10<<10 {
			continue
		}
		if kept := unpacked(t, snapshot.GetDeployment()); !strings.Contains(kept, `"urn:29"`) || strings.Contains(kept, "urn:large") || !strings.Contains(kept, `"version":3`) {
			t.Errorf("kept is %.300s", kept)
		}
	}
}
