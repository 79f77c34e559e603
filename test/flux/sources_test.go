package flux_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/flux"
	"github.com/gantry-operator/gantry/test/doubles/fluxsource"
)

type namespacedName = types.NamespacedName

const group = "source.toolkit.fluxcd.io"

func specs() map[string]string {
	return map[string]string{
		"GitRepository":    `{interval: 1h, url: "https://git.example/app"}`,
		"OCIRepository":    `{interval: 1h, url: "oci://registry.example/app"}`,
		"Bucket":           `{interval: 1h, bucketName: app, endpoint: s3.example}`,
		"HelmChart":        `{interval: 1h, chart: app, sourceRef: {kind: HelmRepository, name: app}}`,
		"ExternalArtifact": `{sourceRef: {apiVersion: example.com/v1, kind: Generator, name: app}}`,
	}
}

// source makes a source, of which Flux's own definition must think well.
func (s *setting) source(kind, name string) *unstructured.Unstructured {
	s.t.Helper()
	object := &unstructured.Unstructured{Object: map[string]any{}}
	must(s.t, yaml.Unmarshal([]byte("{spec: "+specs()[kind]+"}"), &object.Object))
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind})
	object.SetNamespace("ns")
	object.SetName(name)
	must(s.t, s.Create(s.t.Context(), object))
	return object
}

// tell writes a status as source-controller does, and sees that the definition lets all of it through.
func (s *setting) tell(object *unstructured.Unstructured, status json.RawMessage) {
	s.t.Helper()
	patch, err := json.Marshal(map[string]any{"status": status})
	must(s.t, err)
	must(s.t, s.Status().Patch(s.t.Context(), object, client.RawPatch(types.MergePatchType, patch)))
	var want any
	must(s.t, json.Unmarshal(status, &want))
	got, err := json.Marshal(object.Object["status"])
	must(s.t, err)
	var kept any
	must(s.t, json.Unmarshal(got, &kept))
	if diff := cmp.Diff(want, kept); diff != "" {
		s.t.Fatalf("the status of %s (-told +kept):\n%s", object.GetKind(), diff)
	}
}

// order asks for an artifact of a source.
func order(object *unstructured.Unstructured, revision string) fluxsource.Order {
	return fluxsource.Order{
		Kind: object.GetKind(), Namespace: object.GetNamespace(), Name: object.GetName(), Generation: object.GetGeneration(),
		Revision: revision, Files: map[string]string{"Pulumi.yaml": "name: app\nruntime: yaml\ndescription: " + revision + "\n"},
	}
}

// serve makes a source serve an artifact, and answers its path.
func (s *setting) serve(object *unstructured.Unstructured, o fluxsource.Order, fault *fluxsource.Fault) string {
	s.t.Helper()
	status, err := s.sources.Store(o, time.Now())
	must(s.t, err)
	var told struct {
		Artifact struct {
			Path string `json:"path"`
		} `json:"artifact"`
	}
	must(s.t, json.Unmarshal(status, &told))
	if fault != nil {
		fault.Path = "/" + told.Artifact.Path
		s.sources.Inject(*fault)
	}
	s.tell(object, status)
	return "/" + told.Artifact.Path
}

// observe is what the follower says of a source at last.
func (s *setting) observe(object *unstructured.Unstructured, settled func(source.Revision, error) bool) (source.Revision, error) {
	s.t.Helper()
	consumer := source.Consumer{Kind: "Test", NamespacedName: namespacedName{Namespace: "ns", Name: object.GetKind() + "-" + object.GetName()}}
	s.t.Cleanup(func() { s.follower.Forget(consumer) })
	ref := flux.Reference{GroupVersionKind: object.GroupVersionKind(), NamespacedName: client.ObjectKeyFromObject(object)}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		revision, err := s.follower.Observe(s.t.Context(), consumer, ref, nil)
		if settled(revision, err) {
			return revision, err
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("it stays with %+v, %v", revision, err)
		}
	}
}

