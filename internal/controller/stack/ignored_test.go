package stack

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
)

func specOf(t *testing.T, text string) *pulumiv1.StackSpec {
	t.Helper()
	spec := &pulumiv1.StackSpec{}
	if err := yaml.Unmarshal([]byte("stack: dev\n"+text), spec); err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestIgnored(t *testing.T) {
	cases := map[string]struct {
		reason, spec string
		want         []string
	}{
		"Nothing": {"a plain spec has no such field", "programRef: {name: p}\nrefresh: true\n", nil},
		"TwoSources": {"one source counts", "programRef: {name: p}\nfluxSource: {sourceRef: {apiVersion: v1, kind: K, name: src}}\n",
			[]string{"spec.programRef: spec.fluxSource is the source"}},
		"AllSources": {"git before Flux before Program before the template's", `
projectRepo: https://git.example/x.git
fluxSource: {sourceRef: {apiVersion: v1, kind: K, name: src}}
programRef: {name: p}
workspaceTemplate: {spec: {local: {dir: /x}, projectInfo: {name: p, runtime: yaml}}}
`, []string{"spec.fluxSource: spec.projectRepo", "spec.programRef: spec.projectRepo", "spec.workspaceTemplate.spec.local: spec.projectRepo", "spec.workspaceTemplate.spec.projectInfo: spec.projectRepo"}},
		"LocalAlone":           {"a template may be the only source", "workspaceTemplate: {spec: {local: {dir: /x}}}\n", nil},
		"ResyncOfWhat":         {"a Program is watched, not polled", "programRef: {name: p}\nresyncFrequencySeconds: 300\n", []string{"spec.resyncFrequencySeconds: nothing is resynced"}},
		"ResyncOfCommit":       {"a commit stays what it is", "projectRepo: r\ncommit: c\nresyncFrequencySeconds: 300\n", []string{"spec.resyncFrequencySeconds: nothing is resynced"}},
		"ResyncOfBranch":       {"a branch is polled", "projectRepo: r\nbranch: b\nresyncFrequencySeconds: 300\n", nil},
		"Resync":               {"asked for", "continueResyncOnCommitMatch: true\nresyncFrequencySeconds: 300\n", nil},
		"ResyncTooOften":       {"a minute is the shortest", "continueResyncOnCommitMatch: true\nresyncFrequencySeconds: 30\n", []string{"spec.resyncFrequencySeconds: 30 counts as 60"}},
		"ResyncNegative":       {"there is no less than nothing", "continueResyncOnCommitMatch: true\nresyncFrequencySeconds: -30\n", []string{"spec.resyncFrequencySeconds: -30 counts as 60"}},
		"BackoffNegative":      {"nor for a wait", "retryMaxBackoffDurationSeconds: -1\n", []string{"spec.retryMaxBackoffDurationSeconds: a negative number"}},
		"Dependents":           {"dependents of nothing", "targetDependents: true\n", []string{"spec.targetDependents: there are no targets"}},
		"DependentsOf":         {"of targets", "targetDependents: true\ntargets: [u]\n", nil},
		"DependentsOfTemplate": {"which a template may name", "targetDependents: true\nupdateTemplate: {spec: {target: [u]}}\n", nil},
		"RunProgram":           {"there is no destroy", "runProgram: true\n", []string{"spec.runProgram: it is for the destroy"}},
		"RunProgramForDestroy": {"there is one", "runProgram: true\ndestroyOnFinalize: true\n", nil},
		"Provider":             {"a stack that is not made needs none", "secretsProvider: awskms://x\nuseLocalStackOnly: true\n", []string{"spec.secretsProvider: it is used when the stack is made"}},
		"Drift":                {"nothing is refreshed", "expectNoRefreshChanges: true\n", []string{"spec.expectNoRefreshChanges: nothing is refreshed"}},
		"DriftOfTemplate":      {"a template may refresh", "expectNoRefreshChanges: true\nupdateTemplate: {spec: {refresh: true}}\n", nil},
		"DriftNotOfTemplate":   {"or forbid it", "expectNoRefreshChanges: true\nrefresh: true\nupdateTemplate: {spec: {refresh: false}}\n", []string{"spec.expectNoRefreshChanges: nothing"}},
		"Remove":               {"there is no destroy", "updateTemplate: {spec: {remove: true}}\n", []string{"spec.updateTemplate.spec.remove: it is for the destroy"}},
		"RemoveForDestroy":     {"there is one", "destroyOnFinalize: true\nupdateTemplate: {spec: {remove: true}}\n", nil},
		"Bodies": {"a reference has one body", `
envRefs: {B: {type: Literal, literal: {value: v}, secret: {name: s, key: k}}, A: {type: Secret, secret: {name: s, key: k}, env: {name: X}}}
secretsRef: {c: {type: Secret, secret: {name: s, key: k}, filesystem: {path: /x}}}
`, []string{"spec.envRefs[A].env: the type is Secret", "spec.envRefs[B].secret: the type is Literal", "spec.secretsRef[c].filesystem: the type is Secret"}},
		"Templates": {"only labels, annotations and spec are used", `
workspaceTemplate: {apiVersion: auto.pulumi.com/v1alpha1, kind: Workspace, metadata: {name: x, labels: {a: b}, finalizers: [f], creationTimestamp: null}, status: {}}
updateTemplate: {kind: Update, metadata: {annotations: {a: b}, namespace: y}, status: {message: m}}
`, []string{"spec.workspaceTemplate.metadata (finalizers, name): only labels", "spec.workspaceTemplate.status: ", "spec.updateTemplate.metadata (namespace): only labels", "spec.updateTemplate.status: "}},
		"WorkspaceFields": {"fields of a Workspace that do nothing for a Stack", "workspaceTemplate: {spec: {serviceTemplate: {}, stacks: [{name: other}]}}\n",
			[]string{"spec.workspaceTemplate.spec.serviceTemplate: there is no Service", "spec.workspaceTemplate.spec.stacks: the Stack runs none"}},
		"Unreadable": {"a spec that cannot be read is not judged", "runProgram: true\nresyncFrequencySeconds: many\n", nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := ignored(specOf(t, tc.spec))
			if len(got) != len(tc.want) {
				t.Fatalf("%s: got %q, want %q", tc.reason, got, tc.want)
			}
			for i, want := range tc.want {
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("%s: got %q, want it to begin with %q", tc.reason, got[i], want)
				}
			}
		})
	}
}

