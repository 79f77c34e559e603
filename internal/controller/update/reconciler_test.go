package update

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/hub"
	"github.com/gantry-operator/gantry/internal/operation"
)

// started is a world in which the Update u runs in the pod.
func started(t *testing.T, change ...func(*autov1alpha1.Update)) *world {
	t.Helper()
	w := newWorld(t, aWorkspace(), aPod(podUID), anUpdate("u", change...))
	w.connect(podUID)
	w.reconcile("u")
	if got := w.get("u").Status.PodUID; got != string(podUID) {
		t.Fatalf("the Update is bound to %q, want the pod", got)
	}
	return w
}

func TestFromNothingToOutputs(t *testing.T) {
	w := newWorld(t, anUpdate("u"))

	w.reconcile("u")
	w.only("u", "Complete=False/Progressing", "Failed=False/Progressing", "Progressing=False/WorkspaceNotFound",
		"Ready=False/NotReadyInProgress", "Reconciling=True/WorkspaceNotFound")

	w.create(aWorkspace())
	w.reconcile("u")
	w.only("u", "Complete=False/Progressing", "Failed=False/Progressing", "Progressing=False/WorkspaceNotReady",
		"Ready=False/NotReadyInProgress", "Reconciling=True/WorkspaceNotReady")
	if !controllerutil.ContainsFinalizer(w.get("u"), autov1alpha1.FinalizerOperation) {
		t.Error("a waiting Update has no finalizer")
	}

	w.create(aPod(podUID))
	agent := w.connect(podUID)
	w.written = nil
	w.reconcile("u")
	if diff := cmp.Diff([]string{"status"}, w.written); diff != "" {
		t.Errorf("writes between the coming of the agent and the offer (-want +got):\n%s", diff)
	}
	w.only("u", "Complete=False/Progressing", "Failed=False/Progressing", "Progressing=True/Progressing",
		"Ready=False/NotReadyInProgress", "Reconciling=True/Progressing")
	if agent.runs["uid-u"] != 1 {
		t.Fatalf("the operation ran %d times, want once", agent.runs["uid-u"])
	}

	agent.progress["uid-u"].Done, agent.progress["uid-u"].Step = 3, "creating a:b:C d"
	if result := w.reconcile("u"); result.RequeueAfter != progressEvery {
		t.Errorf("progress right after the start is looked at again after %s, want %s", result.RequeueAfter, progressEvery)
	}
	w.clock.SetTime(epoch().Add(progressEvery))
	w.reconcile("u")
	status := w.get("u").Status
	if diff := cmp.Diff(&autov1alpha1.UpdateProgress{Done: 3, Step: "creating a:b:C d"}, status.Progress); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	if want := "3 resources done; creating a:b:C d"; status.Message != want {
		t.Errorf("message %q, want %q", status.Message, want)
	}

	w.finish("u", success(map[string]*operation.Output{
		"url":      {Json: []byte(`"https://example"`)},
		"password": {Json: []byte(`"hunter2"`), Secret: true},
	}))
	w.reconcile("u")
	w.only("u", "Complete=True/Updated", "Failed=False/UpdateSucceeded", "Progressing=False/Complete", "Ready=True/UpdateSucceeded")
	update := w.get("u")
	want := autov1alpha1.UpdateStatus{
		ObservedGeneration: 1, PodUID: string(podUID), Digest: sum, Message: "all done", Permalink: "https://pulumi/1",
		StartTime: seconds(epoch().Add(time.Second)), EndTime: seconds(epoch().Add(time.Minute)),
		Outputs: "u-stack-outputs", ProjectInfo: &autov1alpha1.ProjectInfo{Name: "demo", Runtime: "yaml"},
		Changes: map[string]int32{"create": 2}, Conditions: update.Status.Conditions,
	}
	if diff := cmp.Diff(want, update.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if len(update.Finalizers) != 0 {
		t.Errorf("finalizers %v are left", update.Finalizers)
	}
	secret := w.secrets()[0]
	if diff := cmp.Diff(map[string][]byte{"url": []byte(`"https://example"`), "password": []byte(`"hunter2"`)}, secret.Data); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Normal UpdateSucceeded up of dev succeeded"}, w.recorder.events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if !slices.Equal(w.hub.recorded, []types.UID{"uid-u"}) {
		t.Errorf("the hub was told of %v", w.hub.recorded)
	}
	if where := w.leaks("hunter2"); where != "" {
		t.Errorf("the secret output is in %s", where)
	}

	w.written = nil
	w.reconcile("u")
	if len(w.written) != 0 || len(w.recorder.events) != 1 {
		t.Errorf("a second look wrote %v and emitted %v", w.written, w.recorder.events)
	}
}

