package update

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/operation"
)

const leaked = "urn:pulumi:dev::demo::a:b:C::leaked"

func snapshotTold(o *Observed) { o.State.Snapshot = aSnapshot() }

// aSnapshot is of a state in which a resource was being created.
func aSnapshot() *operation.Snapshot {
	return &operation.Snapshot{
		Uid: "uid-u", Name: "u", Deployment: []byte("state"), Count: 1,
		Pending: []*operation.PendingOperation{{Type: "creating", Urn: leaked}},
	}
}

// looksForPending makes an Update one that a Stack made after an interruption.
func looksForPending(update *autov1alpha1.Update) {
	update.Spec.PendingOperations = autov1alpha1.PendingOperationsRefresh
	update.OwnerReferences = []metav1.OwnerReference{
		{APIVersion: "auto.pulumi.com/v1alpha1", Kind: "Workspace", Name: workspace, UID: "uid-workspace", Controller: new(true)},
		{APIVersion: "pulumi.com/v1", Kind: "Stack", Name: "demo", UID: "uid-stack", BlockOwnerDeletion: new(true)},
	}
}

func TestASnapshotIsKeptBeforeTheOperationGoesOn(t *testing.T) {
	w := started(t, looksForPending)
	agent := w.hub.agent
	if policy := agent.given["uid-u"].GetPendingPolicy(); policy != operation.PendingPolicy_PENDING_REFRESH {
		t.Errorf("the agent was given the policy %v", policy)
	}
	agent.snapshots["uid-u"] = aSnapshot()
	w.reconcile("u")

	secrets := w.secrets()
	if len(secrets) != 1 {
		t.Fatalf("%d Secrets, want the snapshot", len(secrets))
	}
	secret := secrets[0]
	if want := autov1alpha1.SnapshotSecretName(workspace, "uid-u"); secret.Name != want || string(secret.Data["deployment.json.gz"]) != "state" {
		t.Errorf("the Secret is %s with %v, want %s", secret.Name, secret.Data, want)
	}
	if diff := cmp.Diff([]metav1.OwnerReference{{APIVersion: "pulumi.com/v1", Kind: "Stack", Name: "demo", UID: "uid-stack"}}, secret.OwnerReferences); diff != "" {
		t.Errorf("its owner (-want +got):\n%s", diff)
	}
	if len(agent.kept) != 1 || agent.kept[0].GetSecret() != secret.Name || agent.kept[0].GetRefused() != "" {
		t.Errorf("the agent was told %v", agent.kept)
	}
	found := w.get("u").Status.PendingOperations
	want := &autov1alpha1.PendingOperations{
		Outcome: autov1alpha1.PendingOperationsFound, Count: 1, Snapshot: secret.Name,
		Operations: []autov1alpha1.PendingOperation{{Type: "creating", URN: leaked}},
		Message:    "An interrupted update left 1 operation pending in the state: creating " + leaked + ". The state as it was is kept in the Secret " + secret.Name + ".",
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("on record (-want +got):\n%s", diff)
	}

	result := success(nil)
	result.Pending = &operation.PendingOutcome{Outcome: operation.PendingOutcome_CLEARED}
	w.finish("u", result)
	w.reconcile("u")
	status := w.get("u").Status
	if p := status.PendingOperations; p.Outcome != autov1alpha1.PendingOperationsCleared || !strings.HasPrefix(p.Message, want.Message+" The state was refreshed") || !strings.Contains(p.Message, "may exist without being in the state") {
		t.Errorf("after the operation: %+v", p)
	}
	if status.Interrupted {
		t.Error("an operation that ended well is taken for interrupted")
	}
	if events := strings.Join(w.recorder.events, "\n"); strings.Count(events, "Warning "+EventPendingOperations) != 1 || !strings.Contains(events, leaked) {
		t.Errorf("events:\n%s", events)
	}
	if where := w.leaks(`"state"`); where != "" {
		t.Errorf("the state is in %s", where)
	}
}

// TestAPodThatDiesTakesNoURNWithIt: what was found is on record before the agent may clear it.
func TestAPodThatDiesTakesNoURNWithIt(t *testing.T) {
	w := started(t, looksForPending)
	w.hub.agent.snapshots["uid-u"] = aSnapshot()
	w.reconcile("u")
	w.hub.agent = nil
	w.remove(aPod(podUID))
	w.reconcile("u")
	if events := strings.Join(w.recorder.events, "\n"); !strings.Contains(events, EventPendingOperations) {
		t.Errorf("events:\n%s", events)
	}
	status := w.get("u").Status
	if !status.Interrupted || status.PendingOperations == nil || status.PendingOperations.Outcome != autov1alpha1.PendingOperationsFound || status.PendingOperations.Snapshot == "" {
		t.Errorf("interrupted %v, pending %+v", status.Interrupted, status.PendingOperations)
	}
}

