package operator

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/artifact"
	"github.com/gantry-operator/gantry/internal/controller/update"
	"github.com/gantry-operator/gantry/internal/hub"
)

func team(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "team", Name: name} }

// namesArtifacts is a client whose objects name artifacts; of gives their digests.
func namesArtifacts(t *testing.T, of func(string) string) client.WithWatch {
	t.Helper()
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	record := func(name string) *pulumiv1.SourceRecord { return &pulumiv1.SourceRecord{Digest: of(name)} }
	return fake.NewClientBuilder().WithScheme(scheme).WithIndex(&autov1alpha1.Update{}, update.IndexWorkspaceName, workspaceName).WithObjects(
		&autov1alpha1.Workspace{
			ObjectMeta: team("demo"), Spec: autov1alpha1.WorkspaceSpec{Flux: &autov1alpha1.FluxSource{Digest: of("workspace")}},
		},
		&autov1alpha1.Workspace{
			ObjectMeta: team("twin"), Spec: autov1alpha1.WorkspaceSpec{Flux: &autov1alpha1.FluxSource{Digest: of("workspace")}},
		},
		&autov1alpha1.Workspace{ObjectMeta: team("local")},
		&autov1alpha1.Workspace{ObjectMeta: team("git")},
		&autov1alpha1.Update{
			ObjectMeta: team("runs"), Spec: autov1alpha1.UpdateSpec{WorkspaceName: "git"}, Status: autov1alpha1.UpdateStatus{Digest: of("fetched")},
		},
		&autov1alpha1.Update{
			ObjectMeta: team("ran"), Spec: autov1alpha1.UpdateSpec{WorkspaceName: "git"}, Status: autov1alpha1.UpdateStatus{
				Digest: of("unused"), Conditions: []metav1.Condition{{Type: autov1alpha1.UpdateConditionTypeComplete, Status: metav1.ConditionTrue}},
			},
		},
		&pulumiv1.Program{
			ObjectMeta: team("p"), Status: pulumiv1.ProgramStatus{Artifact: &pulumiv1.Artifact{Digest: of("program")}},
		},
		&pulumiv1.Program{ObjectMeta: team("new")},
		&pulumiv1.Stack{ObjectMeta: team("new")},
		&pulumiv1.Stack{ObjectMeta: team("failing"), Status: pulumiv1.StackStatus{
			Source:        record("applied"),
			LastUpdate:    &pulumiv1.LastUpdate{Source: record("tried")},
			CurrentUpdate: &pulumiv1.CurrentUpdate{Source: record("running")},
		}},
		&pulumiv1.Stack{ObjectMeta: team("fresh"), Status: pulumiv1.StackStatus{
			LastUpdate: &pulumiv1.LastUpdate{}, CurrentUpdate: &pulumiv1.CurrentUpdate{},
		}},
	).Build()
}

func noSessions() *hub.Hub { return hub.New(logr.Discard(), clock.RealClock{}, nil, nil) }

func TestEntitled(t *testing.T) {
	cases := map[string]struct {
		reason, workspace, digest string
		want                      bool
	}{
		"Own":      {"its spec names it", "demo", "workspace", true},
		"Other":    {"nothing of its own names it", "demo", "program", false},
		"Stack":    {"what a Stack keeps is for its own Workspace, through its spec", "demo", "applied", false},
		"Twin":     {"its spec names it too", "twin", "workspace", true},
		"Stranger": {"another Workspace names it", "local", "workspace", false},
		"Empty":    {"no digest", "demo", "", false},
		"Local":    {"it has no artifact", "local", "", false},
		"Running":  {"its operation was given it, perhaps by another manager", "git", "fetched", true},
		"Over":     {"the operation is over", "git", "unused", false},
		"NotIts":   {"another Workspace's operation runs from it", "demo", "fetched", false},
		"Unknown":  {"there is no such Workspace", "nobody", "workspace", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			may := entitled(namesArtifacts(t, func(name string) string { return name }), noSessions())
			if got := may(t.Context(), types.NamespacedName{Namespace: "team", Name: tc.workspace}, tc.digest); got != tc.want {
				t.Errorf("%s: %v, want %v", tc.reason, got, tc.want)
			}
		})
	}
}

// Whatever is named is there after any number of managers, and only that.
func TestWhatIsNamedIsKept(t *testing.T) {
	dir := t.TempDir()
	now := clocktesting.NewFakeClock(time.Now())
	open := func(named artifact.Live) *artifact.Store {
		store, err := artifact.NewStore(dir, artifact.WithClock(now), artifact.WithLive(named), artifact.WithBound(1))
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	digests := map[string]string{}
	first := open(nil)
	for _, name := range []string{"workspace", "program", "applied", "tried", "running", "fetched", "unused"} {
		digest, err := first.Put(t.Context(), []byte(name))
		if err != nil {
			t.Fatal(err)
		}
		digests[name] = digest
	}
	cached := namesArtifacts(t, func(name string) string { return digests[name] })
	there := func() []string {
		entries := maps.Clone(digests)
		archives, err := artifact.NewStore(dir, artifact.WithClock(now))
		if err != nil {
			t.Fatal(err)
		}
		maps.DeleteFunc(entries, func(_, digest string) bool {
			archive, err := archives.Open(digest)
			if err == nil {
				archive.Close()
			}
			return err != nil
		})
		return slices.Sorted(maps.Keys(entries))
	}
	for _, phase := range []struct {
		later time.Duration
		want  []string
	}{
		{0, []string{"applied", "fetched", "program", "running", "tried", "unused", "workspace"}},
		{time.Hour, []string{"applied", "fetched", "program", "running", "tried", "workspace"}},
		{24 * time.Hour, []string{"applied", "fetched", "program", "running", "tried", "workspace"}},
	} {
		now.Step(phase.later)
		swept, err := open(named(cached, noSessions())).Sweep(t.Context())
		if err != nil || !swept.Over {
			t.Fatalf("swept %+v, error %v", swept, err)
		}
		if diff := cmp.Diff(phase.want, there()); diff != "" {
			t.Errorf("%s later (-want +got):\n%s", phase.later, diff)
		}
	}
}

// Not knowing what is named is no reason to remove anything.
func TestNothingIsSweptBlindly(t *testing.T) {
	for _, unknown := range []client.ObjectList{&autov1alpha1.WorkspaceList{}, &pulumiv1.ProgramList{}, &pulumiv1.StackList{}, &autov1alpha1.UpdateList{}} {
		broken := interceptor.NewClient(namesArtifacts(t, func(string) string { return "" }), interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
				if cmp.Equal(list, unknown) {
					return errors.New("no cache")
				}
				return c.List(ctx, list, options...)
			},
		})
		now := clocktesting.NewFakeClock(time.Now())
		store, err := artifact.NewStore(t.TempDir(), artifact.WithClock(now), artifact.WithLive(named(broken, noSessions())), artifact.WithBound(1))
		if err != nil {
			t.Fatal(err)
		}
		digest, err := store.Put(t.Context(), []byte("unused"))
		if err != nil {
			t.Fatal(err)
		}
		now.Step(48 * time.Hour)
		if swept, err := store.Sweep(t.Context()); err == nil || swept.Evicted != 0 || !store.Has(digest) {
			t.Errorf("%T cannot be listed: swept %+v, error %v", unknown, swept, err)
		}
	}
}
