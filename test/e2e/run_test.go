package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// hidden is the value that must be seen nowhere but in the Secret with the outputs.
const hidden = "nobody-reads-this-7f3a"

// greeting is a program without resources: a configured output, and a secret one.
const greeting = `
configuration:
  greeting: {type: String, default: hello}
outputs:
  greeting: ${greeting}
  hush: {"fn::secret": ` + hidden + `}
`

func TestFirstDeploy(t *testing.T) {
	t.Parallel()
	s := begin(t, "first")
	s.program("greeting", greeting)
	stack := s.stack("first", "greeting")
	s.AwaitReady(stack)

	if ready := stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeReady); ready.Reason != pulumiv1.ReasonProcessingCompleted {
		t.Errorf("Ready has the reason %q", ready.Reason)
	}
	if len(stack.Status.Conditions) != 1 {
		t.Errorf("conditions: %+v, want Ready alone", stack.Status.Conditions)
	}
	if output(stack, "greeting") != `"hello"` || output(stack, "hush") != `"[secret]"` {
		t.Errorf("outputs: greeting %s, hush %s", output(stack, "greeting"), output(stack, "hush"))
	}
	update := s.updates("first", 1)[0]
	checkLastUpdate(s, stack, update)
	checkUpdate(s, &update)
	checkOutputsSecret(s, &update)
	if message := s.event(stack, pulumiv1.EventStackUpdateDetected); message == "" {
		t.Error("StackUpdateDetected says nothing")
	}
	s.event(stack, pulumiv1.EventStackCreated)
	checkColumns(s)
	checkHidden(s)
}

