package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A package that is in the pod, such as a component in the image, is installed by the real CLI and can be used.
func TestALocalPackageOfAYAMLProgram(t *testing.T) {
	p := newPod(t, realCLI(t))
	component := t.TempDir()
	definition := `name: greeting
runtime: yaml
components:
  hello:
    inputs:
      who: {type: string}
    outputs:
      said: hello ${who}
`
	if err := os.WriteFile(filepath.Join(component, "PulumiPlugin.yaml"), []byte(definition), 0o600); err != nil {
		t.Fatal(err)
	}
	source := p.store.put(t, yaml(`packages:
  greeting: `+component+`
resources:
  one: {type: "greeting:index:hello", properties: {who: you}}
outputs: {said: "${one.said}"}
`), "")
	for _, uid := range []string{"one", "two"} {
		result := p.hub.run(up(uid, source))
		wantSuccess(t, result)
		if got := string(result.GetOutputs()["said"].GetJson()); got != `"hello you"` {
			t.Errorf("the output is %s", got)
		}
	}
	if n := strings.Count(p.log.text(), "command=install"); n != 1 {
		t.Errorf("install ran %d times, want once", n)
	}
}
