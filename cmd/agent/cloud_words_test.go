package main

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/test/doubles/pulumicloud"
)

// on makes the operation one on another stack.
func on(stack string) func(*operation.Operation) {
	return func(op *operation.Operation) { op.Stack.Name = stack }
}

// cloudWords is a line of the table of what the CLI says.
type cloudWords struct {
	call, answer, reason, words string
	status                      int
}

// readCloudWords reads the table.
func readCloudWords(t *testing.T) []cloudWords {
	t.Helper()
	text, err := os.ReadFile("../../internal/agent/runner/testdata/cloud-words.txt")
	if err != nil {
		t.Fatal(err)
	}
	var table []cloudWords
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), "|", 4)
		if strings.HasPrefix(line, "#") {
			continue
		}
		if len(fields) != 4 {
			t.Fatalf("not a line of the table: %q", line)
		}
		code, message, _ := strings.Cut(fields[1], " ")
		status, err := strconv.Atoi(code)
		if err != nil {
			t.Fatal(err)
		}
		table = append(table, cloudWords{call: fields[0], status: status, answer: message, reason: fields[2], words: fields[3]})
	}
	return table
}

func TestWhatTheCLISaysOfACloudThatRefuses(t *testing.T) {
	dir := realCLI(t)
	paths := map[string]string{
		"login": "^/api/user$", "stack": pulumicloud.OnStack, "environment": pulumicloud.OnEnvironment, "secrets": "/export$",
		"create": pulumicloud.OnCreate, "start": pulumicloud.OnStart, "checkpoint": pulumicloud.OnCheckpoint, "complete": pulumicloud.OnComplete,
	}
	for _, said := range readCloudWords(t) {
		if said.call == "renew" {
			continue // That takes minutes.
		}
		t.Run(said.call+strconv.Itoa(said.status), func(t *testing.T) {
			t.Parallel()
			cloud := pulumicloud.Start(t, "acme")
			p := newPod(t, dir, cloud.Env()...)
			if _, err := cloud.PutEnvironment("acme", "base", "values: {}\n"); err != nil {
				t.Fatal(err)
			}
			fault := pulumicloud.Fault{Path: paths[said.call], Status: said.status, Message: said.answer}
			if said.call == "start" {
				fault.Method = http.MethodPost
			}
			if err := cloud.Inject(fault); err != nil {
				t.Fatal(err)
			}
			op := up("one", p.store.put(t, yaml("outputs: {a: 1}\n"), ""), on("acme/demo/dev"))
			if said.call == "environment" {
				op.Stack.Environment = []string{"base"}
			}
			result := p.hub.run(op)
			if result.GetOutcome() != operation.Outcome_FAILED {
				t.Errorf("the outcome is %v: %s", result.GetOutcome(), result.GetMessage())
			}
			if said.reason != "-" && result.GetReason() != said.reason {
				t.Errorf("the reason is %s, want %s", result.GetReason(), said.reason)
			}
			if !strings.Contains(result.GetMessage(), said.words) {
				t.Errorf("the message is not %q: %s", said.words, result.GetMessage())
			}
		})
	}
}
