package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/internal/operation"
)

const (
	urnSlow = "urn:pulumi:dev::demo::testing:index:Sleep::slow"
	urnFile = "urn:pulumi:dev::demo::testing:index:File::file"
)

// lasting is a program with a file, and a resource that takes the given number of seconds to make.
func lasting(file, seconds string) map[string]string {
	return yaml(`resources:
  file: {type: testing:File, properties: {path: ` + file + `, content: made}}
  slow: {type: testing:Sleep, properties: {label: slow, seconds: ` + seconds + `}, options: {dependsOn: ["${file}"]}}
`)
}

// looking has an operation look for pending operations.
func looking(policy operation.PendingPolicy) func(*operation.Operation) {
	return func(op *operation.Operation) { op.PendingPolicy = policy }
}

// interrupt kills the CLI while it makes a resource, and lifts the lock that it left.
func interrupt(t *testing.T, p *pod, file string) {
	t.Helper()
	p.hub.offer(up("killed", p.store.put(t, lasting(file, "300"), "")))
	p.underWay()
	for _, pid := range p.children() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	result := p.hub.result("killed")
	if result.GetOutcome() != operation.Outcome_INTERRUPTED || !result.GetInterrupted() || result.GetPending() != nil {
		t.Fatalf("the killed operation: %v", result)
	}
	if err := os.RemoveAll(filepath.Join(p.state, ".pulumi", "locks")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"creating " + urnSlow}, stateOf(t, p).pending); diff != "" {
		t.Fatalf("the kill left (-want +got):\n%s", diff)
	}
}

// stored is what a test wants to know of a state.
type stored struct {
	pending []string
	// content is that of the file as the state has it.
	content string
}

// stateOf reads the state of the stack in the backend.
func stateOf(t *testing.T, p *pod) stored {
	t.Helper()
	var from struct {
		Checkpoint struct {
			Latest struct {
				Resources []struct {
					URN     string         `json:"urn"`
					Outputs map[string]any `json:"outputs"`
				} `json:"resources"`
				Pending []struct {
					Type     string `json:"type"`
					Resource struct {
						URN string `json:"urn"`
					} `json:"resource"`
				} `json:"pending_operations"`
			} `json:"latest"`
		} `json:"checkpoint"`
	}
	text, err := os.ReadFile(statePath(p))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &from); err != nil {
		t.Fatal(err)
	}
	var s stored
	for _, one := range from.Checkpoint.Latest.Pending {
		s.pending = append(s.pending, one.Type+" "+one.Resource.URN)
	}
	for _, resource := range from.Checkpoint.Latest.Resources {
		if resource.URN == urnFile {
			s.content, _ = resource.Outputs["content"].(string)
		}
	}
	return s
}

func statePath(p *pod) string { return filepath.Join(p.state, ".pulumi", "stacks", "demo", "dev.json") }