func TestKilledWhileASnapshotIsKept(t *testing.T) {
	for number := range 3 {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("Write%dDone=%v", number, done), func(t *testing.T) {
				w := started(t, looksForPending)
				agent := w.hub.agent
				agent.snapshots["uid-u"] = aSnapshot()
				begin := len(w.written)
				die := func(at int) error {
					if at == begin+number {
						return errKilled()
					}
					return nil
				}
				if done {
					w.after = die
				} else {
					w.before = die
				}
				if _, err := w.try("u"); err != nil {
					if len(agent.kept) > 0 {
						t.Errorf("the agent went on with the record not written: %v", agent.kept)
					}
					w.restart()
					w.before = func(int) error { return nil }
					w.after = w.before
					w.reconcile("u")
				}
				if len(w.secrets()) != 1 || len(agent.kept) != 1 || agent.kept[0].GetRefused() != "" {
					t.Errorf("%d Secrets, and the agent was told %v", len(w.secrets()), agent.kept)
				}
				if found := w.get("u").Status.PendingOperations; found == nil || found.Count != 1 {
					t.Errorf("on record: %+v", found)
				}
			})
		}
	}
}

func TestSnapshotsThatAreNotKept(t *testing.T) {
	quota := apierrors.NewForbidden(corev1.Resource("secrets"), "x", errors.New("exceeded quota"))
	cases := map[string]struct {
		change  func(*autov1alpha1.Update)
		told    *operation.Snapshot
		refuse  error
		refused string
		again   bool
	}{
		"NotAskedFor":   {change: func(*autov1alpha1.Update) {}, told: aSnapshot(), refused: "does not ask for it"},
		"TooLarge":      {change: looksForPending, told: &operation.Snapshot{Uid: "uid-u", Count: 3, Partial: "the state has 9 bytes too many"}, refused: "9 bytes too many"},
		"FarTooLarge":   {change: looksForPending, told: &operation.Snapshot{Uid: "uid-u", Count: 3}, refused: "too large"},
		"Quota":         {change: looksForPending, told: aSnapshot(), refuse: quota, refused: "exceeded quota"},
		"ServerRefuses": {change: looksForPending, told: aSnapshot(), refuse: apierrors.NewRequestEntityTooLargeError("the words of the server"), refused: "(RequestEntityTooLarge)"},
		"ServerIsDown":  {change: looksForPending, told: aSnapshot(), refuse: apierrors.NewInternalError(errors.New("no leader")), again: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := started(t, tc.change)
			agent := w.hub.agent
			agent.snapshots["uid-u"] = tc.told
			w.before = func(int) error {
				if w.written[len(w.written)-1] == "secret" {
					return tc.refuse
				}
				return nil
			}
			_, err := w.try("u")
			if (err != nil) != tc.again {
				t.Fatalf("error %v", err)
			}
			if tc.again {
				if len(agent.kept) > 0 {
					t.Errorf("the agent was told %v", agent.kept)
				}
				return
			}
			if len(agent.kept) != 1 || !strings.Contains(agent.kept[0].GetRefused(), tc.refused) || agent.kept[0].GetSecret() != "" || strings.Contains(agent.kept[0].GetRefused(), "words of the server") {
				t.Errorf("the agent was told %v", agent.kept)
			}
			if found := w.get("u").Status.PendingOperations; found == nil || !strings.Contains(found.Message, "is not kept: ") || found.Snapshot != "" {
				t.Errorf("on record: %+v", found)
			}
		})
	}
}

