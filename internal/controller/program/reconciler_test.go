package program

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	fluxmeta "github.com/fluxcd/pkg/apis/meta"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	testclock "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions/conditionstest"
)

// store is a Store in memory.
type store struct {
	archives map[string][]byte
	puts     int
	err      error
}

func (s *store) Put(_ context.Context, archive []byte) (string, error) {
	s.puts++
	if s.err != nil {
		return "", s.err
	}
	sum := sha256.Sum256(archive)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	s.archives[digest] = archive
	return digest, nil
}

// world is a reconciler with all that is around it.
type world struct {
	t      *testing.T
	client client.Client
	clock  *testclock.FakePassiveClock
	store  *store
	writes int
	*Reconciler
}

func newWorld(t *testing.T, body string) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := pulumiv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, clock: testclock.NewFakePassiveClock(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)), store: &store{archives: map[string][]byte{}}}
	object := &pulumiv1.Program{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "demo", UID: "u1", Generation: 3}}
	object.Program.Raw = []byte(body)
	w.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(object).WithStatusSubresource(object).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
				w.writes++
				return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
			},
		}).Build()
	w.Reconciler = &Reconciler{Client: w.client, Clock: w.clock, Store: w.store, URL: func(digest string) string { return "https://hub/artifacts/" + digest }}
	return w
}

// reconcile does it once. Whether it fails or not, the status misleads nobody.
func (w *world) reconcile() (ctrl.Result, error) {
	w.t.Helper()
	key := client.ObjectKey{Namespace: "team", Name: "demo"}
	result, err := w.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: key})
	object := &pulumiv1.Program{}
	switch gone := w.client.Get(w.t.Context(), key, object); {
	case gone != nil:
	case err == nil:
		conditionstest.Reconciled(w.t, object)
	default:
		conditionstest.Anytime(w.t, object)
	}
	return result, err
}

func (w *world) program() *pulumiv1.Program {
	w.t.Helper()
	object := &pulumiv1.Program{}
	if err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: "team", Name: "demo"}, object); err != nil {
		w.t.Fatal(err)
	}
	return object
}

// only checks that the conditions are exactly these, as Type=Status/Reason.
func (w *world) only(want ...string) {
	w.t.Helper()
	got := []string{}
	for _, c := range w.program().Status.Conditions {
		got = append(got, c.Type+"="+string(c.Status)+"/"+c.Reason)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("conditions (-want +got):\n%s", diff)
	}
}

func TestArtifactIsStoredAndRecorded(t *testing.T) {
	w := newWorld(t, `{"resources":{}}`)
	if _, err := w.reconcile(); err != nil {
		t.Fatal(err)
	}
	status := w.program().Status
	archive, stored := w.store.archives[status.Artifact.Digest]
	if !stored {
		t.Fatalf("the store does not have the digest %q", status.Artifact.Digest)
	}
	size := int64(len(archive))
	want := &pulumiv1.Artifact{
		Path: "programs/team/demo/3.tar.gz", URL: "https://hub/artifacts/" + status.Artifact.Digest,
		Revision: "3", Digest: status.Artifact.Digest, Size: &size,
		LastUpdateTime: metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)),
	}
	if diff := cmp.Diff(want, status.Artifact); diff != "" {
		t.Errorf("artifact (-want +got):\n%s", diff)
	}
	if status.ObservedGeneration != 3 {
		t.Errorf("observedGeneration is %d, want 3", status.ObservedGeneration)
	}
	w.only("Ready=True/Succeeded")
}

// Who reads Flux sources reads a Program's artifact as one, and finds nothing missing and nothing it does not know.
func TestArtifactIsAFluxArtifact(t *testing.T) {
	w := newWorld(t, `{"resources":{}}`)
	if _, err := w.reconcile(); err != nil {
		t.Fatal(err)
	}
	ours := w.program().Status.Artifact
	text, err := json.Marshal(ours)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var flux fluxmeta.Artifact
	if err := decoder.Decode(&flux); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	want := fluxmeta.Artifact{
		Digest: ours.Digest, Path: "programs/team/demo/3.tar.gz", URL: ours.URL, Revision: "3",
		LastUpdateTime: metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)), Size: ours.Size,
	}
	if diff := cmp.Diff(want, flux); diff != "" {
		t.Errorf("as Flux reads it (-want +got):\n%s", diff)
	}
	if sum, err := digest.Parse(flux.Digest); err != nil || sum.Algorithm() != digest.SHA256 {
		t.Errorf("digest %q, error %v", flux.Digest, err)
	}
}