func TestFailureIsRecordedInTheAgentsWords(t *testing.T) {
	w := started(t)
	w.finish("u", failureResult(operation.ReasonConflict, "another update is under way"))
	w.reconcile("u")
	w.only("u", "Complete=True/Updated", "Failed=True/UpdateConflict", "Progressing=False/Complete",
		"Ready=False/NotReadyStalled", "Stalled=True/UpdateConflict")
	if got := w.get("u").Status.Message; got != "another update is under way" {
		t.Errorf("message is %q", got)
	}
	if diff := cmp.Diff([]string{"Warning UpdateFailed UpdateConflict: another update is under way"}, w.recorder.events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if len(w.secrets()) != 0 {
		t.Error("a failure made a Secret")
	}
}

func TestAHealedLockIsTold(t *testing.T) {
	w := started(t)
	result := success(nil)
	result.Healed = "the stack was locked by u@old"
	w.finish("u", result)
	w.reconcile("u")
	status := w.get("u").Status
	if status.Healed != result.GetHealed() || status.Message != "all done\n"+result.GetHealed() {
		t.Errorf("healed %q, message %q", status.Healed, status.Message)
	}
	if !slices.Contains(w.recorder.events, "Normal LockHealed the stack was locked by u@old") {
		t.Errorf("events are %q", w.recorder.events)
	}
}

func TestWithoutOutputsThereIsNoSecret(t *testing.T) {
	w := started(t)
	w.finish("u", success(nil))
	w.reconcile("u")
	if len(w.secrets()) != 0 || w.get("u").Status.Outputs != "" {
		t.Errorf("outputs %q and %d Secrets, want none", w.get("u").Status.Outputs, len(w.secrets()))
	}
}

func TestOutputsThatDoNotFitAreDroppedWithAWarning(t *testing.T) {
	w := started(t)
	big := []byte(`"` + strings.Repeat("x", corev1.MaxSecretSize) + `"`)
	w.finish("u", success(map[string]*operation.Output{"big": {Json: big, Secret: true}, "small": {Json: []byte("1")}}))
	w.reconcile("u")
	status := w.get("u").Status
	w.only("u", "Complete=True/Updated", "Failed=False/UpdateSucceeded", "Progressing=False/Complete", "Ready=True/UpdateSucceeded")
	if !strings.Contains(status.Message, "1 of the 2 outputs are not kept") || !strings.HasSuffix(status.Message, "export less of big") {
		t.Errorf("message %q, want a warning", status.Message)
	}
	secret := &corev1.Secret{}
	if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: status.Outputs}, secret); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]byte{"small": []byte("1")}, secret.Data); diff != "" {
		t.Errorf("what is kept (-want +got):\n%s", diff)
	}
	want := map[string]string{autov1alpha1.AnnotationSecrets: `["big"]`, autov1alpha1.AnnotationOmitted: `["big"]`}
	if diff := cmp.Diff(want, secret.Annotations); diff != "" {
		t.Errorf("what is said of the rest (-want +got):\n%s", diff)
	}
	if len(w.recorder.events) != 2 || !strings.HasPrefix(w.recorder.events[1], "Warning OutputsNotKept ") {
		t.Errorf("events are %q", w.recorder.events)
	}
}