func checkLastUpdate(s *story, stack *pulumiv1.Stack, update autov1alpha1.Update) {
	s.T.Helper()
	program := &pulumiv1.Program{}
	s.Must(s.Client.Get(s.Ctx, s.Key("greeting"), program))
	if program.Status.Artifact == nil {
		s.T.Fatal("the Program has no artifact on record")
	}
	revision := program.Status.Artifact.Revision
	got := *stack.Status.LastUpdate
	if got.LastResyncTime.IsZero() {
		s.T.Error("lastResyncTime is not set")
	}
	if !got.LastSuccessTime.Equal(&got.LastResyncTime) || got.SpecDigest == "" {
		s.T.Errorf("lastSuccessTime is %v, lastResyncTime %v, specDigest %q", got.LastSuccessTime, got.LastResyncTime, got.SpecDigest)
	}
	if got.Source == nil || !strings.HasPrefix(got.Source.Content, "sha256:") {
		s.T.Fatalf("the source on record is %+v, want what it says as a digest too", got.Source)
	}
	if len(got.Inputs) != 1 || got.Inputs["Secret/passphrase"] == "" {
		s.T.Errorf("the inputs on record are %v, want the Secret with the passphrase alone", got.Inputs)
	}
	got.LastResyncTime, got.LastSuccessTime, got.SpecDigest, got.Permalink, got.Message, got.Inputs = metav1.Time{}, metav1.Time{}, "", "", "", nil
	want := pulumiv1.LastUpdate{
		Generation: stack.Generation, Name: update.Name, Type: autov1alpha1.UpUpdate, State: pulumiv1.SucceededStackState,
		LastAttemptedCommit: revision, LastSuccessfulCommit: revision,
		Source: &pulumiv1.SourceRecord{Revision: revision, Digest: program.Status.Artifact.Digest, Content: got.Source.Content},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.T.Errorf("lastUpdate (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&autov1alpha1.ProjectInfo{Name: "greeting", Runtime: "yaml"}, stack.Status.ProjectInfo); diff != "" {
		s.T.Errorf("projectInfo (-want +got):\n%s", diff)
	}
}

func checkUpdate(s *story, update *autov1alpha1.Update) {
	s.T.Helper()
	want := map[string]metav1.ConditionStatus{"Complete": metav1.ConditionTrue, "Failed": metav1.ConditionFalse, "Progressing": metav1.ConditionFalse}
	for kind, status := range want {
		if got := stage.Condition(update.Status.Conditions, kind); got.Status != status {
			s.T.Errorf("the Update's %s is %q, want %s", kind, got.Status, status)
		}
	}
	if update.Status.StartTime == nil || update.Status.EndTime == nil || update.Status.EndTime.Before(update.Status.StartTime) {
		s.T.Errorf("the Update ran from %v to %v", update.Status.StartTime, update.Status.EndTime)
	}
	if update.Status.Outputs != autov1alpha1.OutputsSecretName(update.Name) {
		s.T.Errorf("the Update's outputs are in %q", update.Status.Outputs)
	}
}

func checkOutputsSecret(s *story, update *autov1alpha1.Update) {
	s.T.Helper()
	secret := &corev1.Secret{}
	s.Must(s.Client.Get(s.Ctx, s.Key(autov1alpha1.OutputsSecretName(update.Name)), secret))
	if string(secret.Data["greeting"]) != `"hello"` || string(secret.Data["hush"]) != `"`+hidden+`"` || len(secret.Data) != 2 {
		s.T.Errorf("the outputs Secret does not hold greeting and hush in clear")
	}
	var secrets []string
	s.Must(json.Unmarshal([]byte(secret.Annotations[autov1alpha1.AnnotationSecrets]), &secrets))
	if diff := cmp.Diff([]string{"hush"}, secrets); diff != "" {
		s.T.Errorf("annotation of secret outputs (-want +got):\n%s", diff)
	}
	if secret.Immutable == nil || !*secret.Immutable {
		s.T.Error("the outputs Secret is not immutable")
	}
	if len(secret.OwnerReferences) != 1 || secret.OwnerReferences[0].UID != update.UID {
		s.T.Errorf("the outputs Secret is owned by %+v, want the Update", secret.OwnerReferences)
	}
	if secret.Labels[autov1alpha1.LabelUpdateName] != update.Name {
		s.T.Errorf("the outputs Secret has the labels %v", secret.Labels)
	}
}

func checkColumns(s *story) {
	s.T.Helper()
	row, err := s.Row(s.Ctx, "apis/pulumi.com/v1", "stacks", "first")
	s.Must(err)
	for column, want := range map[string]string{"Name": "first", "Stack": "first", "Last Update": "succeeded", "Ready": "True", "Reconciling": "", "Stalled": ""} {
		if got, found := row[column]; !found || got != want {
			s.T.Errorf("column %q of the Stack is %q (found: %t), want %q", column, got, found, want)
		}
	}
	row, err = s.Row(s.Ctx, "apis/auto.pulumi.com/v1alpha1", "workspaces", "first")
	s.Must(err)
	if row["Ready"] != "True" {
		s.T.Errorf("column Ready of the Workspace is %q", row["Ready"])
	}
}

// checkHidden looks for the secret value where it must not be.
func checkHidden(s *story) {
	s.T.Helper()
	for _, list := range []client.ObjectList{&pulumiv1.StackList{}, &autov1alpha1.UpdateList{}, &autov1alpha1.WorkspaceList{}, &corev1.EventList{}} {
		s.Must(s.Client.List(s.Ctx, list, client.InNamespace(s.Name)))
		text, err := json.Marshal(list)
		s.Must(err)
		if strings.Contains(string(text), hidden) {
			s.T.Errorf("%T shows the value of a secret output", list)
		}
	}
	log, err := s.Log(s.Ctx, s.Pod("first"), stage.PulumiContainer, 0)
	s.Must(err)
	leader, err := s.Leader(s.Ctx)
	s.Must(err)
	managerLog, err := s.Log(s.Ctx, leader, "", 0)
	s.Must(err)
	if strings.Contains(log+managerLog, hidden) {
		s.T.Error("a log shows the value of a secret output")
	}
}

func TestChangesRunOnceEach(t *testing.T) {
	t.Parallel()
	s := begin(t, "changes")
	s.program("greeting", greeting)
	stack := s.stack("changes", "greeting")
	s.AwaitReady(stack)
	s.updates("changes", 1)

	t.Log("a change of the spec runs again")
	s.Must(s.Patch(s.Ctx, stack, `{spec: {config: {greeting: bonjour}}}`))
	s.AwaitReady(stack)
	if output(stack, "greeting") != `"bonjour"` {
		t.Errorf("greeting is %s after the spec changed", output(stack, "greeting"))
	}
	s.updates("changes", 2)

	t.Log("a change of the Program runs again")
	before := stack.Status.LastUpdate.LastSuccessfulCommit
	s.program("greeting", strings.ReplaceAll(greeting, "greeting: ${greeting}", "greeting: ${greeting} all"))
	s.Await(stack, "to show the new Program's output", func() bool {
		return output(stack, "greeting") == `"bonjour all"` && stage.Ready(stack)
	})
	if stack.Status.LastUpdate.LastSuccessfulCommit == before {
		t.Errorf("lastSuccessfulCommit is still %q", before)
	}
	s.updates("changes", 3)

	t.Log("the annotation runs once for each new value, and its removal runs nothing")
	s.request(stack, "one")
	s.updates("changes", 4)
	generation := stack.Generation
	s.Must(s.Annotate(s.Ctx, stack, pulumiv1.AnnotationReconciliationRequest, nil))
	s.never(stack, 3*time.Second, func() error {
		if stack.Status.CurrentUpdate != nil || !stage.Ready(stack) {
			return fmt.Errorf("something runs after the annotation was removed: %+v", stack.Status.Conditions)
		}
		return nil
	})
	s.updates("changes", 4)
	s.request(stack, "two")
	s.updates("changes", 5)
	if stack.Generation != generation {
		t.Errorf("the spec was written: generation %d became %d", generation, stack.Generation)
	}
}

func TestNothingChangedRunsNothing(t *testing.T) {
	s := begin(t, "still")
	s.program("greeting", greeting)
	stack := s.stack("still", "greeting")
	s.AwaitReady(stack)
	version := stack.ResourceVersion
	for range 2 {
		s.restartManager()
		// The manager looks at every Stack when it starts; when it has run one that was made after
		// that, it has long looked at the one that did not change.
		s.Must(client.IgnoreNotFound(s.Client.Delete(s.Ctx, s.Stack("witness"))))
		s.AwaitGone(s.Stack("witness"), "to be gone")
		s.AwaitReady(s.stack("witness", "greeting"))
		s.updates("still", 1)
	}
	s.Must(s.Client.Get(s.Ctx, s.Key("still"), stack))
	if stack.ResourceVersion != version {
		t.Errorf("the Stack was written to although nothing changed: %+v", stack.Status)
	}
}
