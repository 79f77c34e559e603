package tell

import (
	"context"
	"os"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gantry-operator/gantry/test/e2e/stage"
)

const (
	// System is the namespace that the documentation installs Gantry in.
	System = "gantry-system"
	// emptied is how long it may take to remove what a former installation left.
	emptied = 2 * time.Minute
)

// Bare finds a cluster to install Gantry on, with nothing of Gantry left, or skips the test; command is what has one.
func Bare(t *testing.T, command string) *stage.Stage {
	t.Helper()
	kubeconfig := os.Getenv("KUBECONFIG")
	if os.Getenv("GANTRY_HELM") != "1" || kubeconfig == "" {
		t.Skip("SKIPPED: no cluster to install Gantry on. Set GANTRY_HELM=1 and KUBECONFIG, or run `" + command + "`.")
	}
	s, err := stage.Bare(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	s.Manager = client.ObjectKey{Namespace: System, Name: "gantry-manager"}
	ctx, cancel := context.WithTimeout(t.Context(), emptied)
	defer cancel()
	if err := s.RemoveDefinitions(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}