func TestSecretOfSomebodyElseIsNotTaken(t *testing.T) {
	w := started(t)
	other := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "u-stack-outputs"}}
	other.OwnerReferences = []metav1.OwnerReference{ownerReference(anUpdate("u", func(u *autov1alpha1.Update) { u.UID = "an-earlier-u" }))}
	if err := w.client.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	w.clock.SetTime(epoch().Add(time.Minute))
	w.finish("u", success(map[string]*operation.Output{"a": {Json: []byte("1")}}))
	if _, err := w.try("u"); err == nil {
		t.Fatal("got no error, want one so that it is tried again")
	}
	w.only("u", "Complete=False/Progressing", "Failed=False/Progressing", "Progressing=True/OutputsNotWritten",
		"Ready=False/NotReadyInProgress", "Reconciling=True/OutputsNotWritten")
	if len(w.hub.recorded) != 0 {
		t.Error("the agent may forget a result that is not on record")
	}
	w.remove(other)
	w.reconcile("u")
	if got := w.get("u").Status.Outputs; got != "u-stack-outputs" {
		t.Errorf("outputs are %q after the other Secret went", got)
	}
}

func TestQueue(t *testing.T) {
	first := anUpdate("b-first")
	second := anUpdate("a-second", func(u *autov1alpha1.Update) { u.CreationTimestamp = metav1.NewTime(epoch().Add(time.Second)) })
	elsewhere := anUpdate("elsewhere", func(u *autov1alpha1.Update) { u.Spec.WorkspaceName = "other" })
	w := newWorld(t, aWorkspace(), aPod(podUID), first, second, elsewhere)
	agent := w.connect(podUID)

	w.reconcile("a-second")
	if got := w.get("a-second").Status.Message; !strings.Contains(got, `"b-first"`) || !strings.Contains(got, "queue") {
		t.Errorf("message %q does not name the one ahead", got)
	}
	w.reconcile("b-first")
	w.reconcile("a-second")
	w.only("a-second", "Complete=False/Progressing", "Failed=False/Progressing", "Progressing=False/Queued",
		"Ready=False/NotReadyInProgress", "Reconciling=True/Queued")
	if got := w.get("a-second").Status.Message; got != `waiting for the Update "b-first", which runs in the Workspace "demo"` {
		t.Errorf("message %q", got)
	}
	if agent.runs["uid-a-second"] != 0 {
		t.Fatal("two operations of one Workspace ran at once")
	}
	w.finish("b-first", success(nil))
	w.reconcile("b-first")
	if got := Waiting(w.client)(t.Context(), types.NamespacedName{Namespace: namespace, Name: workspace}); !slices.Equal(got, []types.NamespacedName{{Namespace: namespace, Name: "a-second"}}) {
		t.Errorf("waiting are %v, want only the second", got)
	}
	w.reconcile("a-second")
	if agent.runs["uid-a-second"] != 1 {
		t.Error("the second did not start when the first had ended")
	}
}

// TestWhatIsBarredIsOvertaken: a stack whose configuration somebody has to mend keeps no other stack of its Workspace.
func TestWhatIsBarredIsOvertaken(t *testing.T) {
	second := anUpdate("b-second", func(u *autov1alpha1.Update) { u.Spec.StackName = "prod" })
	w := newWorld(t, aWorkspace(func(ws *autov1alpha1.Workspace) {
		ws.Spec.Stacks = []autov1alpha1.WorkspaceStack{{Name: "dev", Config: []autov1alpha1.ConfigItem{{Key: "nothing"}}}, {Name: "prod"}}
	}), aPod(podUID), anUpdate("a-first"), second)
	agent := w.connect(podUID)
	w.reconcile("a-first")
	w.only("a-first", "Complete=False/Progressing", "Failed=False/Progressing", "Progressing=False/WorkspaceInvalid",
		"Ready=False/NotReadyStalled", "Stalled=True/WorkspaceInvalid")
	w.reconcile("b-second")
	if agent.runs["uid-b-second"] != 1 {
		t.Fatalf("the second does not run: %+v", w.get("b-second").Status.Conditions)
	}
	ws := &autov1alpha1.Workspace{}
	if err := w.client.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: workspace}, ws); err != nil {
		t.Fatal(err)
	}
	ws.Spec.Stacks[0].Config = nil
	if err := w.client.Update(t.Context(), ws); err != nil {
		t.Fatal(err)
	}
	w.reconcile("a-first")
	if got := w.get("a-first").Status.Message; agent.runs["uid-a-first"] != 0 || !strings.Contains(got, `"b-second", which runs`) {
		t.Errorf("the first does not wait for the second: %q", got)
	}
}

