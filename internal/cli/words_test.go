package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/docs"
	"github.com/gantry-operator/gantry/internal/conditions"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// shop makes a Stack in a state.
func shop(s conditions.State, changes ...func(*pulumiv1.Stack)) *pulumiv1.Stack {
	stack := &pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Generation: 2}, Spec: pulumiv1.StackSpec{Stack: "dev"}}
	stack.Status = pulumiv1.StackStatus{
		ObservedGeneration: 2, Conditions: conditions.Merge(nil, s.Conditions(2), metav1.NewTime(noon.Add(-3*time.Minute))), Resources: new(int32(4)),
		LastUpdate: &pulumiv1.LastUpdate{Name: "web-1", Type: "up", State: "succeeded", LastAttemptedCommit: strings.Repeat("c0ffee", 7),
			LastResyncTime: metav1.NewTime(noon.Add(-time.Hour))},
	}
	for _, change := range changes {
		change(stack)
	}
	return stack
}

func TestStackRow(t *testing.T) {
	running := func(s *pulumiv1.Stack) { s.Status.CurrentUpdate = &pulumiv1.CurrentUpdate{Name: "web-2"} }
	tests := map[string]struct {
		stack *pulumiv1.Stack
		want  string
		tone  tone
	}{
		"Ready":     {shop(conditions.Ready("ProcessingCompleted", "up to date")), "web|Ready|up succeeded|60m|c0ffeec0ffee|false|dev|4|web-1|-|up to date", good},
		"Running":   {shop(conditions.Reconciling("StackProcessing", "3 done"), running), "web|Running|up succeeded|60m|c0ffeec0ffee|false|dev|4|web-1|-|StackProcessing: 3 done", busy},
		"Waiting":   {shop(conditions.Reconciling("SourceUnavailable", "no host")), "web|Waiting|up succeeded|60m|c0ffeec0ffee|false|dev|4|web-1|-|SourceUnavailable: no host", busy},
		"Retrying":  {shop(conditions.Reconciling("RetryingAfterFailure", "boom")), "web|Retrying|up succeeded|60m|c0ffeec0ffee|false|dev|4|web-1|-|RetryingAfterFailure: boom", bad},
		"Locked":    {shop(conditions.Reconciling("UpdateConflict", "bob has it")), "web|Locked|up succeeded|60m|c0ffeec0ffee|false|dev|4|web-1|-|UpdateConflict: bob has it", busy},
		"Stalled":   {shop(conditions.Stalled("UpdateFailed", "boom")), "web|Stalled|up succeeded|60m|c0ffeec0ffee|false|dev|4|web-1|-|UpdateFailed: boom", bad},
		"New":       {&pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Name: "web"}}, "web|New|-|-|-|false||-|-|-|no controller has looked at it yet", busy},
		"Suspended": {shop(conditions.Ready("ProcessingCompleted", "up to date"), suspend), "web|Ready|up succeeded|60m|c0ffeec0ffee|true|dev|4|web-1|-|up to date", good},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := stackRow(tc.stack, noon)
			if diff := cmp.Diff(tc.want, strings.Join(got.cells, "|")); diff != "" || got.tone != tc.tone {
				t.Errorf("tone %v, cells (-want +got):\n%s", got.tone, diff)
			}
			if len(got.cells) != len(kinds()[0].columns) {
				t.Errorf("%d cells for %d columns", len(got.cells), len(kinds()[0].columns))
			}
		})
	}
	newer := shop(conditions.Ready("ProcessingCompleted", "up to date"), func(s *pulumiv1.Stack) { s.Generation = 3 })
	if s := stackState(newer); s.Word != "Pending" || s.tone != busy {
		t.Errorf("a Stack whose spec is newer than its status is %+v", s)
	}
}

func suspend(s *pulumiv1.Stack) {
	s.Spec.Suspend = true
}

func TestTable(t *testing.T) {
	tests := map[string]struct {
		width int
		want  string
	}{
		"Pipe":     {0, "NAME      STATE   MESSAGE\nweb       Ready   all is well, quite\nevil[2J   Ready   a b\n"},
		"Terminal": {22, "NAME      STATE   MESS…\nweb       Ready   all…\nevil[2J   Ready   a b\n"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			table := &table{out: &out, columns: []column{{name: "NAME"}, {name: "STATE"}, {name: "WIDE", wide: true}, {name: "MESSAGE"}}, width: tc.width}
			err := table.write([]row{{cells: []string{"web", "Ready", "x", "all is well, quite"}}, {cells: []string{"evil\x1b[2J", "Ready", "x", "a\nb"}}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, out.String()); name == "Pipe" && diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for line := range strings.Lines(out.String()) {
				if n := len([]rune(strings.TrimSuffix(line, "\n"))); tc.width > 0 && n > tc.width {
					t.Errorf("%q has %d columns, there are %d", line, n, tc.width)
				}
			}
		})
	}
}

