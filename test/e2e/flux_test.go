package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

const (
	// fluxDefinitions are those of Flux's source kinds, which `make` gets.
	fluxDefinitions = "../../bin/flux-crds/*.yaml"
	fluxGroup       = "source.toolkit.fluxcd.io"
)

// sourceController is the double of Flux's source-controller in a pod, and its Service.
const sourceController = `
apiVersion: v1
kind: Pod
metadata: {name: source-controller, labels: {app: source-controller}}
spec:
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: source-controller
    image: ` + image + `
    command: [/usr/local/bin/flux-source, --address=:8080, "--base=http://source-controller.NAMESPACE.svc"]
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

// fluxSources is the double as a story steers it.
type fluxSources struct {
	s   *story
	url string
}

// startFlux installs Flux's source kinds, where they are not, and starts the double in a namespace.
func (s *story) startFlux(namespace string) *fluxSources {
	s.T.Helper()
	files, err := filepath.Glob(fluxDefinitions)
	s.Must(err)
	if len(files) == 0 {
		s.T.Fatalf("there are no %s: run `make bin/flux-crds`", fluxDefinitions)
	}
	definitions, err := stage.Manifests(files...)
	s.Must(err)
	for _, definition := range definitions {
		s.Must(client.IgnoreAlreadyExists(s.Client.Create(s.Ctx, definition)))
		s.Await(definition, "to be served", func() bool { return established(definition) })
	}
	pod, service := &corev1.Pod{}, &corev1.Service{}
	for i, object := range []client.Object{pod, service} {
		manifest := strings.ReplaceAll(strings.Split(sourceController, "---")[i], "NAMESPACE", namespace)
		s.Must(yaml.UnmarshalStrict([]byte(manifest), object))
		object.SetNamespace(namespace)
		s.Must(s.Client.Create(s.Ctx, object))
	}
	s.Await(pod, "to be ready", func() bool { return stage.PodReady(pod) })
	addresses, err := s.Forward(s.Ctx, pod, 8080)
	s.Must(err)
	return &fluxSources{s: s, url: "http://" + addresses[0]}
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

// ask asks the double for what only tests may.
func (f *fluxSources) ask(method, path string, body any) []byte {
	f.s.T.Helper()
	text, err := json.Marshal(body)
	f.s.Must(err)
	request, err := http.NewRequestWithContext(f.s.Ctx, method, f.url+"/admin/"+path, bytes.NewReader(text))
	f.s.Must(err)
	response, err := http.DefaultClient.Do(request)
	f.s.Must(err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	f.s.Must(err)
	if response.StatusCode >= http.StatusBadRequest {
		f.s.T.Fatalf("%s %s: %s", method, path, answer)
	}
	return answer
}

// source makes a source object.
func (f *fluxSources) source(kind, name, spec string) *unstructured.Unstructured {
	f.s.T.Helper()
	object := &unstructured.Unstructured{Object: map[string]any{}}
	f.s.Must(yaml.Unmarshal([]byte("{spec: "+spec+"}"), &object.Object))
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: fluxGroup, Version: "v1", Kind: kind})
	object.SetNamespace(f.s.Name)
	object.SetName(name)
	f.s.Must(f.s.Client.Create(f.s.Ctx, object))
	return object
}

// pack makes an artifact of a source, and answers the status that tells of it and the path where it is.
func (f *fluxSources) pack(source *unstructured.Unstructured, revision string, files map[string]string) (status map[string]any, path string) {
	f.s.T.Helper()
	answer := f.ask(http.MethodPost, "artifacts", map[string]any{
		"kind": source.GetKind(), "namespace": source.GetNamespace(), "name": source.GetName(), "generation": source.GetGeneration(),
		"revision": revision, "files": files,
	})
	f.s.Must(json.Unmarshal(answer, &status))
	path, _, err := unstructured.NestedString(status, "artifact", "path")
	f.s.Must(err)
	return status, "/" + path
}

// tell writes the status of a source, as its controller does.
func (f *fluxSources) tell(source *unstructured.Unstructured, status map[string]any) {
	f.s.T.Helper()
	patch, err := json.Marshal(map[string]any{"status": status})
	f.s.Must(err)
	f.s.Must(f.s.Client.Status().Patch(f.s.Ctx, source, client.RawPatch("application/merge-patch+json", patch)))
}

// serve makes a source serve files under a revision, and answers the path of the artifact.
func (f *fluxSources) serve(source *unstructured.Unstructured, revision string, files map[string]string) string {
	f.s.T.Helper()
	status, path := f.pack(source, revision, files)
	f.tell(source, status)
	return path
}

// fetches are how often a path was asked for.
func (f *fluxSources) fetches(path string) int {
	f.s.T.Helper()
	requests := map[string]int{}
	f.s.Must(json.Unmarshal(f.ask(http.MethodGet, "requests", nil), &requests))
	return requests[path]
}

// fromSource makes a Stack take a Flux source instead of a Program.
func fromSource(kind, name, dir string) string {
	return `{spec: {programRef: null, fluxSource: {dir: "` + dir + `", sourceRef: {apiVersion: ` + fluxGroup + `/v1, kind: ` + kind + `, name: ` + name + `}}}}`
}

// greets are the files of a program whose output is the greeting.
func greets(greeting string) map[string]string {
	return map[string]string{"README.md": "not the program", "infra/Pulumi.yaml": "name: greeter\nruntime: yaml\noutputs: {greeting: " + greeting + "}\n"}
}

// untilRan waits until a Stack is Ready with a revision.
func (s *story) untilRan(stack *pulumiv1.Stack, revision, greeting string) {
	s.T.Helper()
	s.Await(stack, "to have run "+revision, func() bool {
		return stage.Ready(stack) && stack.Status.LastUpdate != nil && stack.Status.LastUpdate.LastSuccessfulCommit == revision
	})
	if got := output(stack, "greeting"); got != `"`+greeting+`"` {
		s.T.Errorf("%s: the greeting of %s is %s", stack.Name, revision, got)
	}
}

// TestFluxSource follows sources that are made after their Stacks, change, break and go.
func TestFluxSource(t *testing.T) {
	t.Parallel()
	s := begin(t, "flux")
	f := s.startFlux(s.Name)
	waits := func(stack *pulumiv1.Stack, words string) {
		t.Helper()
		s.Await(stack, "to wait: "+words, func() bool {
			waiting := stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeReconciling)
			return waiting.Reason == pulumiv1.ReasonSourceUnavailable && strings.Contains(waiting.Message, words)
		})
	}
	stack := s.stack("greeter", "", onImage, fromSource("GitRepository", "app", "infra"))
	second := s.stack("second", "", onImage, fromSource("GitRepository", "app", "./infra/"))
	waits(stack, `GitRepository "app" is not there`)
	source := f.source("GitRepository", "app", `{interval: 1h, url: "https://git.example/app", ref: {branch: main}}`)
	waits(stack, "no artifact yet")

	first := f.serve(source, "main@sha1:1111", greets("hello"))
	s.untilRan(stack, "main@sha1:1111", "hello")
	s.untilRan(second, "main@sha1:1111", "hello")
	if n := f.fetches(first); n != 1 {
		t.Errorf("the artifact of two Stacks was fetched %d times", n)
	}

	t.Log("a new artifact makes exactly one update")
	f.serve(source, "main@sha1:2222", greets("hello again"))
	s.untilRan(stack, "main@sha1:2222", "hello again")
	s.untilRan(second, "main@sha1:2222", "hello again")
	s.updates("greeter", 2)

	t.Log("one that vanished is waited for, and the next one runs")
	status, gone := f.pack(source, "main@sha1:3333", greets("never"))
	f.ask(http.MethodPost, "faults", map[string]any{"path": gone, "status": http.StatusNotFound})
	f.tell(source, status)
	waits(stack, "not there any more (404)")
	f.serve(source, "main@sha1:4444", greets("back"))
	s.untilRan(stack, "main@sha1:4444", "back")

	t.Log("one with another digest stalls, and the next one runs")
	status, wrong := f.pack(source, "main@sha1:5555", greets("never"))
	f.ask(http.MethodPost, "faults", map[string]any{"path": wrong, "body": "not the archive"})
	f.tell(source, status)
	s.Await(stack, "to stall", func() bool {
		return stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeStalled).Reason == pulumiv1.ReasonSourceInvalid
	})
	f.serve(source, "main@sha1:6666", greets("well"))
	s.untilRan(stack, "main@sha1:6666", "well")
	s.updates("greeter", 4)

	t.Log("of any kind of Flux's")
	for kind, spec := range map[string]string{
		"OCIRepository":    `{interval: 1h, url: "oci://registry.example/app"}`,
		"Bucket":           `{interval: 1h, bucketName: app, endpoint: s3.example}`,
		"ExternalArtifact": `{sourceRef: {apiVersion: example.com/v1, kind: Generator, name: app}}`,
	} {
		f.serve(f.source(kind, "app", spec), "v1@sha256:7777", greets("as "+kind))
		other := s.stack(strings.ToLower(kind), "", onImage, fromSource(kind, "app", "infra"))
		s.untilRan(other, "v1@sha256:7777", "as "+kind)
	}

	t.Log("a Stack is destroyed when its source is gone")
	s.Must(s.Client.Delete(s.Ctx, source))
	s.Must(s.Patch(s.Ctx, stack, `{"spec":{"destroyOnFinalize":true}}`))
	s.Must(s.Client.Delete(s.Ctx, stack))
	s.AwaitGone(stack, "to be gone when it is destroyed")
}

// fluxSource runs the program of a Flux source, of which the double is the controller.
func (e *exampleStory) fluxSource() {
	f := e.startFlux(cloudNamespace)
	objects := e.apply("flux-source/repository.yaml", "flux-source/stack.yaml")
	f.serve(objects[0], "master@sha1:0123456789012345678901234567890123456789", map[string]string{
		"random-yaml/Pulumi.yaml": "name: random-yaml\nruntime: yaml\n" +
			"resources: {randomPassword: {type: \"random:RandomPassword\", properties: {length: 16}}}\noutputs: {password: \"${randomPassword.result}\"}\n",
	})
	stack := e.Stack("random-yaml-flux")
	e.AwaitReady(stack)
	if output(stack, "password") != `"[secret]"` || stack.Status.LastUpdate.LastSuccessfulCommit != "master@sha1:0123456789012345678901234567890123456789" {
		e.T.Errorf("the password is %s, the revision %s", output(stack, "password"), stack.Status.LastUpdate.LastSuccessfulCommit)
	}
	e.Must(e.Client.Delete(e.Ctx, stack))
	destroy := e.destroyOf(stack.Name)
	e.AwaitGone(stack, "to be gone when it is destroyed")
	if destroy.Status.Changes["delete"] != 2 {
		e.T.Errorf("the destroy changed %v", destroy.Status.Changes)
	}
}