func TestManagerRestartsInTheMiddle(t *testing.T) {
	w := started(t)
	agent := w.hub.agent
	agent.progress["uid-u"].Done = 7
	w.clock.SetTime(epoch().Add(time.Minute))
	w.reconcile("u")

	w.restart()
	w.hub.agent = nil // not back yet
	result := w.reconcile("u")
	status := w.get("u").Status
	w.only("u", "Complete=False/Progressing", "Failed=False/Progressing", "Progressing=True/Progressing",
		"Ready=False/NotReadyInProgress", "Reconciling=True/Progressing")
	if status.PodUID != string(podUID) || status.Progress == nil || status.Progress.Done != 7 || result.RequeueAfter != lookAgain {
		t.Errorf("status is %+v, next look after %s; want to wait for the pod", status, result.RequeueAfter)
	}

	w.hub.agent = agent
	w.finish("u", success(nil))
	w.reconcile("u")
	w.only("u", "Complete=True/Updated", "Failed=False/UpdateSucceeded", "Progressing=False/Complete", "Ready=True/UpdateSucceeded")
	if agent.runs["uid-u"] != 1 {
		t.Errorf("the operation ran %d times, want once", agent.runs["uid-u"])
	}
}

func TestStaleCopyNeverRunsARecordedOperationAgain(t *testing.T) {
	w := started(t)
	agent := w.hub.agent
	stale := w.get("u")
	w.finish("u", success(nil))
	w.reconcile("u")
	agent.runs = map[types.UID]int{} // an agent that has forgotten, too

	o, err := w.observe(w.ctx(), stale)
	if err != nil {
		t.Fatal(err)
	}
	step := Plan(o, w.clock.Now())
	if step.Act != Resume {
		t.Fatalf("the stale copy plans %+v; the test expects it to be fooled", step)
	}
	if _, err := w.take(w.ctx(), o, step); err != nil {
		t.Fatal(err)
	}
	if agent.runs["uid-u"] != 0 {
		t.Error("the operation was given to the agent again")
	}
	w.only("u", "Complete=True/Updated", "Failed=False/UpdateSucceeded", "Progressing=False/Complete", "Ready=True/UpdateSucceeded")
}

func TestPodLost(t *testing.T) {
	evicted := func(pod *corev1.Pod) {
		pod.Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on memory."}
	}
	terminated := func(reason string, code int32) func(*corev1.Pod) {
		return func(pod *corev1.Pod) {
			pod.Status = corev1.PodStatus{Phase: corev1.PodFailed, ContainerStatuses: []corev1.ContainerStatus{{
				Name: "pulumi", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: reason, ExitCode: code}},
			}}}
		}
	}
	disrupted := func(pod *corev1.Pod) {
		pod.Status.Phase = corev1.PodFailed
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "DeletionByTaintManager", Message: "Taint manager: deleting due to NoExecute taint"}}
	}
	tests := map[string]struct {
		pod  *corev1.Pod
		want string
	}{
		"Gone":     {nil, "is gone and left no result"},
		"Replaced": {aPod("pod-2"), "is gone and left no result"},
		"Evicted":  {aPod(podUID, evicted), "Evicted: The node was low on memory."},
		"OOM":      {aPod(podUID, terminated("OOMKilled", 137)), "needs a higher memory limit"},
		"Exited":   {aPod(podUID, terminated("Error", 3)), "exited with code 3"},
		"Node":     {aPod(podUID, disrupted), "DeletionByTaintManager"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := started(t)
			w.hub.agent = nil
			w.remove(aPod(podUID))
			if test.pod != nil {
				w.create(test.pod.DeepCopy())
				if test.pod.UID != podUID {
					w.connect(test.pod.UID)
				}
			}
			w.reconcile("u")
			w.only("u", "Complete=True/Failed", "Failed=True/Aborted", "Progressing=False/Failed",
				"Ready=False/NotReadyStalled", "Stalled=True/Aborted")
			update := w.get("u")
			if !strings.Contains(update.Status.Message, test.want) || update.Status.EndTime == nil {
				t.Errorf("message %q (end %v), want it to say %q", update.Status.Message, update.Status.EndTime, test.want)
			}
			if w.hub.agent != nil && w.hub.agent.runs["uid-u"] != 0 {
				t.Error("the operation was given to a second pod")
			}
			if len(update.Finalizers) != 0 || len(w.recorder.events) != 1 {
				t.Errorf("finalizers %v, events %v", update.Finalizers, w.recorder.events)
			}
		})
	}
}