func TestWhyTellsTheRunbooksLine(t *testing.T) {
	stack := shop(conditions.Reconciling("SourceUnavailable", "no such host git.example"), func(s *pulumiv1.Stack) { s.Status.Decision = "sourceUnavailable" })
	found := findings(readRunbook(docs.Runbook), stack, nil, nil)
	if len(found) != 1 {
		t.Fatalf("the findings are %+v", found)
	}
	text := found[0].text(noon, false)
	for _, want := range []string{
		"Stack shop/web is Waiting: SourceUnavailable, for 3m", "no such host git.example", "sourceUnavailable: the source is not there, or cannot be reached",
		"it is looked for again by itself", "create it, or mend what the message names",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
}

func TestWhyOfAWorkspaceAndAFailure(t *testing.T) {
	stack := shop(conditions.Reconciling(pulumiv1.ReasonWorkspaceNotReady, "Unschedulable: no node"), func(s *pulumiv1.Stack) {
		s.Status.LastUpdate.State, s.Status.LastUpdate.Reason = "failed", "UpdateConflict"
	})
	workspace := &autov1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	workspace.Status.Conditions = conditions.Reconciling("Unschedulable", "no node").Conditions(0)
	found := findings(readRunbook(docs.Runbook), stack, workspace, nil)
	var got []string
	for _, f := range found {
		got = append(got, f.Kind+" "+f.Reason+": "+f.Advice)
	}
	if len(got) != 3 || !strings.HasPrefix(got[0], "Stack WorkspaceNotReady: mend what") || !strings.HasPrefix(got[1], "Update UpdateConflict: wait") || got[2] != "Workspace Unschedulable: lower the requests, or make room" {
		t.Errorf("the findings are %q", got)
	}
}

func TestRunbookIsRead(t *testing.T) {
	book := readRunbook(docs.Runbook)
	for _, section := range []string{"Stack", "Workspace", "Update", "Program", "Decisions"} {
		if len(book[section]) < 2 {
			t.Errorf("section %s has %d lines", section, len(book[section]))
		}
	}
	e, ok := readRunbook("## A\n\n| x | y | z |\n|---|---|---|\n| Stalled | `One`, Two | see [there](a.md) or `a\\|b` | – |\n").find("A", "Stalled", "Two")
	if !ok || e.Meaning != "see there or a|b" {
		t.Errorf("found %+v, %v", e, ok)
	}
}

func TestFollowed(t *testing.T) {
	ask := func(s *pulumiv1.Stack) {
		s.Annotations = map[string]string{pulumiv1.AnnotationReconciliationRequest: "7"}
	}
	seen := func(s *pulumiv1.Stack) { s.Status.ObservedReconcileRequest = "7" }
	running := func(request string) func(*pulumiv1.Stack) {
		return func(s *pulumiv1.Stack) {
			s.Status.CurrentUpdate = &pulumiv1.CurrentUpdate{Name: "web-2", ReconcileRequest: request}
		}
	}
	recorded := func(s *pulumiv1.Stack) { s.Status.LastUpdate.ReconcileRequest = "7" }
	busyState, ready := conditions.Reconciling("StackProcessing", "3 resources done"), conditions.Ready("ProcessingCompleted", "up to date")
	tests := map[string]struct {
		stack *pulumiv1.Stack
		ended bool
		said  string
		fails string
	}{
		"NotSeen":        {shop(ready, ask), false, "waiting for the controller to see the request", ""},
		"BehindAnother":  {shop(busyState, ask, seen, running("6")), false, "3 resources done (web-2 has to end first)", ""},
		"Running":        {shop(busyState, ask, seen, running("7")), false, "3 resources done", ""},
		"Recorded":       {shop(ready, ask, seen, recorded), true, "", ""},
		"RunsOnceMore":   {shop(busyState, ask, seen, recorded, running("7")), false, "3 resources done", ""},
		"Stalled":        {shop(conditions.Stalled("SpecInvalid", "no stack"), ask, seen), false, "", "nothing runs, since the Stack is stalled: SpecInvalid: no stack"},
		"StalledBefore":  {shop(conditions.Stalled("SpecInvalid", "no stack"), ask), false, "waiting for the controller to see the request", ""},
		"AnotherRequest": {shop(ready), false, "", "another reconcile request"},
		"Suspended":      {shop(ready, ask, seen, suspend), false, "", "kubectl gantry resume web -n shop"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			said := ""
			f := &followed{token: "7"}
			ended, err := f.look(tc.stack, func(text string) { said = text })
			if ended != tc.ended || said != tc.said || (err != nil) != (tc.fails != "") || (err != nil && !strings.Contains(err.Error(), tc.fails)) {
				t.Errorf("ended %v, said %q, error %v", ended, said, err)
			}
		})
	}
}

