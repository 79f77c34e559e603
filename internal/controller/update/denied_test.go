package update

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/kube"
	"github.com/gantry-operator/gantry/internal/kube/kubetest"
	"github.com/gantry-operator/gantry/internal/operation"
)

// without takes a right from the manager.
func (w *world) without(verb, resource, kind string) {
	w.Client = kubetest.Refusing{Client: w.client, Verb: verb, Resource: schema.ParseGroupResource(resource), Kind: kind}
	w.Reader = w.Client
}

// denied reconciles an Update, which is tried again later.
func (w *world) denied(name string) {
	w.t.Helper()
	if result := w.reconcile(name); result.RequeueAfter != kube.DeniedRetry {
		w.t.Errorf("it is tried again after %s", result.RequeueAfter)
	}
}

// saysDenied checks what the Update says of the right.
func (w *world) saysDenied(name, words string) {
	w.t.Helper()
	for _, c := range w.get(name).Status.Conditions {
		if c.Type == autov1alpha1.ConditionTypeReconciling {
			if c.Reason != ReasonPermissionMissing || !strings.Contains(c.Message, words) || !strings.Contains(c.Message, "ServiceAccount gantry-manager of namespace gantry-system") {
				w.t.Errorf("Reconciling %s: %q, want PermissionMissing with %q", c.Reason, c.Message, words)
			}
			return
		}
	}
	w.t.Error("it is not Reconciling")
}

func (w *world) allow() { w.Client, w.Reader = w.client, w.client }

func TestMissingRightIsNamed(t *testing.T) {
	tests := map[string]struct {
		verb, resource, kind string
		says                 string
	}{
		"Finalizer": {"patch", "updates.auto.pulumi.com", "Update", `may not patch updates.auto.pulumi.com "u" in namespace team`},
		"Workspace": {"get", "workspaces.auto.pulumi.com", "Workspace", `may not get workspaces.auto.pulumi.com "demo" in namespace team`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, aWorkspace(), aPod(podUID), anUpdate("u"))
			w.connect(podUID)
			w.without(tc.verb, tc.resource, tc.kind)
			w.denied("u")
			w.only("u", "Complete=False/Progressing", "Failed=False/Progressing", "Progressing=False/PermissionMissing",
				"Ready=False/NotReadyInProgress", "Reconciling=True/PermissionMissing")
			w.saysDenied("u", tc.says)
			if w.hub.agent.runs["uid-u"] != 0 {
				t.Error("it runs")
			}
			w.allow()
			w.reconcile("u")
			if w.hub.agent.runs["uid-u"] != 1 {
				t.Error("with the right it does not run")
			}
		})
	}
}

// An Update that runs is not taken for one that waits.
func TestMissingRightOfARunningUpdateIsNamed(t *testing.T) {
	w := started(t)
	w.hub.agent = nil
	w.without("get", "pods", "Pod")
	w.denied("u")
	w.saysDenied("u", `may not get pods "demo-workspace-0" in namespace team`)
	if got := w.get("u").Status; got.PodUID != string(podUID) || got.StartTime == nil {
		t.Errorf("it is bound to %q since %v", got.PodUID, got.StartTime)
	}
}

// Nothing is recorded before its outputs are.
func TestMissingRightToWriteOutputsIsNamed(t *testing.T) {
	w := started(t)
	w.finish("u", success(map[string]*operation.Output{"a": {Json: []byte("1")}}))
	w.without("create", "secrets", "Secret")
	w.denied("u")
	w.saysDenied("u", "may not create secrets in namespace team")
	w.allow()
	w.reconcile("u")
	w.only("u", "Complete=True/Updated", "Failed=False/UpdateSucceeded", "Progressing=False/Complete", "Ready=True/UpdateSucceeded")
	if len(w.secrets()) != 1 {
		t.Errorf("there are %d Secrets", len(w.secrets()))
	}
}

// The record of an Update that is complete says what came of it, and nothing else.
func TestMissingRightToDeleteIsTold(t *testing.T) {
	w := started(t, func(u *autov1alpha1.Update) { u.Spec.TTLAfterCompleted = new("1h") })
	w.finish("u", success(nil))
	w.reconcile("u")
	w.clock.SetTime(epoch().Add(time.Hour))
	w.without("delete", "updates.auto.pulumi.com", "Update")
	w.denied("u")
	w.only("u", "Complete=True/Updated", "Failed=False/UpdateSucceeded", "Progressing=False/Complete", "Ready=True/UpdateSucceeded")
	if !slices.ContainsFunc(w.recorder.events, func(e string) bool {
		return strings.HasPrefix(e, `Warning PermissionMissing the manager may not delete updates.auto.pulumi.com "u" in namespace team`)
	}) {
		t.Errorf("events: %q", w.recorder.events)
	}
	w.allow()
	w.reconcile("u")
	if w.find("u") != nil {
		t.Error("with the right it stays")
	}
}
