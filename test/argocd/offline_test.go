package argocd

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// offline runs Argo CD's command for health checks and actions on an object, without a cluster.
func offline(ctx context.Context, t *testing.T, object, verb string, arguments ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "object.yaml")
	if err := os.WriteFile(file, []byte(object), 0o600); err != nil {
		t.Fatal(err)
	}
	arguments = append([]string{"admin", "settings", "resource-overrides", verb, file}, arguments...)
	command := exec.CommandContext(ctx, filepath.Join(built, "argocd"), append(arguments, "--argocd-cm-path", shipped)...)
	command.Env = append(os.Environ(), "HOME="+t.TempDir())
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", verb, err, output)
	}
	return string(output)
}

// healthyOffline checks what Argo CD's command makes of a Stack at rest and of all that goes with it.
func (s *story) healthyOffline(stack string) {
	s.T.Helper()
	for _, kind := range []string{"stack", "program", "workspace", "update"} {
		name := stack
		if kind == "update" {
			updates, err := s.Updates(s.Ctx, stack)
			s.Must(err)
			name = updates[0].Name
		}
		if said := offline(s.Ctx, s.T, s.kubectl("get", kind, name, "-o", "yaml"), "health"); !strings.Contains(said, "STATUS: Healthy") {
			s.T.Errorf("%s %s: %s", kind, name, said)
		}
	}
}

// offlineStack is a Stack for the actions; what is given is added to it.
func offlineStack(t *testing.T, more string) string {
	t.Helper()
	object := map[string]any{}
	for _, text := range []string{`
apiVersion: pulumi.com/v1
kind: Stack
metadata: {name: app, namespace: team, uid: 1-2-3, generation: 2}
spec: {stack: org/project/dev, envs: [], config: {}, secretsRef: {}}
`, more} {
		if err := yaml.Unmarshal([]byte(text), &object); err != nil {
			t.Fatal(err)
		}
	}
	text, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// needArgo skips a test if there is no Argo CD.
func needArgo(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(built, "argocd")); err != nil {
		t.Skip("SKIPPED: no bin/argocd; run `make argocd`")
	}
}

// TestOfflineHealth asks the command for the health of each kind in each state; that the check tells all states apart is
// for internal/conditions/conditionstest.
func TestOfflineHealth(t *testing.T) {
	needArgo(t)
	kinds := map[string]string{"Stack": "pulumi.com/v1", "Program": "pulumi.com/v1", "Workspace": "auto.pulumi.com/v1alpha1", "Update": "auto.pulumi.com/v1alpha1"}
	states := map[string]string{
		"Healthy":     `conditions: [{type: Ready, status: "True", message: the reason}]`,
		"Progressing": `conditions: [{type: Ready, status: "False", message: no}, {type: Reconciling, status: "True", message: the reason}]`,
		"Degraded":    `conditions: [{type: Ready, status: "False", message: no}, {type: Stalled, status: "True", message: the reason}]`,
	}
	for kind, version := range kinds {
		for want, state := range states {
			t.Run(kind+want, func(t *testing.T) {
				object := "{apiVersion: " + version + ", kind: " + kind + ", metadata: {name: app, generation: 2}, status: {observedGeneration: 2, " + state + "}}"
				said := offline(t.Context(), t, object, "health")
				if !strings.Contains(said, "STATUS: "+want+"\nMESSAGE: the reason") {
					t.Errorf("want %s, it says: %s", want, said)
				}
			})
		}
	}
}

// TestOfflineActions asks the command which actions there are for a Stack, by what it does.
func TestOfflineActions(t *testing.T) {
	needArgo(t)
	cases := map[string]struct{ more, want string }{
		"New":       {``, "cancel true, preview true, reconcile false, refresh true, resume true, suspend false"},
		"AtRest":    {`status: {lastUpdate: {state: succeeded}}`, "cancel true, preview false, reconcile false, refresh false, resume true, suspend false"},
		"Running":   {`status: {lastUpdate: {state: succeeded}, currentUpdate: {name: u}}`, "cancel false, preview false, reconcile false, refresh false, resume true, suspend false"},
		"Suspended": {`{spec: {stack: dev, suspend: true}, status: {lastUpdate: {state: succeeded}}}`, "cancel true, preview false, reconcile true, refresh false, resume false, suspend true"},
		"Reclaimed": {`{spec: {stack: dev, workspaceReclaimPolicy: Delete}, status: {lastUpdate: {state: succeeded}}}`, "cancel true, preview true, reconcile false, refresh true, resume true, suspend false"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			said := offline(t.Context(), t, offlineStack(t, tc.more), "list-actions")
			var got []string
			for line := range strings.Lines(said) {
				if words := strings.Fields(line); len(words) == 2 && words[0] != "NAME" {
					got = append(got, words[0]+" "+words[1])
				}
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, ", ")); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOfflineRun runs each action by the command. Of an object that is changed it prints the lines that differ, so that
// nothing else of the Stack may be in it.
func TestOfflineRun(t *testing.T) {
	needArgo(t)
	cases := map[string]struct {
		more, action string
		want         []string
		lines        int
	}{
		"Reconcile": {``, "reconcile", []string{"annotations:", "reconcile.fluxcd.io/requestedAt: argocd-20"}, 2},
		"Cancel":    {``, "cancel", []string{"annotations:", "pulumi.com/cancel-request: argocd-20"}, 2},
		"Suspend":   {``, "suspend", []string{"suspend: true"}, 1},
		"Resume":    {`spec: {stack: dev, suspend: true}`, "resume", []string{"<   suspend: true"}, 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			said := offline(t.Context(), t, offlineStack(t, tc.more), "run-action", tc.action)
			changed := 0
			for line := range strings.Lines(said) {
				if strings.HasPrefix(line, "<") || strings.HasPrefix(line, ">") {
					changed++
				}
			}
			for _, want := range tc.want {
				if !strings.Contains(said, want) || changed != tc.lines {
					t.Errorf("it says:\n%s\nwant %q, and %d lines changed", said, want, tc.lines)
				}
			}
		})
	}
	for _, action := range []string{"refresh", "preview"} {
		t.Run(action, func(t *testing.T) {
			_, made, _ := strings.Cut(offline(t.Context(), t, offlineStack(t, ``), "run-action", action), "created:\n")
			update := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(made), &update.Object); err != nil {
				t.Fatal(err)
			}
			want := map[string]any{
				"apiVersion": "auto.pulumi.com/v1alpha1", "kind": "Update",
				"metadata": map[string]any{"generateName": "app-", "namespace": "team", "ownerReferences": []any{
					map[string]any{"apiVersion": "pulumi.com/v1", "kind": "Stack", "name": "app", "uid": "1-2-3"},
				}},
				"spec": map[string]any{"workspaceName": "app", "stackName": "org/project/dev", "type": action, "ttlAfterCompleted": "24h"},
			}
			if diff := cmp.Diff(want, update.Object); diff != "" {
				t.Errorf("the Update (-want +got):\n%s", diff)
			}
		})
	}
}
