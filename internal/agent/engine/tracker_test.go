package engine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gantry-operator/gantry/internal/agent/engine"
	"github.com/gantry-operator/gantry/internal/operation"
)

const (
	urn   = "urn:pulumi:dev::demo::kubernetes:core/v1:Namespace::"
	stack = `"urn:pulumi:dev::demo::pulumi:pulumi:Stack::demo-dev","type":"pulumi:pulumi:Stack"`
)

func pre(op, name string) string {
	return `{"resourcePreEvent":{"metadata":{"op":"` + op + `","urn":"` + urn + name + `","type":"kubernetes:core/v1:Namespace"}}}`
}

func outputs(op, name string) string {
	return strings.Replace(pre(op, name), "resourcePreEvent", "resOutputsEvent", 1)
}

func failed(name string) string {
	return strings.Replace(pre("create", name), "resourcePreEvent", "resOpFailedEvent", 1)
}

// track gives the tracker the lines through a log on the disk.
func track(t *testing.T, lines ...string) *engine.Tracker {
	t.Helper()
	path := filepath.Join(t.TempDir(), "events.json")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tracker := engine.NewTracker()
	if err := engine.NewLog(path).Drain(tracker); err != nil {
		t.Fatal(err)
	}
	return tracker
}

func TestProgress(t *testing.T) {
	cases := map[string]struct {
		reason string
		lines  []string
		done   int32
		step   string
	}{
		"Nothing": {reason: "nothing has happened yet"},
		"Creating": {
			reason: "what is under way is said in words",
			lines:  []string{pre("create", "demo")}, step: "creating kubernetes:core/v1:Namespace demo",
		},
		"Several": {
			reason: "of several the newest is named",
			lines:  []string{pre("create", "a"), pre("delete", "b"), pre("update", "c")},
			step:   "updating kubernetes:core/v1:Namespace c and 2 more",
		},
		"Done": {
			reason: "what has ended counts, and is under way no more",
			lines:  []string{pre("create", "a"), pre("create", "b"), outputs("create", "b")}, done: 1,
			step: "creating kubernetes:core/v1:Namespace a",
		},
		"Replaced": {
			reason: "a resource counts once, however many steps it takes",
			lines: []string{pre("create-replacement", "a"), outputs("create-replacement", "a"), pre("replace", "a"),
				outputs("replace", "a"), pre("delete-replaced", "a")},
			done: 1, step: "deleting the replaced kubernetes:core/v1:Namespace a",
		},
		"Unchanged": {
			reason: "what does not change is no step, and is done at once",
			lines:  []string{pre("same", "a"), outputs("same", "a")}, done: 1,
		},
		"Failed": {reason: "what failed is not done", lines: []string{pre("create", "a"), failed("a")}},
		"StackItself": {
			reason: "the stack is not one of its resources",
			lines: []string{`{"resourcePreEvent":{"metadata":{"op":"create","urn":` + stack + `}}}`,
				`{"resOutputsEvent":{"metadata":{"op":"create","urn":` + stack + `}}}`},
		},
		"Provider": {
			reason: "nor is a provider",
			lines: []string{`{"resourcePreEvent":{"metadata":{"op":"create","urn":"p","type":"pulumi:providers:aws"}}}`,
				`{"resOutputsEvent":{"metadata":{"op":"create","urn":"p","type":"pulumi:providers:aws"}}}`},
		},
		"Download": {
			reason: "a plugin on its way is a step",
			lines:  []string{`{"progressEvent":{"type":"plugin-download","message":"Downloading provider: aws","done":false}}`},
			step:   "downloading provider: aws",
		},
		"Downloaded": {
			reason: "a plugin that is there is none",
			lines: []string{`{"progressEvent":{"message":"Downloading provider: aws","done":false}}`,
				`{"progressEvent":{"message":"","done":true}}`},
		},
		"Garbage": {
			reason: "what cannot be read does not hide what can",
			lines:  []string{"{", "null", "[]", pre("create", "a")}, step: "creating kubernetes:core/v1:Namespace a",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tracker := track(t, tc.lines...)
			if tracker.Done() != tc.done || tracker.Step() != tc.step {
				t.Errorf("%s: %d done, step %q; want %d, %q", tc.reason, tracker.Done(), tracker.Step(), tc.done, tc.step)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	tracker := track(t,
		`{"diagnosticEvent":{"urn":"`+urn+`a","message":"<{%reset%}>namespaces is forbidden<{%reset%}>\n","severity":"error"}}`,
		`{"diagnosticEvent":{"urn":"`+urn+`a","message":"namespaces is forbidden","severity":"error"}}`,
		`{"diagnosticEvent":{"message":"only a warning","severity":"warning"}}`,
		`{"diagnosticEvent":{"message":"passing","severity":"error","ephemeral":true}}`,
		`{"policyEvent":{"resourceUrn":"`+urn+`b","message":"no","policyName":"p","policyPackName":"pack","enforcementLevel":"mandatory"}}`,
		failed("a"), failed("a"),
		`{"summaryEvent":{"resourceChanges":{"create":2,"same":1},"result":"failed"}}`,
	)
	want := []engine.Diagnostic{{URN: urn + "a", Message: "namespaces is forbidden"}, {URN: urn + "b", Message: "policy pack p: no", Policy: true}}
	if diff := cmp.Diff(want, tracker.Errors()); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{urn + "a"}, tracker.Failed()); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int32{"create": 2, "same": 1}, tracker.Changes()); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestChanged(t *testing.T) {
	updated := strings.Replace(outputs("update", "b"), `"op"`, `"diffs":["content"],"op"`, 1)
	tracker := track(t, pre("refresh", "a"), outputs("same", "a"), pre("refresh", "b"), updated, pre("refresh", "c"), outputs("delete", "c"),
		`{"resOutputsEvent":{"metadata":{"op":"update","urn":`+stack+`}}}`)
	want := []engine.Change{{URN: urn + "b", Op: "update", Properties: []string{"content"}}, {URN: urn + "c", Op: "delete"}}
	if diff := cmp.Diff(want, tracker.Changed()); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
}

func TestOutputs(t *testing.T) {
	hidden := `{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270","ciphertext":"[secret]"}`
	tracker := track(t, `{"resOutputsEvent":{"metadata":{"op":"same","urn":`+stack+`,"new":{"outputs":{`+
		`"plain":{"a":[1.5,"x"]},"id":123456789012345678,"secret":`+hidden+`,"deep":{"a":[`+hidden+`]},"old":"[secret]"}}}}}`)
	got, known, err := tracker.Outputs()
	if err != nil || !known {
		t.Fatalf("outputs are known: %v, error %v", known, err)
	}
	secret := map[string]bool{}
	for name, output := range got {
		secret[name] = output.GetSecret()
	}
	if diff := cmp.Diff(map[string]bool{"plain": false, "id": false, "secret": true, "deep": true, "old": true}, secret); diff != "" {
		t.Errorf("secret outputs (-want +got):\n%s", diff)
	}
	if string(got["id"].GetJson()) != "123456789012345678" {
		t.Errorf("a large number became %s", got["id"].GetJson())
	}
	revealed, err := engine.Reveal(got, `{"plain": {"a": [1.5, "x"]}, "secret": "s", "new": 1}`)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]*operation.Output{
		"plain":  {Json: []byte(`{"a":[1.5,"x"]}`)},
		"secret": {Json: []byte(`"s"`), Secret: true},
		"new":    {Json: []byte(`1`), Secret: true},
	}
	if diff := cmp.Diff(want, revealed, protocmp.Transform()); diff != "" {
		t.Errorf("revealed (-want +got):\n%s", diff)
	}
	if _, err := engine.Reveal(got, `canary`); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("what cannot be read as outputs gave the error %v", err)
	}
}

func TestNoOutputsAreKnownBeforeTheStackIsDone(t *testing.T) {
	if _, known, err := track(t, pre("create", "a")).Outputs(); known || err != nil {
		t.Errorf("outputs are known: %v, error %v", known, err)
	}
}

func TestAnEventInTheMakingIsReadLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.json")
	log, tracker := engine.NewLog(path), engine.NewTracker()
	text := ""
	for i, piece := range []struct {
		text string
		some bool
	}{{"", false}, {pre("create", "a")[:20], false}, {pre("create", "a")[20:] + "\n{", true}, {"}\n", true}} {
		text += piece.text
		if i > 0 {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		some, err := log.Read(tracker)
		if err != nil || some != piece.some {
			t.Fatalf("piece %d: some %v, error %v", i, some, err)
		}
	}
	if tracker.Step() != "creating kubernetes:core/v1:Namespace a" {
		t.Errorf("step %q", tracker.Step())
	}
}