// TestOnlyTheNewestSnapshotsAreKept keeps three of one stack. Its record may have been edited: what is not a snapshot of this
// stack is left alone, whoever names it.
func TestOnlyTheNewestSnapshotsAreKept(t *testing.T) {
	w := started(t, looksForPending)
	for name, labels := range map[string]map[string]string{
		"old-1/uid-stack": {autov1alpha1.LabelComponent: "snapshot"}, "old-2/uid-stack": {autov1alpha1.LabelComponent: "snapshot"},
		"old-3/uid-stack": {autov1alpha1.LabelComponent: "snapshot"}, "theirs/uid-another": {autov1alpha1.LabelComponent: "snapshot"},
		"mine/uid-stack": {},
	} {
		name, owner, _ := strings.Cut(name, "/")
		w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, UID: types.UID(name), Labels: labels,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "pulumi.com/v1", Kind: "Stack", Name: "demo", UID: types.UID(owner)}},
		}})
	}
	recorded := aWorkspace()
	patch := `{"metadata":{"annotations":{"` + annotationSnapshots + `":"old-1,old-2,old-3,gone,theirs,mine"}}}`
	if err := w.client.Patch(t.Context(), recorded, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		t.Fatal(err)
	}
	w.hub.agent.snapshots["uid-u"] = aSnapshot()
	w.reconcile("u")
	var names []string
	for _, secret := range w.secrets() {
		names = append(names, secret.Name)
	}
	made := autov1alpha1.SnapshotSecretName(workspace, "uid-u")
	if diff := cmp.Diff([]string{made, "mine", "old-1", "old-2", "theirs"}, names); diff != "" {
		t.Errorf("Secrets (-want +got):\n%s", diff)
	}
	if err := w.client.Get(t.Context(), client.ObjectKeyFromObject(recorded), recorded); err != nil {
		t.Fatal(err)
	}
	if got, want := recorded.Annotations[annotationSnapshots], made+",old-1,old-2"; got != want {
		t.Errorf("on record are %q, want %q", got, want)
	}
}

func TestWhatIsSaidOfPendingOperations(t *testing.T) {
	many := aSnapshot()
	for i := range 30 {
		many.Pending = append(many.Pending, &operation.PendingOperation{Type: "updating", Urn: fmt.Sprintf("urn:%d%s", i, strings.Repeat("x", 2*maxURN))})
	}
	many.Count, many.Partial = 40, "the state has too many bytes, so that only its pending operations are kept"
	found := foundPending(many, "kept", "")
	if len(found.Operations) != maxPending || found.Count != 40 || len(found.Operations[1].URN) != maxURN {
		t.Errorf("%d of %d are on record, the second with %d bytes", len(found.Operations), found.Count, len(found.Operations[1].URN))
	}
	for _, part := range []string{"40 operations", "and 35 more", "a part is kept in the Secret kept: the state has too many bytes"} {
		if !strings.Contains(found.Message, part) {
			t.Errorf("the message lacks %q: %.300s", part, found.Message)
		}
	}
	updating := &autov1alpha1.PendingOperations{Outcome: autov1alpha1.PendingOperationsFound, Count: 1, Operations: []autov1alpha1.PendingOperation{{Type: "updating", URN: "urn:a"}}, Message: "Found."}
	cases := map[string]struct {
		found   *autov1alpha1.PendingOperations
		outcome *operation.PendingOutcome
		want    *autov1alpha1.PendingOperations
	}{
		"NotLookedFor": {nil, nil, nil},
		"None":         {nil, &operation.PendingOutcome{Outcome: operation.PendingOutcome_NONE}, &autov1alpha1.PendingOperations{Outcome: autov1alpha1.PendingOperationsNone}},
		"EndedBefore":  {updating, &operation.PendingOutcome{}, updating},
		"Cleared": {updating, &operation.PendingOutcome{Outcome: operation.PendingOutcome_CLEARED}, &autov1alpha1.PendingOperations{
			Outcome: autov1alpha1.PendingOperationsCleared, Count: 1, Operations: updating.Operations, Message: "Found. The state was refreshed."}},
		"Kept": {updating, &operation.PendingOutcome{Outcome: operation.PendingOutcome_KEPT}, &autov1alpha1.PendingOperations{
			Outcome: autov1alpha1.PendingOperationsKept, Count: 1, Operations: updating.Operations, Message: "Found. They are kept, as pendingOperations asks."}},
		"Failed": {updating, &operation.PendingOutcome{Outcome: operation.PendingOutcome_FAILED, Message: "no luck"}, &autov1alpha1.PendingOperations{
			Outcome: autov1alpha1.PendingOperationsFailed, Count: 1, Operations: updating.Operations,
			Message: "Found. They could not be cleared, and the next update tries again: no luck"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, settledPending(tc.found, tc.outcome)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSnapshotOwner(t *testing.T) {
	byHand, lost := observed(), observed(noWorkspace)
	if owner := snapshotOwner(byHand); owner.Kind != "Workspace" || owner.UID != byHand.Workspace.UID {
		t.Errorf("that of an Update made by hand belongs to %v", owner)
	}
	if owner := snapshotOwner(lost); owner.Kind != "Update" || owner.UID != lost.Update.UID {
		t.Errorf("that of an Update without a Workspace belongs to %v", owner)
	}
	if name := autov1alpha1.SnapshotSecretName(strings.Repeat("w", 250), "uid"); len(name) > 253 {
		t.Errorf("the name has %d characters", len(name))
	}
}
