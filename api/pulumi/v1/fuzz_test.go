package v1

import (
	"encoding/json"
	"testing"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// FuzzList: whatever one object of a list holds, the others are read.
func FuzzList(f *testing.F) {
	for _, seed := range []string{
		`{"stack":"dev"}`, `{"config":"foo"}`, `{"config":[1]}`, `{"prerequisites":[{"name":"a","requirement":{"succeededWithinDuration":"1d"}}]}`,
		`{"resyncFrequencySeconds":1e30}`, `{"workspaceTemplate":{"spec":{"resources":{"limits":{"cpu":"1e1.5"}}}}}`, `{"updateTemplate":{"spec":{"parallel":3000000000}}}`,
		`{"parallel":3000000000,"ttlAfterCompleted":"7d"}`, `{"pulumiLogLevel":3000000000,"podTemplate":{"spec":[]}}`, `{"envFrom":[null],"stacks":[null]}`,
		`{"envRefs":{"A":null}}`, `{"kubeconfig":null,"targets":null,"prerequisites":[null]}`, `{}`, `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, spec []byte) {
		var fields map[string]any
		if json.Unmarshal(spec, &fields) != nil {
			return // the API server keeps nothing else
		}
		good := `{"metadata":{"name":"good"},"spec":{}}`
		list := []byte(`{"items":[{"metadata":{"name":"bad"},"spec":` + string(spec) + `},` + good + `]}`)
		var stacks StackList
		var workspaces autov1alpha1.WorkspaceList
		var updates autov1alpha1.UpdateList
		for kind, into := range map[string]any{"Stacks": &stacks, "Workspaces": &workspaces, "Updates": &updates} {
			if err := json.Unmarshal(list, into); err != nil {
				t.Fatalf("the list of %s: %v", kind, err)
			}
		}
		if len(stacks.Items) != 2 || stacks.Items[1].Name != "good" || stacks.Items[1].Spec.Unreadable != "" {
			t.Errorf("Stacks: %+v", stacks.Items)
		}
		if len(workspaces.Items) != 2 || len(updates.Items) != 2 {
			t.Errorf("%d Workspaces, %d Updates", len(workspaces.Items), len(updates.Items))
		}
		for _, one := range []any{stacks.DeepCopy(), workspaces.DeepCopy(), updates.DeepCopy()} {
			if _, err := json.Marshal(one); err != nil {
				t.Errorf("what was read cannot be written: %v", err)
			}
		}
	})
}
