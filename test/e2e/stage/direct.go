package stage

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// workspaceManifest is a Workspace that keeps the state of its stacks on the namespace's volume.
const workspaceManifest = `
apiVersion: auto.pulumi.com/v1alpha1
kind: Workspace
metadata: {name: %[1]q, namespace: %[2]q}
spec:
  env:
  - {name: PULUMI_BACKEND_URL, value: "file:///state"}
  - {name: PULUMI_CONFIG_PASSPHRASE, valueFrom: {secretKeyRef: {name: passphrase, key: passphrase}}}
  podTemplate:
    spec:
      terminationGracePeriodSeconds: 5
      containers:
      - name: pulumi
        volumeMounts: [{name: state, mountPath: /state}]
      volumes: [{name: state, persistentVolumeClaim: {claimName: state}}]
`

// updateManifest is an Update that nobody owns.
const updateManifest = `
apiVersion: auto.pulumi.com/v1alpha1
kind: Update
metadata: {name: %[1]q, namespace: %[2]q}
spec: {}
`

// CreateWorkspace makes a Workspace that no Stack owns, changed by overlays as a Stack is, and returns it to be watched.
func (n *Namespace) CreateWorkspace(ctx context.Context, name string, overlays ...string) (*autov1alpha1.Workspace, error) {
	return n.Workspace(name), n.create(ctx, fmt.Sprintf(workspaceManifest, name, n.Name), overlays)
}

// CreateUpdate makes an Update that no Stack and no Workspace owns.
func (n *Namespace) CreateUpdate(ctx context.Context, name string, overlays ...string) (*autov1alpha1.Update, error) {
	return &autov1alpha1.Update{ObjectMeta: n.meta(name)}, n.create(ctx, fmt.Sprintf(updateManifest, name, n.Name), overlays)
}

// create makes an object of a manifest that overlays change.
func (n *Namespace) create(ctx context.Context, manifest string, overlays []string) error {
	object := map[string]any{}
	for _, text := range append([]string{manifest}, overlays...) {
		overlay := map[string]any{}
		if err := yaml.Unmarshal([]byte(text), &overlay); err != nil {
			return fmt.Errorf("a manifest: %w:\n%s", err, text)
		}
		merge(object, overlay)
	}
	made := &unstructured.Unstructured{Object: object}
	if err := n.Client.Create(ctx, made); err != nil {
		return fmt.Errorf("making %s %s/%s: %w", made.GetKind(), n.Name, made.GetName(), err)
	}
	return nil
}
