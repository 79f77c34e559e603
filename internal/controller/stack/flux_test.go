package stack

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/flux"
)

// fluxDouble answers what it is told to.
type fluxDouble struct {
	revision source.Revision
	err      error
	// followed is what each consumer follows, known what it said of the store.
	followed map[source.Consumer]flux.Reference
	known    map[string]string
}

func (d *fluxDouble) Notify(string, func(types.NamespacedName)) {}

func (d *fluxDouble) Forget(consumer source.Consumer) { delete(d.followed, consumer) }

func (d *fluxDouble) Observe(_ context.Context, consumer source.Consumer, ref flux.Reference, known map[string]string) (source.Revision, error) {
	if d.followed == nil {
		d.followed = map[source.Consumer]flux.Reference{}
	}
	d.followed[consumer], d.known = ref, known
	return d.revision, d.err
}

func (c *cluster) flux() *fluxDouble { return c.r.Flux.(*fluxDouble) }

// serves makes the source serve a revision, whose archive is in the store.
func (c *cluster) serves(revision, content, digest string) {
	c.flux().revision, c.flux().err = source.Revision{Revision: revision, Digest: digest, Content: content}, nil
	c.r.Artifacts.(archives)[digest] = []byte(revision)
}

// names makes the source name a revision that cannot be had.
func (c *cluster) names(revision, content string, err error) {
	c.flux().revision, c.flux().err = source.Revision{Revision: revision, Content: content}, err
}

// fromFlux makes a Stack take a Flux source.
func fromFlux(changes ...func(*pulumiv1.Stack)) *pulumiv1.Stack {
	return demo(append([]func(*pulumiv1.Stack){func(s *pulumiv1.Stack) {
		s.Spec = pulumiv1.StackSpec{Stack: "dev", FluxSource: &pulumiv1.FluxSource{
			SourceRef: pulumiv1.FluxSourceReference{APIVersion: "source.toolkit.fluxcd.io/v1", Kind: "GitRepository", Name: "app"}, Dir: "infra/",
		}}
	}}, changes...)...)
}

// ranFlux is a cluster with a Stack that ran the revision main@a.
func ranFlux(t *testing.T, changes ...func(*pulumiv1.Stack)) *cluster {
	t.Helper()
	c := newCluster(t, fromFlux(changes...))
	c.serves("main@a", "content-a", digestA)
	c.reconcile()
	c.finish("", nil)
	c.reconcile()
	if got := c.state(); got != "Ready=True/ProcessingCompleted " {
		t.Fatalf("after the first update: %s", got)
	}
	return c
}

const vanished = "the artifact is not there any more (404)"

func TestFluxFollowsASource(t *testing.T) {
	c := newCluster(t, fromFlux())
	c.flux().err = failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, `Flux source GitRepository "app" is not there`)
	c.reconcile()
	c.count(0, "there is no source yet")
	if got := c.says("Reconciling"); got != `SourceUnavailable: Flux source GitRepository "app" is not there` {
		t.Errorf("meanwhile: %s", got)
	}
	want := flux.Reference{
		GroupVersionKind: schema.GroupVersionKind{Group: "source.toolkit.fluxcd.io", Version: "v1", Kind: "GitRepository"},
		NamespacedName:   types.NamespacedName{Namespace: key.Namespace, Name: "app"},
	}
	if diff := cmp.Diff(want, c.flux().followed[consumer(key)]); diff != "" {
		t.Errorf("what is followed (-want +got):\n%s", diff)
	}

	c.names("main@a", "content-a", failure.NewWaiting(pulumiv1.ReasonStackProcessing, "fetching main@a"))
	c.reconcile()
	c.count(0, "nothing is fetched yet")
	if got := c.says("Reconciling"); got != "StackProcessing: fetching main@a" {
		t.Errorf("meanwhile: %s", got)
	}

	c.serves("main@a", "content-a", digestA)
	c.reconcile()
	c.count(1, "the first artifact")
	workspace := &autov1alpha1.Workspace{}
	if err := c.client.Get(t.Context(), key, workspace); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&autov1alpha1.FluxSource{Digest: digestA, URL: "https://hub/artifacts/" + digestA, Dir: "infra/"}, workspace.Spec.Flux); diff != "" {
		t.Errorf("the Workspace's artifact (-want +got):\n%s", diff)
	}
	c.finish("", nil)
	c.reconcile()
	if last := c.stack().Status.LastUpdate; last.LastSuccessfulCommit != "main@a" || last.Source == nil || last.Source.Digest != digestA {
		t.Errorf("the record: %+v", last)
	}
	if diff := cmp.Diff(map[string]string{"content-a": digestA}, c.flux().known); diff != "" {
		t.Errorf("what is known of the store (-want +got):\n%s", diff)
	}
}

