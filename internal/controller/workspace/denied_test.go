package workspace

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gantry-operator/gantry/internal/kube"
	"github.com/gantry-operator/gantry/internal/kube/kubetest"
)

// TestMissingRightToWriteIsNamed: what the manager may not do with a pod is said on the Workspace, and is done when it may.
func TestMissingRightToWriteIsNamed(t *testing.T) {
	tests := map[string]struct {
		verb, says, done string
		ran              bool
	}{
		"Create":  {verb: "create", says: "may not create pods in namespace team", done: "create demo-workspace-0"},
		"Protect": {verb: "patch", says: `may not patch pods "demo-workspace-0" in namespace team`, done: "patch demo-workspace-0", ran: true},
		"Replace": {verb: "delete", says: `may not delete pods "demo-workspace-0" in namespace team`, done: "delete demo-workspace-0 uid pod-1 grace 10", ran: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ws := workspaceObject()
			w := newWorld(t, ws, update("next", ""))
			if tc.ran {
				old := runningPod(ws, "pod-1", start())
				if tc.verb == "delete" {
					w.change(ws, func() { ws.Spec.Env = []corev1.EnvVar{{Name: "NEW", Value: "1"}} })
				}
				if err := w.cluster.Create(t.Context(), old); err != nil {
					t.Fatal(err)
				}
				w.connect("pod-1")
			}
			may := w.Client
			w.Client = kubetest.Refusing{Client: may, Verb: tc.verb, Resource: schema.GroupResource{Resource: "pods"}, Kind: "Pod"}
			if result := w.reconcile(); result.RequeueAfter == 0 || result.RequeueAfter > kube.DeniedRetry {
				t.Errorf("it is tried again after %s", result.RequeueAfter)
			}
			w.expectState(ReasonPermissionMissing, tc.says)
			w.expectState(ReasonPermissionMissing, "ServiceAccount gantry-manager of namespace gantry-system")
			w.Client = may
			w.after(time.Minute).reconcile()
			if len(w.calls) == 0 || w.calls[0] != tc.done {
				t.Errorf("with the right it does %q, want %q", w.calls, tc.done)
			}
		})
	}
}
