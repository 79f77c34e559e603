package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gantry-operator/gantry/internal/operation"
)

func wantSuccess(t *testing.T, result *operation.Result) {
	t.Helper()
	if result.GetOutcome() != operation.Outcome_SUCCEEDED {
		t.Fatalf("outcome %v, reason %s: %s", result.GetOutcome(), result.GetReason(), result.GetMessage())
	}
}

func TestUpGivesOutputsWithAsFewProcessesAsItTakes(t *testing.T) {
	p := newPod(t, realCLI(t))
	source := p.store.put(t, yaml("outputs:\n  hello: world\n  big: 9007199254740991\n  list: [1, {a: b}]\n"), "")
	result := p.hub.run(up("one", source))
	wantSuccess(t, result)
	want := map[string]*operation.Output{
		"hello": {Json: []byte(`"world"`)},
		"big":   {Json: []byte(`9007199254740991`)},
		"list":  {Json: []byte(`[1,{"a":"b"}]`)},
	}
	if diff := cmp.Diff(want, result.GetOutputs(), protocmp.Transform()); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&operation.ProjectInfo{Name: "demo", Runtime: "yaml"}, result.GetProject(), protocmp.Transform()); diff != "" {
		t.Errorf("project (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int32{"create": 1}, result.GetChanges()); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"stack select", "up"}, p.started(0)); diff != "" {
		t.Errorf("processes of a cold up (-want +got):\n%s", diff)
	}
	mark := len(p.log.text())
	result = p.hub.run(up("two", source))
	wantSuccess(t, result)
	if diff := cmp.Diff([]string{"up"}, p.started(mark)); diff != "" {
		t.Errorf("processes of a warm up (-want +got):\n%s", diff)
	}
	if p.store.requests() != 1 {
		t.Errorf("the artifact was fetched %d times, want once", p.store.requests())
	}
	if result.GetPulumiVersion() == "" {
		t.Error("the result does not say the CLI's version")
	}
}

func TestSecretOutputsAreReadByOneMoreProcess(t *testing.T) {
	p := newPod(t, realCLI(t))
	source := p.store.put(t, yaml(`outputs:
  plain: p
  password: {fn::secret: hunter2-canary}
  nested: {deep: [1, {fn::secret: [2, "hunter3-canary"]}]}
`), "")
	result := p.hub.run(up("one", source))
	wantSuccess(t, result)
	want := map[string]*operation.Output{
		"plain":    {Json: []byte(`"p"`)},
		"password": {Json: []byte(`"hunter2-canary"`), Secret: true},
		"nested":   {Json: []byte(`{"deep":[1,[2,"hunter3-canary"]]}`), Secret: true},
	}
	if diff := cmp.Diff(want, result.GetOutputs(), protocmp.Transform()); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"stack select", "up", "stack output"}, p.started(0)); diff != "" {
		t.Errorf("processes (-want +got):\n%s", diff)
	}
	if strings.Contains(p.log.text(), "-canary") {
		t.Errorf("a secret is in the pod's log:\n%s", p.log.text())
	}
}

func TestAFailingProgramSaysWhatFailed(t *testing.T) {
	p := newPod(t, realCLI(t))
	source := p.store.put(t, yaml("variables:\n  x: {fn::readFile: ./missing.txt}\noutputs:\n  y: ${x}\n"), "")
	result := p.hub.run(up("one", source))
	if result.GetOutcome() != operation.Outcome_FAILED || result.GetReason() != operation.ReasonFailed {
		t.Fatalf("outcome %v, reason %s", result.GetOutcome(), result.GetReason())
	}
	if !strings.Contains(result.GetMessage(), "missing.txt") {
		t.Errorf("the message does not say what failed: %s", result.GetMessage())
	}
	// Mended, the same stack succeeds.
	source = p.store.put(t, yaml("outputs: {y: 1}\n"), "")
	wantSuccess(t, p.hub.run(up("two", source)))
}

func TestPreviewRefreshAndDestroy(t *testing.T) {
	p := newPod(t, realCLI(t))
	source := p.store.put(t, yaml("outputs: {y: 1}\n"), "")
	preview := func(op *operation.Operation) { op.Type = operation.Type_PREVIEW }
	result := p.hub.run(up("preview", source, preview))
	wantSuccess(t, result)
	if len(result.GetOutputs()) != 0 {
		t.Errorf("a preview gave outputs: %v", result.GetOutputs())
	}
	wantSuccess(t, p.hub.run(up("up", source)))
	wantSuccess(t, p.hub.run(up("refresh", source, func(op *operation.Operation) { op.Type = operation.Type_REFRESH })))
	// The source is gone, and the stack goes with its project's name alone.
	destroy := func(op *operation.Operation) {
		op.Type, op.Options.Remove = operation.Type_DESTROY, true
		op.Source = &operation.Source{From: &operation.Source_Project{
			Project: &operation.ProjectInfo{Name: "demo", Runtime: "nodejs"},
		}}
	}
	result = p.hub.run(up("destroy", nil, destroy))
	wantSuccess(t, result)
	if diff := cmp.Diff(map[string]int32{"delete": 1}, result.GetChanges()); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if strings.Contains(strings.Join(p.started(0), " "), "install") {
		t.Errorf("something was installed without a program: %v", p.started(0))
	}
	// The stack is gone, and made again.
	wantSuccess(t, p.hub.run(up("again", source)))
}

func TestAStackThatMayNotBeMade(t *testing.T) {
	p := newPod(t, realCLI(t))
	source := p.store.put(t, yaml("outputs: {y: 1}\n"), "")
	result := p.hub.run(up("one", source, func(op *operation.Operation) { op.Stack.Create = false }))
	if result.GetReason() != operation.ReasonInitializationFailed || !strings.Contains(result.GetMessage(), "no stack named 'dev'") {
		t.Errorf("reason %s: %s", result.GetReason(), result.GetMessage())
	}
}
