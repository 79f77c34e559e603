package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-operator/gantry/internal/operation"
)

// What fails for a cause that passes by itself is told from what fails for good, with the real CLI's events and words.
func TestAnOutageIsTransient(t *testing.T) {
	failing := func(name, message string) string {
		return "  " + name + `: {type: testing:Fail, properties: {message: "` + message + `"}}` + "\n"
	}
	throttled := failing("busy", "operation error S3: CreateBucket, https response error StatusCode: 503, api error SlowDown: Please reduce your request rate.")
	refused := failing("refused", "api error AccessDenied: Access Denied")
	cases := map[string]struct{ program, want string }{
		"Provider":        {"resources:\n" + throttled, operation.ReasonTransient},
		"ProviderRefuses": {"resources:\n" + refused, operation.ReasonFailed},
		"Mixed":           {"resources:\n" + throttled + refused, operation.ReasonFailed},
		"Program":         {"outputs: {y: \"${nothing}\", z: \"503 Service Unavailable\"}\n", operation.ReasonFailed},
	}
	p := withProvider(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			result := p.hub.run(up(name, p.store.put(t, yaml(tc.program), ""), func(op *operation.Operation) {
				op.Stack.Name, op.Options.ContinueOnError = strings.ToLower(name), true
			}))
			if result.GetOutcome() != operation.Outcome_FAILED || result.GetReason() != tc.want {
				t.Errorf("outcome %v, reason %s, want %s: %s", result.GetOutcome(), result.GetReason(), tc.want, result.GetMessage())
			}
		})
	}
}

func TestABackendOutOfReachIsTransient(t *testing.T) {
	p := newPod(t, realCLI(t), "PULUMI_BACKEND_URL=https://127.0.0.1:1", "PULUMI_ACCESS_TOKEN=pul-test")
	result := p.hub.run(up("one", p.store.put(t, yaml("outputs: {y: 1}\n"), "")))
	if result.GetOutcome() != operation.Outcome_FAILED || result.GetReason() != operation.ReasonTransient {
		t.Errorf("outcome %v, reason %s: %s", result.GetOutcome(), result.GetReason(), result.GetMessage())
	}
}

// An up that is to find nothing to refresh changes nothing where there is something, and names it.
func TestDriftFailsTheUpdate(t *testing.T) {
	p := withProvider(t)
	path, other := filepath.Join(p.share, "file"), filepath.Join(p.share, "other")
	source := p.store.put(t, yaml(`resources:
  file: {type: testing:File, properties: {path: "`+path+`", content: "ours"}}
  other: {type: testing:File, properties: {path: "`+other+`", content: "ours"}}
  same: {type: testing:Echo, properties: {value: 1}}
`), "")
	if result := p.hub.run(up("first", source)); strings.Contains(result.GetMessage(), "testing:index:File") {
		t.Fatalf("bin/doubles is older than test/doubles, run make tools: %s", result.GetMessage())
	} else {
		wantSuccess(t, result)
	}
	strict := func(op *operation.Operation) { op.Options.Refresh, op.Options.ExpectNoRefreshChanges = true, true }
	wantSuccess(t, p.hub.run(up("nothing", source, strict)))

	if err := os.WriteFile(path, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	mark := len(p.log.text())
	result := p.hub.run(up("drifted", source, strict))
	if result.GetOutcome() != operation.Outcome_FAILED || result.GetReason() != operation.ReasonFailed {
		t.Fatalf("outcome %v, reason %s: %s", result.GetOutcome(), result.GetReason(), result.GetMessage())
	}
	for _, want := range []string{
		"2 resources were changed outside of Pulumi", "testing:index:File::file: refresh would update it (content)", "testing:index:File::other: refresh would delete it",
	} {
		if !strings.Contains(result.GetMessage(), want) {
			t.Errorf("the message lacks %q: %s", want, result.GetMessage())
		}
	}
	if started := strings.Join(p.started(mark), ", "); started != "refresh --preview-only" {
		t.Errorf("the processes are %s", started)
	}
	if p.read("file") != "theirs" {
		t.Errorf("the file was changed to %q", p.read("file"))
	}

	// Without the wish the same drift is mended.
	wantSuccess(t, p.hub.run(up("mended", source, func(op *operation.Operation) { op.Options.Refresh = true })))
	if p.read("file") != "ours" || p.read("other") != "ours" {
		t.Errorf("the files hold %q and %q", p.read("file"), p.read("other"))
	}
	wantSuccess(t, p.hub.run(up("again", source, strict)))
}
