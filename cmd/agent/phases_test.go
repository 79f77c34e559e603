package main

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/internal/operation"
)

// phases are the names of a result's phases; together they take no longer than the whole.
func phases(t *testing.T, result *operation.Result) []string {
	t.Helper()
	var names []string
	var all time.Duration
	for _, phase := range result.GetPhases() {
		took := phase.GetDuration().AsDuration()
		if took < 0 {
			t.Errorf("phase %s took %s", phase.GetName(), took)
		}
		names, all = append(names, phase.GetName()), all+took
	}
	if whole := result.GetEnded().AsTime().Sub(result.GetStarted().AsTime()); all > whole || all <= 0 {
		t.Errorf("the phases took %s of %s", all, whole)
	}
	return names
}

func TestResultsTellHowLongEachPhaseTook(t *testing.T) {
	p := newPod(t, cliDouble(t))
	p.release()
	program := map[string]string{"Pulumi.yaml": "name: demo\nruntime: nodejs\n"}
	result := p.hub.run(up("one", p.store.put(t, program, "")))
	wantSuccess(t, result)
	want := []string{operation.PhaseFetch, operation.PhaseInstall, operation.PhaseConfigure, operation.PhaseOperation}
	if diff := cmp.Diff(want, phases(t, result)); diff != "" {
		t.Errorf("phases of a success (-want +got):\n%s", diff)
	}
	if err := os.WriteFile(p.home("broken"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	program["index.js"] = "2"
	result = p.hub.run(up("two", p.store.put(t, program, "")))
	if diff := cmp.Diff(want[:2], phases(t, result)); diff != "" {
		t.Errorf("phases of an installation that failed with %s (-want +got):\n%s", result.GetReason(), diff)
	}
}
