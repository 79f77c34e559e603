package runner

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/gantry-operator/gantry/internal/agent/cli"
	"github.com/gantry-operator/gantry/internal/agent/engine"
	"github.com/gantry-operator/gantry/internal/operation"
)

const (
	bucket = "urn:pulumi:dev::demo::aws:s3/bucket:Bucket::logs"
	whole  = "urn:pulumi:dev::demo::pulumi:pulumi:Stack::demo-dev"
)

func diagnostic(urn, message string) apitype.EngineEvent {
	return apitype.EngineEvent{DiagnosticEvent: &apitype.DiagnosticEvent{URN: urn, Message: message, Severity: "error"}}
}

func TestEngineMessage(t *testing.T) {
	cases := map[string]struct {
		reason string
		events []apitype.EngineEvent
		ending cli.Ending
		want   string
	}{
		"Resource": {
			reason: "the resource and the provider's words come first, and noise not at all",
			events: []apitype.EngineEvent{
				diagnostic(whole, "update failed"), diagnostic("", "Duplicate"), diagnostic(bucket, "error: access denied\n"),
				{ErrorEvent: &apitype.ErrorEvent{Error: "snapshot mismatch: actual and expected resources differ"}},
			},
			want: bucket + ": access denied\nDuplicate",
		},
		"FailedWithoutWords": {
			reason: "a resource whose provider said nothing is named all the same",
			events: []apitype.EngineEvent{{ResOpFailedEvent: &apitype.ResOpFailedEvent{
				Metadata: apitype.StepEventMetadata{URN: bucket},
			}}},
			want: bucket + ": failed",
		},
		"Program": {
			reason: "a failing program is not a resource",
			events: []apitype.EngineEvent{diagnostic(whole, "Running program failed: x is not defined")},
			want:   "Running program failed: x is not defined",
		},
		"OnlyTheCLI": {
			reason: "without events the CLI's error is what there is",
			ending: cli.Ending{Code: 255, Stderr: "warning: old\nerror: no changes were expected\nbut some were proposed"},
			want:   "no changes were expected\nbut some were proposed",
		},
		"RefersBack": {
			reason: "what the CLI refers back to is told too",
			ending: cli.Ending{Code: 1, Stderr: "warning: old\n[404] Not Found: Environment 'a' not found\nerror: opening environment: too many errors"},
			want:   "opening environment: too many errors: [404] Not Found: Environment 'a' not found",
		},
		"NoError": {
			reason: "without an error the last lines are",
			ending: cli.Ending{Code: 1, Stdout: "one\ntwo\n"},
			want:   "one\ntwo",
		},
		"LanguageHost": {
			reason: "a language host writes its errors among other lines",
			ending: cli.Ending{Code: 255, Stdout: "Updating (dev):\n    Will retry in 1s\n    Error: error resolving type of resource a: no plugin\n      on Pulumi.yaml line 4:"},
			want:   "error resolving type of resource a: no plugin\n      on Pulumi.yaml line 4:",
		},
		"Silence": {reason: "and without any words the code is", ending: cli.Ending{Code: 3}, want: "it ended with exit code 3 and said nothing"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tracker := engine.NewTracker()
			for _, event := range tc.events {
				tracker.Apply(event)
			}
			if diff := cmp.Diff(tc.want, engineMessage(tracker, tc.ending)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestMessagesAreBounded(t *testing.T) {
	tracker := engine.NewTracker()
	for i := range 100 {
		tracker.Apply(diagnostic(bucket+string(rune('a'+i%26))+strings.Repeat("é", i), strings.Repeat("é", 1500)))
	}
	got := engineMessage(tracker, cli.Ending{})
	if len(got) > maxMessage || !utf8.ValidString(got) || !strings.Contains(got, "more; see the log") {
		t.Errorf("%d bytes, valid %v, end %q", len(got), utf8.ValidString(got), got[len(got)-60:])
	}
}

func TestWordsOfAnInstallation(t *testing.T) {
	cases := map[string]struct {
		reason string
		ending cli.Ending
		want   string
	}{
		"NPM": {
			reason: "npm says what is wrong before pulumi does, which says it twice",
			ending: cli.Ending{
				Code: 1, Stdout: "Installing dependencies...\n",
				Stderr: "npm error code E404\nerror: installing dependencies: npm install failed: exit status 1\nnpm install failed: exit status 1",
			},
			want: "installing dependencies: npm install failed: exit status 1\nnpm error code E404",
		},
		"Stdout": {
			reason: "other tools write to standard output",
			ending: cli.Ending{Code: 1, Stdout: "yarn: no package\n", Stderr: "error: installing dependencies failed"},
			want:   "installing dependencies failed\nyarn: no package",
		},
		"OnlyTool": {
			reason: "pulumi may say nothing itself",
			ending: cli.Ending{Code: 1, Stderr: "go: no such module"},
			want:   "go: no such module",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, installWords(tc.ending)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestClassify(t *testing.T) {
	cases := map[string]struct{ words, want string }{
		"Cloud":   {"error: [409] Conflict: Another update is currently in progress.", operation.ReasonConflict},
		"Locked":  {"error: the stack is currently locked by 1 lock(s).", operation.ReasonConflict},
		"Token":   {"error: invalid access token", operation.ReasonInvalidAccessToken},
		"NoToken": {"error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions", operation.ReasonInvalidAccessToken},
		"Other":   {"error: no stack named 'x' found", "Usual"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := classify(tc.words, "Usual"); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestSuccessMessage(t *testing.T) {
	got := successMessage(operation.Type_UP, map[string]int32{"same": 2, "create": 1, "update": 0})
	if diff := cmp.Diff("up succeeded: 1 created, 2 unchanged", got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("preview succeeded", successMessage(operation.Type_PREVIEW, nil)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
