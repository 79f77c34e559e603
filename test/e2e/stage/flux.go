package stage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fluxManifests are the double of Flux's source-controller in a pod, and its Service.
const fluxManifests = `
apiVersion: v1
kind: Pod
metadata: {name: source-controller, labels: {app: source-controller}}
spec:
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: source-controller
    image: localhost/gantry-e2e:dev
    command: [/usr/local/bin/flux-source, --address=:8080, "--base=http://source-controller.%s.svc"]
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    readinessProbe: {httpGet: {path: /admin/ready, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: source-controller}
spec:
  selector: {app: source-controller}
  ports: [{port: 80, targetPort: 8080}]
`

// FluxSources is the double of Flux's source-controller in a namespace: it serves artifacts, and sources get their status from
// here.
type FluxSources struct {
	stage *Stage
	url   string
}

// StartFluxSources installs the definitions of Flux's source kinds, where they are not, and starts the double. It is steered
// until ctx ends.
func (n *Namespace) StartFluxSources(ctx context.Context, definitions string) (*FluxSources, error) {
	ready, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := n.Define(ready, definitions); err != nil {
		return nil, err
	}
	pod, service := &corev1.Pod{}, &corev1.Service{}
	if err := n.Make(ctx, fmt.Sprintf(fluxManifests, n.Name), pod, service); err != nil {
		return nil, fmt.Errorf("the double of source-controller: %w", err)
	}
	if err := n.Until(ready, pod, "to be ready", func() bool { return PodReady(pod) }); err != nil {
		return nil, err
	}
	addresses, err := n.Forward(ctx, pod, 8080)
	if err != nil {
		return nil, err
	}
	return &FluxSources{stage: n.Stage, url: "http://" + addresses[0]}, nil
}

// Define installs the definitions in files, where they are not, and waits until they are served.
func (s *Stage) Define(ctx context.Context, pattern string) error {
	files, err := filepath.Glob(pattern)
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("there are no definitions %s, which `make` gets", pattern)
	}
	if err != nil {
		return err
	}
	definitions, err := Manifests(files...)
	if err != nil {
		return err
	}
	for _, definition := range definitions {
		if err := client.IgnoreAlreadyExists(s.Client.Create(ctx, definition)); err != nil {
			return fmt.Errorf("making the definition %s: %w", definition.GetName(), err)
		}
		if err := s.Until(ctx, definition, "to be served", func() bool { return established(definition) }); err != nil {
			return err
		}
	}
	return nil
}

// established tells whether a definition is served.
func established(definition *unstructured.Unstructured) bool {
	conditions, _, err := unstructured.NestedSlice(definition.Object, "status", "conditions")
	for _, item := range conditions {
		if condition, ok := item.(map[string]any); ok && condition["type"] == "Established" && condition["status"] == "True" {
			return err == nil
		}
	}
	return false
}

// Serve makes a source serve files under a revision, and answers the path of the artifact.
func (f *FluxSources) Serve(ctx context.Context, source *unstructured.Unstructured, revision string, files map[string]string) (path string, err error) {
	status, path, err := f.Pack(ctx, source, revision, files)
	if err != nil {
		return "", err
	}
	return path, f.Tell(ctx, source, status)
}

// Pack makes an artifact of a source, and answers the status that tells of it and the path where it is.
func (f *FluxSources) Pack(ctx context.Context, source *unstructured.Unstructured, revision string, files map[string]string) (status map[string]any, path string, err error) {
	err = f.ask(ctx, http.MethodPost, "artifacts", map[string]any{
		"kind": source.GetKind(), "namespace": source.GetNamespace(), "name": source.GetName(), "generation": source.GetGeneration(),
		"revision": revision, "files": files,
	}, &status)
	if err != nil {
		return nil, "", err
	}
	path, _, err = unstructured.NestedString(status, "artifact", "path")
	return status, "/" + path, err
}

// Tell writes the status of a source, as its controller does.
func (f *FluxSources) Tell(ctx context.Context, source *unstructured.Unstructured, status map[string]any) error {
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return fmt.Errorf("the status of %s: %w", source.GetName(), err)
	}
	if err := f.stage.Client.Status().Patch(ctx, source, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		return fmt.Errorf("writing the status of %s: %w", source.GetName(), err)
	}
	return nil
}

// Break has a path answered in another way, which the double knows as a Fault.
func (f *FluxSources) Break(ctx context.Context, path string, fault map[string]any) error {
	fault["path"] = path
	return f.ask(ctx, http.MethodPost, "faults", fault, nil)
}

// Fetches are how often a path was asked for.
func (f *FluxSources) Fetches(ctx context.Context, path string) (int, error) {
	requests := map[string]int{}
	err := f.ask(ctx, http.MethodGet, "requests", nil, &requests)
	return requests[path], err
}

// ask asks the double for what only tests may.
func (f *FluxSources) ask(ctx context.Context, method, path string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("asking the double of source-controller: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, method, f.url+"/admin/"+path, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("asking the double of source-controller: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("asking the double of source-controller: %w", err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return fmt.Errorf("asking the double of source-controller: %w", err)
	case response.StatusCode >= http.StatusBadRequest:
		return fmt.Errorf("%s %s: the double of source-controller says %s", method, path, said)
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(said, answer); err != nil {
		return fmt.Errorf("the double of source-controller answers %s: %w", said, err)
	}
	return nil
}