// TestPendingCreatesAreCleared kills the CLI in the middle of a create, and looks at each step of the next operation.
func TestPendingCreatesAreCleared(t *testing.T) {
	p := withProvider(t)
	file := filepath.Join(t.TempDir(), "file")
	interrupt(t, p, file)
	if err := os.WriteFile(file, []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(statePath(p))
	if err != nil {
		t.Fatal(err)
	}

	t.Log("nothing changes before the manager has kept the state")
	mark := len(p.log.text())
	p.hub.offer(up("next", p.store.put(t, lasting(file, "0"), ""), looking(operation.PendingPolicy_PENDING_REFRESH)))
	p.hub.wait("send a snapshot", func() bool { return len(p.hub.snapshots) == 1 })
	t.Log("a manager that dies before it has answered is sent it again")
	p.hub.stop()
	p.hub.start(p.hub.address)
	p.hub.wait("send the snapshot again", func() bool { return len(p.hub.snapshots) == 2 })
	after, err := os.ReadFile(statePath(p))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("the state was changed before it was kept")
	}
	if diff := cmp.Diff([]string{"stack select", "stack export"}, p.started(mark)); diff != "" {
		t.Errorf("processes before the state is kept (-want +got):\n%s", diff)
	}
	p.hub.mu.Lock()
	p.hub.answer = &operation.SnapshotKept{Secret: "app-snapshot"}
	p.hub.answerSnapshot()
	snapshot := p.hub.snapshots[1]
	p.hub.mu.Unlock()

	result := p.hub.result("next")
	wantSuccess(t, result)
	if result.GetPending().GetOutcome() != operation.PendingOutcome_CLEARED || result.GetInterrupted() {
		t.Errorf("pending: %v, interrupted: %v", result.GetPending(), result.GetInterrupted())
	}
	if diff := cmp.Diff([]string{"stack select", "stack export", "refresh --clear-pending-creates", "up"}, p.started(mark)); diff != "" {
		t.Errorf("processes (-want +got):\n%s", diff)
	}
	if left := stateOf(t, p).pending; len(left) > 0 {
		t.Errorf("still pending: %v", left)
	}

	t.Log("the snapshot is the state as it was, and names what was interrupted")
	if snapshot.GetCount() != 1 || snapshot.GetPending()[0].GetType() != "creating" || snapshot.GetPending()[0].GetUrn() != urnSlow || snapshot.GetPartial() != "" {
		t.Errorf("the snapshot says %v", snapshot)
	}
	if text := unpacked(t, snapshot); !strings.Contains(text, `"pending_operations"`) || !strings.Contains(text, urnFile) {
		t.Errorf("the snapshot has no whole state: %.200s", text)
	}
	if exported, err := os.ReadDir(filepath.Join(p.share, ".gantry", "exported")); err != nil || len(exported) > 0 {
		t.Errorf("the exported state is left on the pod's disk: %v, %v", exported, err)
	}

	t.Log("the next one finds nothing, and one that is not to look does not")
	for policy, want := range map[operation.PendingPolicy][]string{
		operation.PendingPolicy_PENDING_REFRESH:  {"stack export", "up"},
		operation.PendingPolicy_PENDING_UNLOOKED: {"up"},
	} {
		mark := len(p.log.text())
		result := p.hub.run(up("then-"+policy.String(), p.store.put(t, lasting(file, "0"), ""), looking(policy)))
		wantSuccess(t, result)
		if got := result.GetPending(); (got != nil) != (policy == operation.PendingPolicy_PENDING_REFRESH) || (got != nil && got.GetOutcome() != operation.PendingOutcome_NONE) {
			t.Errorf("%s: pending: %v", policy, got)
		}
		if diff := cmp.Diff(want, p.started(mark)); diff != "" {
			t.Errorf("%s: processes (-want +got):\n%s", policy, diff)
		}
	}
}

