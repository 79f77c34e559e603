package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/internal/operation"
)

// withProvider is a pod with the real CLI and the provider for tests.
func withProvider(t *testing.T) *pod {
	t.Helper()
	dir := realCLI(t)
	needsProvider(t)
	return newPod(t, dir+":"+filepath.Join(dir, "doubles"))
}

func TestAFailingResourceIsNamedWithTheProvidersWords(t *testing.T) {
	p := withProvider(t)
	source := p.store.put(t, yaml(`resources:
  good: {type: testing:Echo, properties: {value: 1}}
  bad: {type: testing:Fail, properties: {message: "the quota is used up"}}
`), "")
	result := p.hub.run(up("one", source))
	if result.GetOutcome() != operation.Outcome_FAILED || result.GetReason() != operation.ReasonFailed {
		t.Fatalf("outcome %v, reason %s: %s", result.GetOutcome(), result.GetReason(), result.GetMessage())
	}
	for _, want := range []string{"urn:pulumi:dev::demo::testing:index:Fail::bad: ", "the quota is used up"} {
		if !strings.Contains(result.GetMessage(), want) {
			t.Errorf("the message lacks %q: %s", want, result.GetMessage())
		}
	}
	if strings.Contains(result.GetMessage(), "update failed") {
		t.Errorf("the message has noise: %s", result.GetMessage())
	}
}

func TestSecretOutputsOfAResource(t *testing.T) {
	p := withProvider(t)
	result := p.hub.run(up("one", p.store.put(t, yaml(`resources:
  key: {type: testing:Echo, properties: {value: {a: "key-canary"}, secret: true}}
outputs: {key: "${key.value}", urn: "${key.urn}"}
`), "")))
	wantSuccess(t, result)
	if !result.GetOutputs()["key"].GetSecret() || result.GetOutputs()["urn"].GetSecret() {
		t.Errorf("outputs: %v", result.GetOutputs())
	}
	if got := string(result.GetOutputs()["key"].GetJson()); got != `{"a":"key-canary"}` {
		t.Errorf("the secret output is %s", got)
	}
	if strings.Contains(p.log.text(), "canary") {
		t.Error("a secret is in the pod's log")
	}
}

func TestARealUpIsCanceledGracefully(t *testing.T) {
	p := withProvider(t)
	done := filepath.Join(p.share, "done")
	source := p.store.put(t, yaml(`resources:
  first: {type: testing:Sleep, properties: {seconds: 0, label: first, log: "`+done+`"}}
  slow: {type: testing:Sleep, properties: {seconds: 3, label: slow, log: "`+done+`"}, options: {dependsOn: ["${first}"]}}
  never: {type: testing:Sleep, properties: {seconds: 0, label: never, log: "`+done+`"}, options: {dependsOn: ["${slow}"]}}
`), "")
	p.hub.offer(up("one", source))
	p.hub.wait("make the slow resource", func() bool {
		n := len(p.hub.progress)
		return n > 0 && strings.HasSuffix(p.hub.progress[n-1].GetStep(), "testing:index:Sleep slow") && p.hub.progress[n-1].GetDone() == 1
	})
	p.hub.cancel("one", "enough")
	result := p.hub.result("one")
	if result.GetOutcome() != operation.Outcome_CANCELED || strings.Contains(result.GetMessage(), "was killed") {
		t.Fatalf("outcome %v: %s", result.GetOutcome(), result.GetMessage())
	}
	// The state is whole and unlocked: the next up goes on from there.
	result = p.hub.run(up("two", source))
	wantSuccess(t, result)
	text, err := os.ReadFile(done)
	if err != nil {
		t.Fatal(err)
	}
	made := strings.Count(string(text), "first")
	if diff := cmp.Diff([]int{1, 1}, []int{made, strings.Count(string(text), "never")}); diff != "" {
		t.Errorf("how often resources were made (-want +got):\n%s\n%s", diff, text)
	}
}