// A change of the revision or of the digest is a change, and one that is none runs nothing.
func TestFluxRunsWhatChanged(t *testing.T) {
	cases := map[string]struct {
		revision, content, digest string
		updates                   int
	}{
		"Revision":         {"main@b", "content-b", digestB, 2},
		"RevisionAlone":    {"main@b", "content-a", digestA, 2},
		"DigestAlone":      {"main@a", "content-b", digestB, 2},
		"Nothing":          {"main@a", "content-a", digestA, 1},
		"PackedDifferent":  {"main@a", "content-b", digestA, 2},
		"StoredElsewhere":  {"main@a", "content-a", digestB, 1},
		"AnotherAlgorithm": {"main@a", "blake3:a", digestA, 2},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := ranFlux(t)
			c.serves(tc.revision, tc.content, tc.digest)
			c.reconcile()
			c.count(tc.updates, "what is served now")
			if tc.updates > 1 {
				c.finish("", nil)
			}
			c.reconcile()
			c.reconcile()
			c.count(tc.updates, "nothing is new")
		})
	}
}

// The next artifact cannot be had: the Stack is not what its source says, and does not say it is.
func TestFluxWaitsForANewArtifact(t *testing.T) {
	c := ranFlux(t)
	c.names("main@b", "content-b", failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, vanished))
	c.reconcile()
	if got := c.says("Reconciling"); got != "SourceUnavailable: "+vanished {
		t.Errorf("while it cannot be had: %s", got)
	}
	c.serves("main@c", "content-c", digestC)
	c.reconcile()
	c.count(2, "another artifact")
}

// The source is gone, or has no artifact: that is told, and what ran stays as it is.
func TestFluxTellsOfASourceThatWent(t *testing.T) {
	c := ranFlux(t)
	c.names("", "", failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, `Flux source GitRepository "app" is not there`))
	c.reconcile()
	c.count(1, "there is nothing to run")
	if got := c.says("Reconciling"); !strings.Contains(got, "is not there") {
		t.Errorf("when it is gone: %s, %s", c.state(), got)
	}
	c.serves("main@a", "content-a", digestA)
	c.reconcile()
	c.count(1, "it is back, and the same")
	if got := c.state(); got != "Ready=True/ProcessingCompleted " {
		t.Errorf("when it is back: %s", got)
	}
}

// A manager that lost its disk fetches again what ran last, for which no Stack is less than ready; but nothing runs
// from an archive that is not there.
func TestFluxFetchesAgainWhatRan(t *testing.T) {
	c := ranFlux(t)
	delete(c.r.Artifacts.(archives), digestA)
	c.names("main@a", "content-a", failure.NewWaiting(pulumiv1.ReasonStackProcessing, "fetching main@a"))
	c.reconcile()
	if got := c.state(); got != "Ready=True/ProcessingCompleted " {
		t.Errorf("while it is fetched: %s", got)
	}
	c.names("main@a", "content-a", failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, vanished))
	c.reconcile()
	if got := c.state(); got != "Ready=True/ProcessingCompleted SourceStale=True/SourceUnavailable " {
		t.Errorf("while it cannot be had: %s", got)
	}
	c.edit(func(s *pulumiv1.Stack) { s.Generation, s.Spec.Refresh = 2, true })
	c.reconcile()
	c.count(1, "there is nothing to run from")
	if got := c.says("Reconciling"); got != "StackProcessing: "+vanished {
		t.Errorf("with a reason to run: %s", got)
	}
	c.serves("main@a", "content-a", digestA)
	c.reconcile()
	c.count(2, "it is there again")
}

func TestFluxThatCannotBeUsedStalls(t *testing.T) {
	c := newCluster(t, fromFlux())
	c.names("main@a", "content-a", failure.NewTerminal(pulumiv1.ReasonSourceInvalid, "the artifact has another digest"))
	c.reconcile()
	if got := c.says("Stalled"); got != "SourceInvalid: the artifact has another digest" {
		t.Errorf("it says %s", got)
	}
	c.serves("main@b", "content-b", digestB)
	c.reconcile()
	c.count(1, "a new artifact revives it")
}

