package e2e

import (
	"net/http"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
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

// fluxSources is the double of Flux's source-controller as a story steers it.
type fluxSources struct {
	*stage.FluxSources
	s *story
}

// startFlux installs Flux's source kinds, where they are not, and starts the double in a namespace.
func (s *story) startFlux(namespace string) *fluxSources {
	s.T.Helper()
	home := &stage.Namespace{Stage: s.Stage, Name: namespace}
	sources, err := home.StartFluxSources(s.Ctx, fluxDefinitions)
	s.Must(err)
	return &fluxSources{FluxSources: sources, s: s}
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
	status, path, err := f.Pack(f.s.Ctx, source, revision, files)
	f.s.Must(err)
	return status, path
}

// serve makes a source serve files under a revision, and answers the path of the artifact.
func (f *fluxSources) serve(source *unstructured.Unstructured, revision string, files map[string]string) string {
	f.s.T.Helper()
	path, err := f.Serve(f.s.Ctx, source, revision, files)
	f.s.Must(err)
	return path
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
	if n, err := f.Fetches(s.Ctx, first); n != 1 || err != nil {
		t.Errorf("the artifact of two Stacks was fetched %d times, %v", n, err)
	}

	t.Log("a new artifact makes exactly one update")
	f.serve(source, "main@sha1:2222", greets("hello again"))
	s.untilRan(stack, "main@sha1:2222", "hello again")
	s.untilRan(second, "main@sha1:2222", "hello again")
	s.updates("greeter", 2)

	t.Log("one that vanished is waited for, and the next one runs")
	status, gone := f.pack(source, "main@sha1:3333", greets("never"))
	s.Must(f.Break(s.Ctx, gone, map[string]any{"status": http.StatusNotFound}))
	s.Must(f.Tell(s.Ctx, source, status))
	waits(stack, "not there any more (404)")
	f.serve(source, "main@sha1:4444", greets("back"))
	s.untilRan(stack, "main@sha1:4444", "back")

	t.Log("one with another digest stalls, and the next one runs")
	status, wrong := f.pack(source, "main@sha1:5555", greets("never"))
	s.Must(f.Break(s.Ctx, wrong, map[string]any{"body": "not the archive"}))
	s.Must(f.Tell(s.Ctx, source, status))
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
