package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-operator/gantry/internal/operation"
)

const (
	urnA    = "urn:pulumi:dev::demo::testing:index:Echo::a"
	urnB    = "urn:pulumi:dev::demo::testing:index:Echo::b"
	urnC    = "urn:pulumi:dev::demo::testing:index:Echo::c"
	nothing = "no changes were expected"
)

// chain has a resource by itself, and two of which one needs the other.
func chain(value string) map[string]string {
	return yaml(`resources:
  a: {type: testing:Echo, properties: {value: ` + value + `}}
  b: {type: testing:Echo, properties: {value: ` + value + `}}
  c: {type: testing:Echo, properties: {value: fixed}, options: {dependsOn: ["${b}"]}}
`)
}

// asked is an operation of a type with options.
func asked(kind operation.Type, options *operation.Options) func(*operation.Operation) {
	return func(op *operation.Operation) { op.Type, op.Options = kind, options }
}

// TestOptionsOfEveryType runs each option of each type through the real CLI, in one stack's life, and looks at what it
// did.
func TestOptionsOfEveryType(t *testing.T) {
	p := withProvider(t)
	first, second := p.store.put(t, chain("1"), ""), p.store.put(t, chain("2"), "")
	steps := []struct {
		name    string
		source  *operation.Source
		kind    operation.Type
		options *operation.Options
		failure string
		// changes are those of resources that were not left as they are.
		changes map[string]int32
	}{
		{"preview", first, operation.Type_PREVIEW, &operation.Options{Parallel: 2, Message: "look", Target: []string{urnA}, TargetDependents: true, Refresh: true}, "", map[string]int32{"create": 2}},
		{"preview-no-changes", first, operation.Type_PREVIEW, &operation.Options{ExpectNoChanges: true}, nothing, nil},
		{"up-target", first, operation.Type_UP, &operation.Options{Target: []string{urnA}}, "", map[string]int32{"create": 2}},
		{"up-all", first, operation.Type_UP, &operation.Options{Parallel: 2, Message: "by hand", Refresh: true, ContinueOnError: true, LogLevel: 3}, "", map[string]int32{"create": 2}},
		{"up-no-changes", first, operation.Type_UP, &operation.Options{ExpectNoChanges: true}, "", map[string]int32{}},
		{"up-changes", second, operation.Type_UP, &operation.Options{ExpectNoChanges: true, Target: []string{urnA}}, nothing, nil},
		{"preview-replace", first, operation.Type_PREVIEW, &operation.Options{Replace: []string{urnC}, Target: []string{urnC}}, "", map[string]int32{"replace": 1}},
		{"up-replace", first, operation.Type_UP, &operation.Options{Replace: []string{urnC}, Target: []string{urnC}}, "", map[string]int32{"replace": 1}},
		{"up-dependents", second, operation.Type_UP, &operation.Options{Target: []string{urnB}, TargetDependents: true}, "", map[string]int32{"replace": 1}},
		{"refresh", second, operation.Type_REFRESH, &operation.Options{Parallel: 2, Message: "drift", ExpectNoChanges: true, Target: []string{urnB}, RunProgram: true}, "", map[string]int32{}},
		{"destroy-dependents", second, operation.Type_DESTROY, &operation.Options{Message: "some", Target: []string{urnB}, TargetDependents: true}, "", map[string]int32{"delete": 2}},
		{"destroy-all", second, operation.Type_DESTROY, &operation.Options{Parallel: 2, Refresh: true, ContinueOnError: true, RunProgram: true, Remove: true}, "", map[string]int32{"delete": 2}},
	}
	for _, step := range steps {
		mark := len(p.log.text())
		result := p.hub.run(up(step.name, step.source, asked(step.kind, step.options)))
		if step.failure != "" {
			if result.GetReason() != operation.ReasonFailed || !strings.Contains(result.GetMessage(), step.failure) {
				t.Fatalf("%s: reason %s: %s; want %q", step.name, result.GetReason(), result.GetMessage(), step.failure)
			}
			continue
		}
		wantSuccess(t, result)
		for kind, count := range result.GetChanges() {
			if kind != "same" && step.changes[kind] != count {
				t.Errorf("%s: changes are %v, want %v", step.name, result.GetChanges(), step.changes)
			}
		}
		for kind := range step.changes {
			if result.GetChanges()[kind] == 0 {
				t.Errorf("%s: changes are %v, want %v", step.name, result.GetChanges(), step.changes)
			}
		}
		if step.kind != operation.Type_PREVIEW && !step.options.GetRemove() && !recorded(t, p.state, step.options) {
			t.Errorf("%s: no update on record has the message %q", step.name, step.options.GetMessage())
		}
		if verbose := strings.Contains(p.log.text()[mark:], `"msg":"CLI Metadata"`); verbose != (step.options.GetLogLevel() > 0) {
			t.Errorf("%s: the CLI's own log shows: %v\n%s", step.name, verbose, p.log.text()[mark:])
		}
	}
	// The stack itself is gone from the backend.
	result := p.hub.run(up("gone", second, func(op *operation.Operation) { op.Stack.Create = false }))
	if result.GetReason() != operation.ReasonInitializationFailed {
		t.Errorf("the removed stack: reason %s: %s", result.GetReason(), result.GetMessage())
	}
}

// recorded tells whether the backend has an update on record with the message, and the number of operations at once.
func recorded(t *testing.T, state string, options *operation.Options) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(state, ".pulumi", "history", "demo", "dev", "*.history.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var record struct {
			Message     string            `json:"message"`
			Environment map[string]string `json:"environment"`
		}
		if err := json.Unmarshal(text, &record); err != nil {
			t.Fatal(err)
		}
		_, parallel := record.Environment["pulumi.flag.parallel"]
		if record.Message == options.GetMessage() && parallel == (options.GetParallel() > 0) {
			return true
		}
	}
	return false
}

// TestContinueOnError makes what does not need the resource that failed, if it was asked to.
func TestContinueOnError(t *testing.T) {
	p := withProvider(t)
	source := p.store.put(t, yaml(`resources:
  bad: {type: testing:Fail, properties: {message: "the quota is used up"}}
  slow: {type: testing:Sleep, properties: {seconds: 2, label: slow}}
  late: {type: testing:Sleep, properties: {seconds: 0, label: late}, options: {dependsOn: ["${slow}"]}}
`), "")
	for _, goesOn := range []bool{false, true} {
		name, mark := map[bool]string{false: "stops", true: "goes-on"}[goesOn], len(p.log.text())
		result := p.hub.run(up(name, source, asked(operation.Type_UP, &operation.Options{ContinueOnError: goesOn})))
		if result.GetReason() != operation.ReasonFailed || !strings.Contains(result.GetMessage(), "the quota is used up") {
			t.Errorf("%s: reason %s: %s", name, result.GetReason(), result.GetMessage())
		}
		made := strings.Contains(p.log.text()[mark:], "testing:index:Sleep late creating")
		if made != goesOn {
			t.Errorf("%s: the resource after the failed one was made: %v", name, made)
		}
	}
}