func TestNewManagerStoresAgainButRewritesNothing(t *testing.T) {
	w := newWorld(t, `{"resources":{}}`)
	if _, err := w.reconcile(); err != nil {
		t.Fatal(err)
	}
	before := w.program()
	w.store.archives = map[string][]byte{}
	w.clock.SetTime(w.clock.Now().Add(time.Hour))
	if _, err := w.reconcile(); err != nil {
		t.Fatal(err)
	}
	if len(w.store.archives) != 1 {
		t.Errorf("the new store has %d archives, want 1", len(w.store.archives))
	}
	if w.writes != 1 || w.program().ResourceVersion != before.ResourceVersion {
		t.Errorf("the status was written %d times, want once", w.writes)
	}
}

func TestNewGenerationIsANewRevision(t *testing.T) {
	w := newWorld(t, `{"resources":{}}`)
	if _, err := w.reconcile(); err != nil {
		t.Fatal(err)
	}
	first := w.program()
	first.Generation, first.Program.Raw = 4, []byte(`{"outputs":{"a":1}}`)
	if err := w.client.Update(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	w.clock.SetTime(w.clock.Now().Add(time.Hour))
	if _, err := w.reconcile(); err != nil {
		t.Fatal(err)
	}
	second := w.program().Status
	if second.Artifact.Revision != "4" || second.Artifact.Digest == first.Status.Artifact.Digest {
		t.Errorf("artifact is %+v, want revision 4 and another digest", second.Artifact)
	}
	if got := second.Artifact.LastUpdateTime.Sub(first.Status.Artifact.LastUpdateTime.Time); got != time.Hour {
		t.Errorf("lastUpdateTime moved by %s, want an hour", got)
	}
}

func TestInvalidProgramStallsAndKeepsTheLastArtifact(t *testing.T) {
	w := newWorld(t, `{"resources":{}}`)
	if _, err := w.reconcile(); err != nil {
		t.Fatal(err)
	}
	object := w.program()
	object.Generation, object.Program.Raw = 4, []byte(`["hunter2"]`)
	if err := w.client.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if result, err := w.reconcile(); err != nil || result.RequeueAfter != 0 {
		t.Fatalf("got %v, %v; want to wait for a change", result, err)
	}
	w.only("Ready=False/NotReadyStalled", "Stalled=True/ProgramInvalid")
	status := w.program().Status
	if status.ObservedGeneration != 4 || status.Artifact == nil || status.Artifact.Revision != "3" {
		t.Errorf("status is %+v, want generation 4 with the artifact of 3", status)
	}
	stalled := meta.FindStatusCondition(status.Conditions, "Stalled")
	if !strings.Contains(stalled.Message, "a list") || strings.Contains(stalled.Message, "hunter2") {
		t.Errorf("message %q, want it to say that it is a list and to quote nothing", stalled.Message)
	}
}

func TestFailingStoreIsTriedAgain(t *testing.T) {
	w := newWorld(t, `{"resources":{}}`)
	full := errors.New("no space left")
	w.store.err = full
	if _, err := w.reconcile(); !errors.Is(err, full) {
		t.Fatalf("got %v, want the store's error so that it is tried again", err)
	}
	w.only("Ready=False/NotReadyInProgress", "Reconciling=True/StorageFailed")
	w.store.err = nil
	if _, err := w.reconcile(); err != nil {
		t.Fatal(err)
	}
	w.only("Ready=True/Succeeded")
}

// Whose archive was lost puts it again, and nobody else does.
func TestLostArchiveIsPutAgain(t *testing.T) {
	w := newWorld(t, `{"resources":{}}`)
	if _, err := w.reconcile(); err != nil {
		t.Fatal(err)
	}
	lost := w.program().Status.Artifact.Digest
	other := &pulumiv1.Program{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "other"}}
	if err := w.client.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	w.store.archives = map[string][]byte{}
	want := []ctrl.Request{{NamespacedName: client.ObjectKeyFromObject(w.program())}}
	if diff := cmp.Diff(want, w.of(t.Context(), lost)); diff != "" {
		t.Fatalf("asked for its archive (-want +got):\n%s", diff)
	}
	if _, err := w.reconcile(); err != nil || w.store.archives[lost] == nil {
		t.Errorf("the archive is not there again, error %v", err)
	}
	if got := w.of(t.Context(), "sha256:0"); got != nil {
		t.Errorf("%v for an archive of nobody", got)
	}
}

func TestMissingProgramIsNothing(t *testing.T) {
	w := newWorld(t, `{}`)
	if err := w.client.Delete(t.Context(), w.program()); err != nil {
		t.Fatal(err)
	}
	if result, err := w.reconcile(); err != nil || result.RequeueAfter != 0 || w.store.puts != 0 {
		t.Errorf("got %v, %v and %d puts; want nothing", result, err, w.store.puts)
	}
}
