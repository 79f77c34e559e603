package docs

import (
	"context"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// firstRevision is the one that the source of a page has when its commands run.
const firstRevision = "main@sha1:1111111111111111111111111111111111111111"

// fluxSources starts a source-controller for the page, which serves the program as soon as the page makes its source.
func (s *session) fluxSources(t *testing.T, n *stage.Namespace) {
	t.Helper()
	sources, err := n.StartFluxSources(t.Context(), filepath.Join(root, "bin/flux-crds/*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.sources = sources
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		source := fluxSource(n)
		err := n.Until(ctx, source, "to be made", func() bool { return true })
		if err == nil {
			err = s.serve(ctx, source, firstRevision, greeting)
		}
		if ctx.Err() != nil {
			err = nil
		}
		served <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("the source of the page: %v", err)
		}
	})
}

// fluxSource is the source that pages have.
func fluxSource(n *stage.Namespace) *unstructured.Unstructured {
	return unstructuredOf("source.toolkit.fluxcd.io/v1", "GitRepository", n.Name, "infra")
}

// serve makes the source of a page serve a program under a revision.
func (s *session) serve(ctx context.Context, source *unstructured.Unstructured, revision, program string) error {
	_, err := s.sources.Serve(ctx, source, revision, map[string]string{"greeting/Pulumi.yaml": program})
	return err
}
