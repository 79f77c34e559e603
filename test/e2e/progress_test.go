package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// steps is a program of two resources that take their time one after the other.
func steps(label string) string {
	return fmt.Sprintf(`
resources:
  first:
    type: testing:index:Sleep
    properties: {seconds: 3, label: %[1]s}
  second:
    type: testing:index:Sleep
    properties: {seconds: 3, label: %[1]s}
    options: {dependsOn: ["${first}"]}
`, label)
}

func TestProgressIsShown(t *testing.T) {
	t.Parallel()
	s := begin(t, "progress")
	s.program("steps", steps("one"))
	stack := s.stack("progress", "steps", onImage)
	update := s.current(stack)
	s.Await(update, "to have done the first resource and to name the second", func() bool {
		progress := update.Status.Progress
		return progress != nil && progress.Done >= 1 && strings.Contains(progress.Step, "testing:index:Sleep second")
	})
	s.Await(stack, "to say the same", func() bool { return says(stack, []string{"testing:index:Sleep second"}) })
	s.AwaitReady(stack)
	if stack.Status.LastUpdate.Message != "" {
		t.Errorf("lastUpdate says %q after a success", stack.Status.LastUpdate.Message)
	}

	t.Log("the next update shows its progress in lastUpdate's message, too")
	s.program("steps", steps("two"))
	s.Await(stack, "to say what it does", func() bool {
		return strings.Contains(stack.Status.LastUpdate.Message, "testing:index:Sleep")
	})
	name := stack.Status.LastUpdate.Name
	s.Await(stack, "to be Ready again", func() bool { return stack.Status.LastUpdate.Name != name && stage.Ready(stack) })
	if stack.Status.LastUpdate.Message != "" {
		t.Errorf("lastUpdate says %q after a success", stack.Status.LastUpdate.Message)
	}
}

func TestUpdateDeletedInTheMiddle(t *testing.T) {
	t.Parallel()
	s := begin(t, "cancel")
	before := s.inTheMiddle("cancel")
	stack := s.Stack("cancel")
	s.program("long", strings.ReplaceAll(long, "seconds: 20", "seconds: 0"))
	began := time.Now()
	s.Must(s.Client.Delete(s.Ctx, before.update))
	s.AwaitGone(before.update, "to be canceled and gone")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s: the operation was not canceled", took)
	}

	t.Log("it ended in good order: the next update finds no lock and creates the resource once")
	s.Await(stack, "to be Ready with the quicker Program", func() bool { return stage.Ready(stack) })
	lines, err := s.Shell(s.Ctx, "cancel", "cat /state/created")
	s.Must(err)
	if lines != "create slow\n" {
		t.Errorf("created as often as this has lines, want one:\n%s", lines)
	}
	pod := s.Pod("cancel")
	s.Must(s.Client.Get(s.Ctx, s.Key(pod.Name), pod))
	if pod.UID != before.pod.UID {
		t.Error("the pod was replaced")
	}
}

func TestStackDeletedInTheMiddle(t *testing.T) {
	t.Parallel()
	s := begin(t, "leave")
	before := s.inTheMiddle("leave")
	stack := s.Stack("leave")
	s.Must(s.Client.Get(s.Ctx, s.Key("leave"), stack))
	s.Must(s.Patch(s.Ctx, stack, `{spec: {destroyOnFinalize: true}}`))
	began := time.Now()
	s.Must(s.Client.Delete(s.Ctx, stack))
	s.AwaitGone(before.update, "to be canceled and gone")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s: the operation was not canceled", took)
	}
	s.AwaitGone(stack, "to be destroyed and gone")
	s.event(stack, pulumiv1.EventStackDestroyed)
}

func TestReclaimedWorkspace(t *testing.T) {
	t.Parallel()
	s := begin(t, "reclaim")
	s.program("greeting", greeting)
	stack := s.stack("reclaim", "greeting", `{spec: {workspaceReclaimPolicy: Delete}}`)
	s.AwaitReady(stack)
	s.event(stack, pulumiv1.EventWorkspaceDeleted)
	s.AwaitGone(s.Workspace("reclaim"), "to be reclaimed")
	s.AwaitGone(s.Pod("reclaim"), "to be gone with its Workspace")
	s.request(stack, "again")
	s.AwaitGone(s.Workspace("reclaim"), "to be reclaimed again")
	if output(stack, "greeting") != `"hello"` {
		t.Errorf("greeting is %s", output(stack, "greeting"))
	}
}

func TestNoKubeconfig(t *testing.T) {
	t.Parallel()
	s := begin(t, "ambient")
	s.mayManageConfigMaps()
	s.program("settings", settings)
	stack := s.stack("ambient", "settings", onImage, `{spec: {kubeconfig: {type: None}}}`)
	s.AwaitReady(stack)
	made := &corev1.ConfigMap{}
	s.Must(s.Client.Get(s.Ctx, s.Key("settings"), made))
	if got := s.export("ambient").kubeconfig; got != "" {
		t.Errorf("the provider got a kubeconfig:\n%s", got)
	}

	t.Log("from none to the generated one nothing is replaced")
	s.Must(s.Patch(s.Ctx, stack, `{spec: {kubeconfig: {type: InCluster}}}`))
	s.AwaitReady(stack)
	if s.export("ambient").kubeconfig == "" {
		t.Error("the provider got no kubeconfig")
	}
	again := &corev1.ConfigMap{}
	s.Must(s.Client.Get(s.Ctx, s.Key("settings"), again))
	if again.UID != made.UID {
		t.Errorf("the ConfigMap was replaced: UID %s became %s", made.UID, again.UID)
	}
	if last := newest(s.updates("ambient", 2)); last.Spec.Type != autov1alpha1.UpUpdate || last.Status.Changes["replace"] != 0 {
		t.Errorf("changes: %v", last.Status.Changes)
	}
}