func TestOutputsForms(t *testing.T) {
	values := map[string]string{`"a b"`: "'a b'", `"plain/1.2"`: "plain/1.2", `"it's"`: `'it'\''s'`, `{"a":1}`: `'{"a":1}'`, `""`: "''", "null": "null", "7": "7"}
	for value, want := range values {
		if got := quoted(bare(json.RawMessage(value))); got != want {
			t.Errorf("%s reads %s, want %s", value, got, want)
		}
	}
}

func TestOutputsSecret(t *testing.T) {
	update := func(name, outputs string, kind autov1alpha1.UpdateType) autov1alpha1.Update {
		return autov1alpha1.Update{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: autov1alpha1.UpdateSpec{Type: kind}, Status: autov1alpha1.UpdateStatus{Outputs: outputs}}
	}
	stack := shop(conditions.Ready("ProcessingCompleted", ""))
	newer, last, preview := update("web-3", "newer", "refresh"), update("web-1", "last", "up"), update("web-4", "preview", "preview")
	tests := map[string]struct {
		updates []autov1alpha1.Update
		want    string
	}{
		"None": {nil, ""}, "LastOnRecord": {[]autov1alpha1.Update{preview, newer, last}, "last"}, "ElseTheNewest": {[]autov1alpha1.Update{preview, newer}, "newer"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := outputsSecret(stack, tc.updates); got != tc.want {
				t.Errorf("outputs are read from %q, want %q", got, tc.want)
			}
		})
	}
}

func TestTree(t *testing.T) {
	b := branch{stack: shop(conditions.Ready("ProcessingCompleted", "")), resources: []resource{
		{URN: "urn:pulumi:dev::p::pulumi:pulumi:Stack::p-dev", Type: "pulumi:pulumi:Stack"},
		{URN: "urn:pulumi:dev::p::pulumi:pulumi:Stack$a:b:C::one", Type: "a:b:C", Parent: "urn:pulumi:dev::p::pulumi:pulumi:Stack::p-dev"},
	}}
	text := b.text(noon)
	if !strings.Contains(text, "pulumi:pulumi:Stack p-dev\n        └── a:b:C one") || !strings.Contains(text, "no Workspace") {
		t.Errorf("the tree is\n%s", text)
	}
	read, err := readState([]byte(`{"version":3,"deployment":{"resources":[{"urn":"u::x","type":"t","inputs":{"password":"seen"}}]}}`))
	if diff := cmp.Diff([]resource{{URN: "u::x", Type: "t"}}, read); err != nil || diff != "" {
		t.Errorf("error %v, resources (-want +got):\n%s", err, diff)
	}
}

func TestLeaseVerdict(t *testing.T) {
	lease := func(ago time.Duration) *coordinationv1.Lease {
		return &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{HolderIdentity: new("manager-1"), LeaseDurationSeconds: new(int32(15)), RenewTime: &metav1.MicroTime{Time: noon.Add(-ago)}}}
	}
	tests := map[string]struct {
		lease *coordinationv1.Lease
		want  string
	}{
		"Held": {lease(time.Second), stateOK}, "Expired": {lease(time.Minute), stateFailed}, "Released": {&coordinationv1.Lease{}, stateFailed},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := leaseVerdict(tc.lease, noon); got.State != tc.want {
				t.Errorf("the verdict is %+v", got)
			}
		})
	}
	if got := certificateVerdict([]byte("rubbish"), noon); got.State != stateFailed {
		t.Errorf("of a certificate that is none: %+v", got)
	}
}

func TestFleetVerdicts(t *testing.T) {
	workspace := autov1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	workspace.Status.Conditions = conditions.Reconciling("AgentNotConnected", "refused").Conditions(0)
	got := fleetVerdicts(readRunbook(docs.Runbook), []pulumiv1.Stack{*shop(conditions.Stalled("SpecInvalid", "no stack"))}, []autov1alpha1.Workspace{workspace})
	if len(got) != 3 || got[0].State != stateFailed || got[0].Advice != "edit the Stack, or its Program" || !strings.Contains(got[1].Advice, "allow egress to gantry-hub") {
		t.Errorf("the verdicts are %+v", got)
	}
}
