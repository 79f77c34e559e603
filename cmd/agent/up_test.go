package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gantry-operator/gantry/internal/operation"
)

func wantSuccess(tb testing.TB, result *operation.Result) {
	tb.Helper()
	if result.GetOutcome() != operation.Outcome_SUCCEEDED {
		tb.Fatalf("outcome %v, reason %s: %s", result.GetOutcome(), result.GetReason(), result.GetMessage())
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
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	if result.GetPulumiVersion() == "" || p.hub.hellos[0].GetPulumiVersion() != result.GetPulumiVersion() {
		t.Errorf("the CLI's version is %q in hello and %q in the result",
			p.hub.hellos[0].GetPulumiVersion(), result.GetPulumiVersion())
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

// What is not in the backend is destroyed, and not made for it.
func TestDestroyOfAStackThatIsNotThere(t *testing.T) {
	p := newPod(t, realCLI(t))
	source := p.store.put(t, yaml("outputs: {y: 1}\n"), "")
	destroy := func(op *operation.Operation) { op.Type = operation.Type_DESTROY }
	for uid, stack := range map[string]*operation.Stack{"one": {Name: "dev", Create: true}, "two": {Name: "organization/demo/dev"}} {
		result := p.hub.run(up(uid, source, destroy, func(op *operation.Operation) { op.Stack = stack }))
		wantSuccess(t, result)
		if !strings.Contains(result.GetMessage(), "nothing to destroy") {
			t.Errorf("%s says %q", stack.GetName(), result.GetMessage())
		}
	}
	if made, _ := filepath.Glob(filepath.Join(p.state, ".pulumi", "stacks", "*", "*")); len(made) != 0 {
		t.Errorf("the destroy made %v", made)
	}
	wantSuccess(t, p.hub.run(up("up", source)))
	if result := p.hub.run(up("three", source, destroy)); result.GetChanges()["delete"] != 1 {
		t.Errorf("a stack that is there: %v, %s", result.GetChanges(), result.GetMessage())
	}
}

// Pulumi Cloud does not tell a stack that is not there from one that the token may not see.
func TestDestroyOfAStackThatIsNotShown(t *testing.T) {
	p := newPod(t, cliDouble(t), "PULUMI_BACKEND_URL=https://api.example")
	source := p.store.put(t, map[string]string{"Pulumi.yaml": "name: demo\nruntime: yaml\n"}, "")
	destroy := func(op *operation.Operation) { op.Type = operation.Type_DESTROY }
	touch := func(name string) {
		if err := os.WriteFile(p.home(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	touch("cloud")
	wantSuccess(t, p.hub.run(up("gone", source, destroy)))
	got := slices.DeleteFunc(p.started(0), func(command string) bool { return command == "version" })
	if diff := cmp.Diff([]string{"stack select", "stack select", "stack rm"}, got); diff != "" {
		t.Errorf("processes (-want +got):\n%s", diff)
	}
	touch("unseen")
	result := p.hub.run(up("unseen", source, destroy))
	if result.GetReason() != operation.ReasonInitializationFailed || !strings.Contains(result.GetMessage(), "may not see it") {
		t.Errorf("reason %s: %s", result.GetReason(), result.GetMessage())
	}
}

func TestAStackThatMayNotBeMade(t *testing.T) {
	p := newPod(t, realCLI(t))
	source := p.store.put(t, yaml("outputs: {y: 1}\n"), "")
	result := p.hub.run(up("one", source, func(op *operation.Operation) { op.Stack.Create = false }))
	if result.GetReason() != operation.ReasonInitializationFailed || !strings.Contains(result.GetMessage(), "no stack named 'dev'") {
		t.Errorf("reason %s: %s", result.GetReason(), result.GetMessage())
	}
}

func TestALockedStackIsAConflict(t *testing.T) {
	p := newPod(t, realCLI(t))
	source := p.store.put(t, yaml("outputs: {y: 1}\n"), "")
	wantSuccess(t, p.hub.run(up("one", source)))
	locks := filepath.Join(p.state, ".pulumi", "locks", "organization", "demo", "dev")
	if err := os.MkdirAll(locks, 0o700); err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(locks, "somebody.json")
	if err := os.WriteFile(lock, []byte(`{"pid":7,"username":"u","hostname":"gone","timestamp":"2026-01-01T00:00:00Z"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	result := p.hub.run(up("two", source))
	if result.GetReason() != operation.ReasonConflict || !strings.Contains(result.GetMessage(), "currently locked") {
		t.Errorf("reason %s: %s", result.GetReason(), result.GetMessage())
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	wantSuccess(t, p.hub.run(up("three", source)))
}

func TestRevisionThatComesBackIsInstalledAgain(t *testing.T) {
	p := newPod(t, cliDouble(t))
	p.release()
	for i, text := range []string{"1", "2", "3", "1", "1"} {
		source := p.store.put(t, map[string]string{"Pulumi.yaml": "name: demo\nruntime: nodejs\n", "index.ts": text}, "")
		wantSuccess(t, p.hub.run(up("run"+strconv.Itoa(i), source)))
	}
	if n := strings.Count(p.log.text(), "command=install"); n != 4 {
		t.Errorf("install ran %d times, want once for each time that a source came", n)
	}
}

func TestPackagesOfAYAMLProgramAreInstalled(t *testing.T) {
	p := newPod(t, cliDouble(t))
	p.release()
	wantSuccess(t, p.hub.run(up("plain", p.store.put(t, yaml("outputs: {}\n"), ""))))
	if strings.Contains(p.log.text(), "command=install") {
		t.Error("a YAML program without packages was installed")
	}
	source := p.store.put(t, yaml("packages: {talos: \"pulumiverse/talos@0.5.0\"}\n"), "")
	wantSuccess(t, p.hub.run(up("one", source)))
	wantSuccess(t, p.hub.run(up("two", source)))
	if n := strings.Count(p.log.text(), "command=install"); n != 1 {
		t.Errorf("install ran %d times, want once", n)
	}
}

func TestInstallIsDoneOncePerSource(t *testing.T) {
	p := newPod(t, cliDouble(t))
	p.release()
	program := func(text string) *operation.Source {
		return p.store.put(t, map[string]string{"Pulumi.yaml": "name: demo\nruntime: nodejs\n", "index.ts": text}, "")
	}
	first := program("1")
	wantSuccess(t, p.hub.run(up("one", first)))
	wantSuccess(t, p.hub.run(up("two", first)))
	// The container is restarted, and its disk is what it was.
	p.account(serviceAccount(t))
	wantSuccess(t, p.hub.run(up("three", first)))
	wantSuccess(t, p.hub.run(up("four", program("2"))))
	if n := strings.Count(p.log.text(), "command=install"); n != 2 {
		t.Errorf("install ran %d times, want once for each of two sources", n)
	}
	if err := os.WriteFile(p.home("broken"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	result := p.hub.run(up("five", program("3")))
	if result.GetOutcome() != operation.Outcome_FAILED || result.GetReason() != operation.ReasonInstallationFailed {
		t.Fatalf("outcome %v, reason %s: %s", result.GetOutcome(), result.GetReason(), result.GetMessage())
	}
	for _, want := range []string{"npm ERR! 404", "installing dependencies failed"} {
		if !strings.Contains(result.GetMessage(), want) {
			t.Errorf("the message lacks %q: %s", want, result.GetMessage())
		}
	}
}

func TestACLIThatIsNotThere(t *testing.T) {
	p := newPod(t, "", "PATH=/nowhere")
	result := p.hub.run(up("one", p.store.put(t, yaml("outputs: {y: 1}\n"), "")))
	if result.GetOutcome() != operation.Outcome_FAILED || !strings.Contains(result.GetMessage(), `"pulumi": executable file not found`) {
		t.Errorf("outcome %v: %s", result.GetOutcome(), result.GetMessage())
	}
}