func TestPodThatIsAwayIsWaitedFor(t *testing.T) {
	tests := map[string]func(*corev1.Pod){
		"Running": func(*corev1.Pod) {},
		"Unknown": func(pod *corev1.Pod) { pod.Status.Phase = corev1.PodUnknown },
		"Going":   func(pod *corev1.Pod) { pod.Finalizers = []string{"x/y"} },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			w := started(t)
			w.hub.agent = nil
			w.remove(aPod(podUID))
			w.create(aPod(podUID, change))
			if name == "Going" {
				w.remove(aPod(podUID))
			}
			w.clock.SetTime(epoch().Add(24 * time.Hour))
			w.reconcile("u")
			w.only("u", "Complete=False/Progressing", "Failed=False/Progressing", "Progressing=True/Progressing",
				"Ready=False/NotReadyInProgress", "Reconciling=True/Progressing")
		})
	}
}

func TestDeletedBeforeItStarted(t *testing.T) {
	w := newWorld(t, aWorkspace(), anUpdate("u", keep))
	w.reconcile("u")
	w.remove(w.get("u"))
	w.reconcile("u")
	w.only("u", "Complete=True/Failed", "Failed=True/Canceled", "Progressing=False/Failed",
		"Ready=False/NotReadyStalled", "Stalled=True/Canceled")
	if got := w.get("u").Finalizers; !slices.Equal(got, []string{"a/b"}) {
		t.Errorf("finalizers are %v, want only the other one", got)
	}
}

// keep has another finalizer on the Update, so that its end can be looked at.
func keep(update *autov1alpha1.Update) { update.Finalizers = append(update.Finalizers, "a/b") }

func TestDeletedWhileItRan(t *testing.T) {
	w := started(t, keep)
	going := w.get("u")
	going.Generation = 2 // as the API server has it
	if err := w.client.Update(t.Context(), going); err != nil {
		t.Fatal(err)
	}
	w.remove(going)
	w.reconcile("u")
	if !w.hub.agent.canceled["uid-u"] {
		t.Fatal("the operation was not canceled")
	}
	w.only("u", "Complete=False/Progressing", "Failed=False/Progressing", "Progressing=True/Progressing",
		"Ready=False/NotReadyInProgress", "Reconciling=True/Progressing")
	if got := w.get("u"); !controllerutil.ContainsFinalizer(got, autov1alpha1.FinalizerOperation) || !strings.Contains(got.Status.Message, "canceled") {
		t.Errorf("finalizers %v and message %q while it is canceled", got.Finalizers, got.Status.Message)
	}
	result := success(map[string]*operation.Output{"a": {Json: []byte("1")}})
	w.finish("u", result) // it was faster
	w.reconcile("u")
	w.only("u", "Complete=True/Updated", "Failed=False/UpdateSucceeded", "Progressing=False/Complete", "Ready=True/UpdateSucceeded")
	if got := w.get("u").Finalizers; !slices.Equal(got, []string{"a/b"}) || len(w.secrets()) != 0 {
		t.Errorf("finalizers %v and %d Secrets, want the other one and none", got, len(w.secrets()))
	}
}

