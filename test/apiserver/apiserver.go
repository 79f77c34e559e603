// Package apiserver owns how tests that need no pods get a real API server.
package apiserver

import (
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// Start starts an API server with the definitions of the given directories, which like its own path are below the
// repository's root; it is stopped when the test ends. Where there is none to start, or a directory is not there, the
// test is skipped, and in CI it fails.
func Start(t *testing.T, root string, definitions ...string) (*envtest.Environment, *rest.Config) {
	t.Helper()
	return start(t, root, nil, definitions)
}

// StartAudited is Start, with a line for each request that was answered in the file at audit: who asked for what, and when.
func StartAudited(t *testing.T, root, audit string, definitions ...string) (*envtest.Environment, *rest.Config) {
	t.Helper()
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, root, map[string]string{"audit-policy-file": policy, "audit-log-path": audit, "audit-log-mode": "batch"}, definitions)
}

const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules: [{level: Metadata}]
`

func start(t *testing.T, root string, flags map[string]string, definitions []string) (*envtest.Environment, *rest.Config) {
	t.Helper()
	environment := &envtest.Environment{BinaryAssetsDirectory: os.Getenv("KUBEBUILDER_ASSETS"), ErrorIfCRDPathMissing: true}
	if environment.BinaryAssetsDirectory == "" {
		environment.BinaryAssetsDirectory = filepath.Join(root, "bin/envtest")
	}
	needed := []string{filepath.Join(environment.BinaryAssetsDirectory, "kube-apiserver")}
	for _, dir := range definitions {
		environment.CRDDirectoryPaths = append(environment.CRDDirectoryPaths, filepath.Join(root, dir))
	}
	for _, path := range append(needed, environment.CRDDirectoryPaths...) {
		if _, err := os.Stat(path); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("there is no API server to test with: %v", err)
			}
			t.Skipf("NOT PROVEN: there is no %s, so nothing is tested against an API server", path)
		}
	}
	for name, value := range flags {
		environment.ControlPlane.GetAPIServer().Configure().Set(name, value)
	}
	config, err := environment.Start()
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Errorf("stop the API server: %v", err)
		}
	})
	if err != nil {
		t.Fatalf("start the API server: %v", err)
	}
	return environment, config
}
