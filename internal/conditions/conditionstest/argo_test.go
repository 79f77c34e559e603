package conditionstest

import (
	"os"
	"testing"

	lua "github.com/yuin/gopher-lua"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gopherjson "layeh.com/gopher-json"
	"sigs.k8s.io/yaml"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// checked are the kinds that we ship a health check for.
var checked = []string{"pulumi.com_Stack", "pulumi.com_Program", "auto.pulumi.com_Workspace", "auto.pulumi.com_Update"}

// shippedChecks are the health checks of config/argocd, by kind.
func shippedChecks(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../../config/argocd/argocd-cm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var configMap struct{ Data map[string]string }
	if err := yaml.Unmarshal(text, &configMap); err != nil {
		t.Fatal(err)
	}
	checks := map[string]string{}
	for _, kind := range checked {
		checks[kind] = configMap.Data["resource.customizations.health."+kind]
		if checks[kind] == "" {
			t.Fatalf("no health check for %s", kind)
		}
	}
	return checks
}

// luaCheck is a health check in a machine that has what Argo CD's has: no libraries but the base and tables.
type luaCheck struct {
	machine *lua.LState
	script  *lua.LFunction
}

func load(t *testing.T, script string) luaCheck {
	t.Helper()
	machine := lua.NewState(lua.Options{SkipOpenLibs: true})
	t.Cleanup(machine.Close)
	for _, open := range []lua.LGFunction{lua.OpenBase, lua.OpenTable} {
		machine.Push(machine.NewFunction(open))
		machine.Call(0, 0)
	}
	loaded, err := machine.LoadString(script)
	if err != nil {
		t.Fatal(err)
	}
	return luaCheck{machine, loaded}
}

func (c luaCheck) of(t *testing.T, object *unstructured.Unstructured) (status, message string) {
	t.Helper()
	c.machine.SetGlobal("obj", gopherjson.DecodeValue(c.machine, object.Object))
	if err := c.machine.CallByParam(lua.P{Fn: c.script, NRet: 1, Protect: true}); err != nil {
		t.Fatal(err)
	}
	answer, isTable := c.machine.Get(-1).(*lua.LTable)
	c.machine.Pop(1)
	if !isTable {
		t.Fatal("the check answers no table")
	}
	return answer.RawGetString("status").String(), answer.RawGetString("message").String()
}

// lists are all lists of up to three conditions, of every type and status that a check could look at, in every order.
func lists() [][]metav1.Condition {
	var one []metav1.Condition
	for _, kind := range []string{autov1alpha1.ConditionTypeReady, autov1alpha1.ConditionTypeReconciling, autov1alpha1.ConditionTypeStalled, "Complete"} {
		for _, status := range []metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown} {
			one = append(one, metav1.Condition{Type: kind, Status: status, Message: kind + " is " + string(status)})
		}
	}
	all, longest := [][]metav1.Condition{nil}, [][]metav1.Condition{nil}
	for range 3 {
		var longer [][]metav1.Condition
		for _, list := range longest {
			for _, next := range one {
				longer = append(longer, append(list[:len(list):len(list)], next))
			}
		}
		all, longest = append(all, longer...), longer
	}
	return all
}

// asArgoSees is an object with a status as the API server holds it.
func asArgoSees(told facts) *unstructured.Unstructured {
	var conditions []any
	for _, c := range told.conditions {
		conditions = append(conditions, map[string]any{"type": c.Type, "status": string(c.Status), "reason": "R", "message": c.Message})
	}
	status := map[string]any{"observedGeneration": float64(told.observed)}
	if conditions != nil {
		status["conditions"] = conditions
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"kind": "Stack", "metadata": map[string]any{"name": "app", "generation": float64(told.generation)}, "status": status,
	}}
}

// TestArgoIsTheShippedCheck compares the rule that every test of a controller asks with the Lua in config/argocd, over
// everything that either looks at. What the tests of the controllers find true of the rule is thereby true of the Lua.
func TestArgoIsTheShippedCheck(t *testing.T) {
	for kind, script := range shippedChecks(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			check := load(t, script)
			for _, list := range lists() {
				for _, observed := range []int64{-1, 0, 1, 2} {
					told := facts{generation: 2, observed: observed, conditions: list}
					got, message := check.of(t, asArgoSees(told))
					if want := argo(told); got != want {
						t.Fatalf("generation 2, observed %d, %v: the Lua says %s (%s), the rule %s", observed, told.short(), got, message, want)
					}
					if message == "" || message == "nil" {
						t.Fatalf("generation 2, observed %d, %v: no message", observed, told.short())
					}
				}
			}
		})
	}
}

// TestUpstreamStates runs the check over the four states that Argo CD's own tests of its check for Stacks have, and those
// that a new object is in.
func TestUpstreamStates(t *testing.T) {
	ready := []metav1.Condition{{Type: "Ready", Status: "True", Message: "the stack has been processed and is up to date"}}
	cases := map[string]struct {
		told    facts
		message string
		want    string
	}{
		"Healthy": {facts{generation: 1, observed: 1, conditions: ready}, "the stack has been processed and is up to date", healthy},
		"Progressing": {facts{generation: 1, observed: 1, conditions: []metav1.Condition{
			{Type: "Ready", Status: "False", Message: "reconciliation is in progress"}, {Type: "Reconciling", Status: "True", Message: "stack is being processed"},
		}}, "stack is being processed", progressing},
		"Degraded": {facts{generation: 1, observed: 1, conditions: []metav1.Condition{
			{Type: "Ready", Status: "False", Message: "reconciliation is stalled"}, {Type: "Stalled", Status: "True", Message: "up failed 5 times"},
		}}, "up failed 5 times", degraded},
		"PendingGeneration": {facts{generation: 2, observed: 1, conditions: ready}, "Waiting for the operator to observe the latest spec change", progressing},
		"New":               {facts{generation: 1, observed: -1}, "Waiting for the operator to observe the latest spec change", progressing},
		"NoConditions":      {facts{generation: 1, observed: 1}, "Waiting for Stack app to be reconciled", progressing},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			for kind, script := range shippedChecks(t) {
				if got, message := load(t, script).of(t, asArgoSees(tc.told)); got != tc.want || message != tc.message {
					t.Errorf("%s: %s (%s), want %s (%s)", kind, got, message, tc.want, tc.message)
				}
			}
		})
	}
	bare := &unstructured.Unstructured{Object: map[string]any{"kind": "Stack", "metadata": map[string]any{"name": "app", "generation": 1.0}}}
	if got, _ := load(t, shippedChecks(t)["pulumi.com_Stack"]).of(t, bare); got != progressing {
		t.Errorf("a Stack without a status is %s, want %s", got, progressing)
	}
}