func TestForcedDeletionStillCancels(t *testing.T) {
	w := started(t)
	update := w.get("u")
	update.Finalizers = nil
	if err := w.client.Update(t.Context(), update); err != nil {
		t.Fatal(err)
	}
	w.remove(update)
	w.reconcile("u")
	if !w.hub.agent.canceled["uid-u"] {
		t.Fatal("the operation of the Update that is gone was not canceled")
	}
	w.create(anUpdate("u", func(u *autov1alpha1.Update) { u.UID = "uid-second" })) // a namesake
	w.hub.agent.results["uid-u"] = failureResult(operation.ReasonCanceled, "canceled")
	w.reconcile("u")
	if !slices.Contains(w.hub.recorded, "uid-u") {
		t.Error("the agent was not told to forget the result that nobody wants")
	}
	if got := w.memory.others(client.ObjectKeyFromObject(update), "uid-second"); len(got) != 0 {
		t.Errorf("still remembered: %v", got)
	}
}

func TestOfferThatTheHubRefusesSetsFree(t *testing.T) {
	w := newWorld(t, aWorkspace(), aPod(podUID), anUpdate("u"))
	w.connect(podUID)
	w.hub.refuse = hub.ErrRetired
	if result := w.reconcile("u"); result.RequeueAfter != offerAgain {
		t.Errorf("looks again after %s, want %s", result.RequeueAfter, offerAgain)
	}
	status := w.get("u").Status
	if status.PodUID != "" || status.StartTime != nil || !strings.Contains(status.Message, "retired") {
		t.Errorf("status is %+v, want it free and to say why", status)
	}
	w.hub.refuse = nil
	next := w.connect("pod-2")
	w.reconcile("u")
	if next.runs["uid-u"] != 1 {
		t.Error("the next pod did not get the operation")
	}
}

func TestTimeToLive(t *testing.T) {
	ttl := func(text string) func(*autov1alpha1.Update) {
		return func(update *autov1alpha1.Update) { update.Spec.TTLAfterCompleted = &text }
	}
	t.Run("Expires", func(t *testing.T) {
		w := started(t, ttl("1h"))
		w.finish("u", success(nil))
		if result := w.reconcile("u"); result.RequeueAfter != time.Hour {
			t.Errorf("looks again after %s, want an hour", result.RequeueAfter)
		}
		w.clock.SetTime(epoch().Add(59 * time.Minute))
		if result := w.reconcile("u"); result.RequeueAfter != time.Minute || w.find("u") == nil {
			t.Errorf("looks again after %s, want a minute", result.RequeueAfter)
		}
		w.clock.SetTime(epoch().Add(time.Hour))
		w.reconcile("u")
		if w.find("u") != nil {
			t.Error("the Update is still there")
		}
		if got := w.recorder.events[len(w.recorder.events)-1]; got != "Normal UpdateExpired the Update was complete for 1h and is deleted" {
			t.Errorf("last event is %q", got)
		}
	})
	t.Run("Malformed", func(t *testing.T) {
		w := started(t, ttl("7d"))
		w.finish("u", success(nil))
		w.reconcile("u")
		w.clock.SetTime(epoch().Add(1000 * time.Hour))
		w.reconcile("u")
		warnings := slices.DeleteFunc(slices.Clone(w.recorder.events), func(e string) bool { return !strings.Contains(e, "TTLInvalid") })
		if len(warnings) != 1 || w.find("u") == nil {
			t.Errorf("warnings are %q; want one, and the Update kept", warnings)
		}
	})
}

func TestTransientFailuresAreTriedAgain(t *testing.T) {
	broken := errors.New("connection refused")
	w := newWorld(t, aWorkspace(), aPod(podUID), anUpdate("u"))
	w.connect(podUID)
	w.before = func(int) error { return broken }
	if _, err := w.try("u"); !errors.Is(err, broken) {
		t.Fatalf("got %v, want the failure so that it is tried again", err)
	}
	if w.hub.agent.runs["uid-u"] != 0 {
		t.Error("the operation was offered before the Update was bound")
	}
}
