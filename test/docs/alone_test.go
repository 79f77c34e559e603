package docs

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gantry-operator/gantry/test/e2e/stage"
	"github.com/gantry-operator/gantry/test/e2e/tell"
)

// cleared is how long it may take to remove what a session has left.
const cleared = 2 * time.Minute

// lone is a session that has the cluster for itself.
type lone struct {
	name   string
	blocks []block
}

// onGantry tells whether the session finds Gantry.
func (l lone) onGantry() bool { return find(l.blocks, "Gantry") }

// TestPagesAlone tells what must not be told beside anything else, on a cluster without Gantry, one session after another.
// What a session leaves in the cluster is removed. Those that find Gantry come last, and share it.
func TestPagesAlone(t *testing.T) {
	s := tell.Bare(t, "make helm")
	clearing(t, s)
	installed := false
	for _, l := range loners(pages(t)) {
		if l.onGantry() && !installed {
			narrate(t, onCluster(s), []block{former()})
			installed = true
		}
		t.Run(l.name, func(t *testing.T) {
			clearing(t, s)
			narrate(t, onCluster(s), l.blocks)
		})
	}
}

// loners are the sessions of the pages that are told alone, in their order.
func loners(pages map[string][]block) []lone {
	var all []lone
	for page, blocks := range pages {
		for name, session := range sessions(blocks) {
			if name != together {
				all = append(all, lone{page + " " + name, session})
			}
		}
	}
	slices.SortFunc(all, func(a, b lone) int {
		if a.onGantry() != b.onGantry() {
			return map[bool]int{true: 1, false: -1}[a.onGantry()]
		}
		return cmp.Compare(a.name, b.name)
	})
	return all
}

// former installs a version before this tree's, as people do who leave the definitions to kubectl.
func former() block {
	return block{page: "a former version", language: "sh", directive: directive{alone: "alone"}, text: `
sed -i -E 's/^(version|appVersion):.*/\1: 0.0.9/' charts/gantry/Chart.yaml
kubectl apply --server-side -k config/crd
helm install gantry charts/gantry --namespace gantry-system --create-namespace --set crds.install=false --wait
`}
}

// onCluster is where a session is whose commands name their namespaces themselves.
func onCluster(s *stage.Stage) *stage.Namespace { return &stage.Namespace{Stage: s, Name: "default"} }

// clearing has the test end with the cluster as it is now.
func clearing(t *testing.T, s *stage.Stage) {
	t.Helper()
	before, err := s.Census(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleared)
		defer cancel()
		if t.Failed() {
			show(ctx, t, s, before)
		}
		began := time.Now()
		if err := s.Restore(ctx, before); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
		t.Logf("cleaning up took %s", time.Since(began).Round(time.Second))
	})
}

// show shows what is in the namespaces that have come since a census.
func show(ctx context.Context, t *testing.T, s *stage.Stage, before stage.Census) {
	t.Helper()
	come, err := s.Since(ctx, before)
	var dump bytes.Buffer
	for _, object := range come {
		if object.GetKind() == "Namespace" {
			dump.WriteString("=== namespace " + object.GetName() + "\n")
			(&stage.Namespace{Stage: s, Name: object.GetName()}).Dump(ctx, &dump)
		}
	}
	t.Logf("when the session failed (%v):\n%s", err, dump.String())
}

// standIns has what is published nowhere replaced by what is made here: in the page, and in what the chart takes by itself.
func (s *session) standIns(t *testing.T) {
	t.Helper()
	const manager, pulumi = "localhost/gantry:dev", "localhost/gantry-pulumi:dev"
	s.words = append(s.words,
		"https://github.com/gantry-operator/gantry/config/", "config/",
		"registry.example.com/gantry:0.1.0", manager, "registry.example.com/pulumi:3.200.0", pulumi,
		"registry.example.com", "localhost", "ag: 0.1.0", "ag: dev")
	values := filepath.Join(s.folder, "charts/gantry/values.yaml")
	text, err := os.ReadFile(values)
	if err != nil {
		t.Fatal(err)
	}
	changed := string(text)
	for _, change := range [][2]string{
		{"registry: ghcr.io\n  repository: gantry-operator/gantry\n  tag: \"\"", "registry: localhost\n  repository: gantry\n  tag: dev"},
		{"name: pulumi/pulumi:latest-nonroot", "name: " + pulumi},
	} {
		if !strings.Contains(changed, change[0]) {
			t.Fatalf("%s has no %q", values, change[0])
		}
		changed = strings.Replace(changed, change[0], change[1], 1)
	}
	if err := os.WriteFile(values, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}