func TestFluxReferencesThatAreNone(t *testing.T) {
	cases := map[string]struct {
		ref  pulumiv1.FluxSourceReference
		dir  string
		want string
	}{
		"APIVersion":  {pulumiv1.FluxSourceReference{APIVersion: "a/b/c", Kind: "GitRepository", Name: "app"}, "", `spec.fluxSource.sourceRef.apiVersion: "a/b/c" is not a group and a version`},
		"NoGroup":     {pulumiv1.FluxSourceReference{APIVersion: "v1", Kind: "Secret", Name: "app"}, "", `spec.fluxSource.sourceRef.apiVersion: "v1" is not a group and a version`},
		"NoVersion":   {pulumiv1.FluxSourceReference{Kind: "GitRepository", Name: "app"}, "", "spec.fluxSource.sourceRef.apiVersion"},
		"NoKind":      {pulumiv1.FluxSourceReference{APIVersion: "source.toolkit.fluxcd.io/v1", Name: "app"}, "", "spec.fluxSource.sourceRef.kind"},
		"NoName":      {pulumiv1.FluxSourceReference{APIVersion: "source.toolkit.fluxcd.io/v1", Kind: "GitRepository"}, "", "spec.fluxSource.sourceRef.name"},
		"PathForName": {pulumiv1.FluxSourceReference{APIVersion: "source.toolkit.fluxcd.io/v1", Kind: "GitRepository", Name: "../app"}, "", "spec.fluxSource.sourceRef.name"},
		"Dir":         {pulumiv1.FluxSourceReference{APIVersion: "source.toolkit.fluxcd.io/v1", Kind: "GitRepository", Name: "app"}, "a\nb", "spec.fluxSource.dir"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, fromFlux(func(s *pulumiv1.Stack) { s.Spec.FluxSource.SourceRef, s.Spec.FluxSource.Dir = tc.ref, tc.dir }))
			c.reconcile()
			if got := c.says("Stalled"); !strings.HasPrefix(got, "SpecInvalid: ") || !strings.Contains(got, tc.want) {
				t.Errorf("it says %q, want %q", got, tc.want)
			}
			if len(c.flux().followed) != 0 {
				t.Errorf("followed are %v", c.flux().followed)
			}
		})
	}
}

// PKO takes a Program for a Flux source, since its artifact has that form.
func TestFluxTakesAProgram(t *testing.T) {
	stack := fromFlux(func(s *pulumiv1.Stack) {
		s.Spec.FluxSource.SourceRef = pulumiv1.FluxSourceReference{APIVersion: "pulumi.com/v1", Kind: "Program", Name: "p"}
	})
	c := newCluster(t, stack, programOf(greeting))
	c.reconcile()
	c.count(1, "the Program is there")
	if commit := c.stack().Status.CurrentUpdate.Commit; commit != "1" {
		t.Errorf("the revision is %q, want the Program's generation", commit)
	}
	if diff := cmp.Diff([]string{"p"}, programNames(stack)); diff != "" {
		t.Errorf("the Programs that it is woken for (-want +got):\n%s", diff)
	}
}

// What a Stack does not name any more is not followed for it any more.
func TestFluxIsForgotten(t *testing.T) {
	cases := map[string]func(c *cluster){
		"Program": func(c *cluster) {
			c.edit(func(s *pulumiv1.Stack) {
				s.Generation, s.Spec.FluxSource, s.Spec.ProgramRef = 2, nil, &pulumiv1.ProgramReference{Name: "p"}
			})
		},
		"Git": func(c *cluster) {
			c.has(commitA, digestA, "tree-a")
			c.edit(func(s *pulumiv1.Stack) {
				s.Generation, s.Spec.GitSource = 2, pulumiv1.GitSource{ProjectRepo: "https://git.example/x.git", Branch: "main"}
			})
		},
		"None":    func(c *cluster) { c.edit(func(s *pulumiv1.Stack) { s.Generation, s.Spec.FluxSource = 2, nil }) },
		"Invalid": func(c *cluster) { c.edit(func(s *pulumiv1.Stack) { s.Generation, s.Spec.Stack = 2, "" }) },
		"Deleted": func(c *cluster) {
			if err := c.client.Delete(c.t.Context(), c.stack()); err != nil {
				c.t.Fatal(err)
			}
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			c := ranFlux(t)
			if len(c.flux().followed) != 1 {
				t.Fatalf("followed are %v", c.flux().followed)
			}
			change(c)
			if _, err := c.once(); err != nil {
				t.Fatal(err)
			}
			if len(c.flux().followed) != 0 {
				t.Errorf("still followed are %v", c.flux().followed)
			}
		})
	}
}

// A destroy runs from what was applied last, whatever has become of the source.
func TestFluxDestroysFromWhatRan(t *testing.T) {
	c := ranFlux(t, func(s *pulumiv1.Stack) { s.Spec.DestroyOnFinalize = true })
	c.names("", "", failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, `Flux source GitRepository "app" is not there`))
	if err := c.client.Delete(t.Context(), c.stack()); err != nil {
		t.Fatal(err)
	}
	c.reconcile()
	c.count(2, "the destroy")
	workspace := &autov1alpha1.Workspace{}
	if err := c.client.Get(t.Context(), key, workspace); err != nil {
		t.Fatal(err)
	}
	if workspace.Spec.Flux == nil || workspace.Spec.Flux.Digest != digestA {
		t.Errorf("the destroy's artifact is %+v", workspace.Spec.Flux)
	}
}
