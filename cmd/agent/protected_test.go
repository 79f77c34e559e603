package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/internal/operation"
)

// What a protected resource stops is told by its URN, for a destroy and for an up that leaves the resource out.
func TestAProtectedResourceIsNamed(t *testing.T) {
	p := withProvider(t)
	path := filepath.Join(p.share, "precious")
	source := p.store.put(t, yaml(`resources:
  plain: {type: testing:Echo, properties: {value: 1}}
  precious: {type: testing:File, properties: {path: "`+path+`", content: "kept"}, options: {protect: true}}
  other: {type: testing:Echo, properties: {value: 2}, options: {protect: true}}
`), "")
	wantSuccess(t, p.hub.run(up("one", source)))
	destroying := func(op *operation.Operation) { op.Type = operation.Type_DESTROY }
	without := p.store.put(t, yaml("outputs: {y: 1}\n"), "")
	for name, result := range map[string]*operation.Result{"destroy": p.hub.run(up("two", source, destroying)), "up": p.hub.run(up("three", without))} {
		if result.GetOutcome() != operation.Outcome_FAILED || result.GetReason() != operation.ReasonProtected {
			t.Errorf("%s: outcome %v, reason %s", name, result.GetOutcome(), result.GetReason())
		}
		const prefix = "urn:pulumi:dev::demo::testing:index:"
		want := []string{prefix + "Echo::other: it is protected", prefix + "File::precious: it is protected"}
		if diff := cmp.Diff(want, slices.Sorted(strings.SplitSeq(result.GetMessage(), "\n"))); diff != "" {
			t.Errorf("%s: the message (-want +got):\n%s", name, diff)
		}
	}
	if p.read("precious") != "kept" || strings.Contains(p.log.text(), "panic") {
		t.Error("the protected file is gone")
	}
}