func TestTemplatesOfAnotherKind(t *testing.T) {
	cases := map[string]struct{ spec, want string }{
		"Right":            {"workspaceTemplate: {apiVersion: auto.pulumi.com/v1alpha1, kind: Workspace}\nupdateTemplate: {apiVersion: auto.pulumi.com/v1alpha1, kind: Update}\n", ""},
		"Absent":           {"workspaceTemplate: {}\nupdateTemplate: {}\n", ""},
		"WorkspaceVersion": {"workspaceTemplate: {apiVersion: v1}\n", `spec.workspaceTemplate.apiVersion: "v1" is not auto.pulumi.com/v1alpha1`},
		"WorkspaceKind":    {"workspaceTemplate: {kind: Pod}\n", `spec.workspaceTemplate.kind: "Pod" is not Workspace`},
		"UpdateVersion":    {"updateTemplate: {apiVersion: pulumi.com/v1}\n", `spec.updateTemplate.apiVersion: "pulumi.com/v1" is not`},
		"UpdateKind":       {"updateTemplate: {kind: Workspace}\n", `spec.updateTemplate.kind: "Workspace" is not Update`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := invalidSpec(demo(func(s *pulumiv1.Stack) { s.Spec = *specOf(t, tc.spec) }))
			if tc.want == "" {
				if err != nil {
					t.Errorf("error: %v", err)
				}
				return
			}
			if terminal, ok := failure.AsTerminal(err); !ok || terminal.Reason != pulumiv1.ReasonSpecInvalid || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want a terminal SpecInvalid that says %q", err, tc.want)
			}
		})
	}
}

// The condition stands beside the state, survives the next reconcile, is told once, and goes with its cause.
func TestIgnoredFieldsAreToldOnce(t *testing.T) {
	c := newCluster(t, demo(func(s *pulumiv1.Stack) { s.Spec.RunProgram = true }), programOf(greeting))
	c.reconcile()
	c.finish("", nil)
	c.reconcile()
	if got := c.state(); got != "FieldsIgnored=True/NoEffect Ready=True/ProcessingCompleted " {
		t.Errorf("conditions: %s", got)
	}
	if told := c.told("FieldsIgnored"); len(told) != 1 || !strings.Contains(told[0], "spec.runProgram: it is for the destroy") {
		t.Errorf("it is told %d times: %q", len(told), told)
	}
	c.edit(func(s *pulumiv1.Stack) { s.Spec.RunProgram, s.Generation = false, 2 })
	c.reconcile()
	c.finish("", nil)
	c.reconcile()
	if got := c.state(); got != "Ready=True/ProcessingCompleted " {
		t.Errorf("conditions without it: %s", got)
	}
}