// unpacked is the deployment of a snapshot.
func unpacked(t *testing.T, snapshot *operation.Snapshot) string {
	t.Helper()
	reader, err := gzip.NewReader(bytes.NewReader(snapshot.GetDeployment()))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPendingOperations runs every policy over a state in which the file was being updated and another resource created,
// after somebody changed the file.
func TestPendingOperations(t *testing.T) {
	creating, updating := "creating "+urnSlow, "updating "+urnFile
	drift := &operation.Options{Refresh: true, ExpectNoRefreshChanges: true}
	cases := map[string]struct {
		reason string
		policy operation.PendingPolicy
		kind   operation.Type
		option *operation.Options
		// refused is the manager's answer; broken makes the refresh fail.
		refused string
		broken  bool
		outcome operation.PendingOutcome_Outcome
		message string
		// left is what is pending then, content what the state has of the file.
		left    []string
		content string
		failure string
	}{
		"Refresh": {
			reason: "what was changed is adopted by the refresh", policy: operation.PendingPolicy_PENDING_REFRESH, kind: operation.Type_UP,
			outcome: operation.PendingOutcome_CLEARED, content: "made",
		},
		"Keep": {
			reason: "a create stays pending until somebody clears it; the engine itself drops the rest", policy: operation.PendingPolicy_PENDING_KEEP,
			kind: operation.Type_UP, outcome: operation.PendingOutcome_KEPT, left: []string{creating}, content: "made",
		},
		"Refused": {
			reason: "without a snapshot nothing is cleared, and the operation goes on", policy: operation.PendingPolicy_PENDING_REFRESH, kind: operation.Type_UP,
			refused: "the namespace goes", outcome: operation.PendingOutcome_FAILED, message: "the namespace goes", left: []string{creating}, content: "made",
		},
		"RefreshFails": {
			reason: "a provider that cannot read does not keep the stack from being updated", policy: operation.PendingPolicy_PENDING_REFRESH, kind: operation.Type_UP,
			broken: true, outcome: operation.PendingOutcome_FAILED, message: "the refresh failed: " + urnFile, content: "made",
		},
		"RefreshItself": {
			reason: "a refresh adopts what was changed", policy: operation.PendingPolicy_PENDING_REFRESH, kind: operation.Type_REFRESH,
			outcome: operation.PendingOutcome_CLEARED, content: "changed",
		},
		"Destroy": {
			reason: "a destroy leaves nothing pending", policy: operation.PendingPolicy_PENDING_REFRESH, kind: operation.Type_DESTROY,
			outcome: operation.PendingOutcome_CLEARED,
		},
		"Preview": {
			reason: "a preview changes nothing", policy: operation.PendingPolicy_PENDING_REFRESH, kind: operation.Type_PREVIEW,
			left: []string{creating, updating}, content: "made",
		},
		"Target": {
			reason: "only the targets and what was interrupted are refreshed", policy: operation.PendingPolicy_PENDING_REFRESH, kind: operation.Type_UP,
			option: &operation.Options{Target: []string{urnSlow}}, outcome: operation.PendingOutcome_CLEARED, content: "changed",
		},
		"NoDrift": {
			reason: "what was interrupted was not changed by anybody outside", policy: operation.PendingPolicy_PENDING_REFRESH, kind: operation.Type_UP,
			option: drift, outcome: operation.PendingOutcome_CLEARED, content: "made",
		},
		"Drift": {
			reason: "who does not look takes it for a change from outside", policy: operation.PendingPolicy_PENDING_UNLOOKED, kind: operation.Type_UP,
			option: drift, left: []string{creating, updating}, content: "made", failure: "expectNoRefreshChanges",
		},
	}
	p := withProvider(t)
	file := filepath.Join(t.TempDir(), "file")
	interrupt(t, p, file)
	pendingToo(t, p)
	state, err := os.ReadFile(statePath(p))
	if err != nil {
		t.Fatal(err)
	}
	source := p.store.put(t, lasting(file, "0"), "")
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			for path, text := range map[string][]byte{statePath(p): state, file: []byte("changed")} {
				if err := os.RemoveAll(path); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if tc.broken {
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
				if err := os.Mkdir(file, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			p.hub.mu.Lock()
			p.hub.answer = &operation.SnapshotKept{Secret: "kept", Refused: tc.refused}
			p.hub.mu.Unlock()
			options := tc.option
			if options == nil {
				options = &operation.Options{}
			}
			result := p.hub.run(up("case-"+name, source, asked(tc.kind, options), looking(tc.policy)))
			if tc.failure == "" {
				wantSuccess(t, result)
			} else if !strings.Contains(result.GetMessage(), tc.failure) {
				t.Errorf("%s: %s", tc.reason, result.GetMessage())
			}
			if got := result.GetPending(); got.GetOutcome() != tc.outcome || !strings.Contains(got.GetMessage(), tc.message) || (tc.message == "") != (got.GetMessage() == "") {
				t.Errorf("%s: pending is %v, want %v: %s", tc.reason, got, tc.outcome, tc.message)
			}
			if got := stateOf(t, p); !cmp.Equal(tc.left, got.pending) || got.content != tc.content {
				t.Errorf("%s: left are %q and the file %q, want %q and %q", tc.reason, got.pending, got.content, tc.left, tc.content)
			}
		})
	}
}

// pendingToo puts into the state that the file was being updated.
func pendingToo(t *testing.T, p *pod) {
	t.Helper()
	text, err := os.ReadFile(statePath(p))
	if err != nil {
		t.Fatal(err)
	}
	var state map[string]any
	if err := json.Unmarshal(text, &state); err != nil {
		t.Fatal(err)
	}
	latest := state["checkpoint"].(map[string]any)["latest"].(map[string]any)
	for _, resource := range latest["resources"].([]any) {
		if resource.(map[string]any)["urn"] == urnFile {
			latest["pending_operations"] = append(latest["pending_operations"].([]any), map[string]any{"type": "updating", "resource": resource})
		}
	}
	if text, err = json.Marshal(state); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(statePath(p), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCancelWhileTheSnapshotIsNotKept(t *testing.T) {
	p := withProvider(t)
	file := filepath.Join(t.TempDir(), "file")
	interrupt(t, p, file)
	p.hub.offer(up("next", p.store.put(t, lasting(file, "0"), ""), looking(operation.PendingPolicy_PENDING_REFRESH)))
	p.hub.wait("send a snapshot", func() bool { return len(p.hub.snapshots) == 1 })
	p.hub.cancel("next", "the Update was deleted")
	if result := p.hub.result("next"); result.GetOutcome() != operation.Outcome_CANCELED || result.GetInterrupted() {
		t.Errorf("outcome %v, interrupted %v: %s", result.GetOutcome(), result.GetInterrupted(), result.GetMessage())
	}
	if left := stateOf(t, p).pending; len(left) != 1 {
		t.Errorf("pending are %v", left)
	}
}