// Every kind of Flux's, with its own definition and types, and every digest that Flux can be told to use.
func TestSourcesOfFlux(t *testing.T) {
	s := newSetting(t)
	for kind := range specs() {
		t.Run(kind, func(t *testing.T) {
			s := &setting{t: t, Client: s.Client, sources: s.sources, follower: s.follower, store: s.store}
			object := s.source(kind, "app")
			s.observe(object, func(_ source.Revision, err error) bool {
				waiting, ok := failure.AsWaiting(err)
				return ok && waiting.Reason == pulumiv1.ReasonSourceUnavailable && strings.Contains(err.Error(), "no artifact yet")
			})
			failing, err := fluxsource.Failing(order(object, ""), nil, time.Now())
			must(t, err)
			s.tell(object, failing)
			s.observe(object, func(_ source.Revision, err error) bool {
				return err != nil && strings.Contains(err.Error(), "Ready is False, GitOperationFailed: failed to checkout")
			})
			path := s.serve(object, order(object, "main@sha1:1"), nil)
			revision, _ := s.observe(object, func(_ source.Revision, err error) bool { return err == nil })
			if revision.Revision != "main@sha1:1" || !s.store.Has(revision.Digest) || !strings.HasPrefix(revision.Content, "sha256:") {
				t.Errorf("the revision is %+v", revision)
			}
			for range 3 {
				s.observe(object, func(_ source.Revision, err error) bool { return err == nil })
			}
			if n := s.sources.Requests()[path]; n != 1 {
				t.Errorf("the artifact was fetched %d times", n)
			}
		})
	}
	for _, algorithm := range []string{"sha256", "sha384", "sha512", "blake3"} {
		t.Run(algorithm, func(t *testing.T) {
			s := &setting{t: t, Client: s.Client, sources: s.sources, follower: s.follower, store: s.store}
			object := s.source("GitRepository", algorithm)
			o := order(object, "main@"+algorithm)
			o.Algorithm = algorithm
			s.serve(object, o, nil)
			revision, _ := s.observe(object, func(_ source.Revision, err error) bool { return err == nil })
			if !strings.HasPrefix(revision.Content, algorithm+":") || !s.store.Has(revision.Digest) {
				t.Errorf("the revision is %+v", revision)
			}
		})
	}
}

func TestSourcesOfFluxThatFail(t *testing.T) {
	s := newSetting(t)
	cases := map[string]struct {
		fault   *fluxsource.Fault
		padding int64
		reason  string
		stalls  bool
		words   string
	}{
		"Vanished":     {&fluxsource.Fault{Status: 404}, 0, pulumiv1.ReasonSourceUnavailable, false, "not there any more (404)"},
		"Broken":       {&fluxsource.Fault{Status: 500}, 0, pulumiv1.ReasonSourceUnavailable, false, "5xx"},
		"WrongContent": {&fluxsource.Fault{Body: "<html>"}, 0, pulumiv1.ReasonSourceInvalid, true, "does not have the digest"},
		"Bomb":         {nil, 64 << 20, pulumiv1.ReasonSourceInvalid, true, "bigger than max archive size"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := &setting{t: t, Client: s.Client, sources: s.sources, follower: s.follower, store: s.store}
			object := s.source("GitRepository", strings.ToLower(name))
			o := order(object, "main@sha1:1")
			o.Padding = tc.padding
			s.serve(object, o, tc.fault)
			_, err := s.observe(object, func(_ source.Revision, err error) bool {
				waiting, waits := failure.AsWaiting(err)
				return !waits || waiting.Reason != pulumiv1.ReasonStackProcessing
			})
			waiting, waits := failure.AsWaiting(err)
			terminal, stalls := failure.AsTerminal(err)
			if stalls != tc.stalls || (waits && waiting.Reason != tc.reason) || (stalls && terminal.Reason != tc.reason) || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("it says %v, want %s: %s", err, tc.reason, tc.words)
			}
			s.serve(object, order(object, "main@sha1:2"), nil)
			s.observe(object, func(revision source.Revision, err error) bool {
				return err == nil && revision.Revision == "main@sha1:2"
			})
		})
	}
}
