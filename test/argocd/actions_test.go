package argocd

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// action runs an action on the story's Stack as a user does, by way of Argo CD's server.
func (a *application) action(name string) {
	a.story.T.Helper()
	a.cli("app", "actions", "run", a.object.GetName(), name, "--kind", "Stack", "--resource-name", "app")
}

// untilUpdate waits until a Stack has an Update of a type that has succeeded.
func (s *story) untilUpdate(kind autov1alpha1.UpdateType, total int) {
	s.T.Helper()
	updates, err := s.Updates(s.Ctx, "app")
	s.Must(err)
	if len(updates) != total {
		s.T.Fatalf("%d Updates, want %d", len(updates), total)
	}
	for i := range updates {
		update := &updates[i]
		if update.Spec.Type != kind {
			continue
		}
		if !strings.HasPrefix(update.Name, "app-") || len(update.OwnerReferences) != 1 || update.OwnerReferences[0].Kind != "Stack" {
			s.T.Errorf("the Update is %s of %v", update.Name, update.OwnerReferences)
		}
		s.Await(update, "to be complete", func() bool {
			return stage.Condition(update.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete).Status == metav1.ConditionTrue
		})
		if failure := stage.Condition(update.Status.Conditions, autov1alpha1.UpdateConditionTypeFailed); failure.Status != metav1.ConditionFalse {
			s.T.Errorf("%s %s failed: %s", kind, update.Name, failure.Message)
		}
		return
	}
	s.T.Fatalf("no Update of type %s", kind)
}

// actions: what Argo CD's server does to a Stack when a user asks for it, none of which is drift.
func actions(s *story) {
	a := s.deploy(foreground, s.app())
	first := a.repository.Git("rev-parse", "main")
	a.untilDone(first)
	stack := s.Stack("app")
	a.throughout(drifted, func() {
		a.action("reconcile")
		s.untilRan(stack, 2)
		a.action("refresh")
		s.untilUpdate(autov1alpha1.RefreshUpdate, 3)
		a.action("preview")
		s.untilUpdate(autov1alpha1.PreviewUpdate, 4)
		a.action("suspend")
		s.Await(stack, "to be suspended", func() bool {
			return stage.Condition(stack.Status.Conditions, "Suspended").Status == metav1.ConditionTrue && stage.Ready(stack)
		})
		a.action("resume")
		s.Await(stack, "to go on", func() bool {
			return stage.Condition(stack.Status.Conditions, "Suspended").Status == "" && stage.Ready(stack)
		})
		a.quiet(first)
		s.stays(stack, 4)
	})
	s.cancels(a)
}

// slow is a program that takes its time.
const slow = `
resources:
  pause: {type: testing:index:Sleep, properties: {seconds: 20, label: pause}}
`

// cancels has an update canceled by the action: the Stack says so, and runs again when it is asked to. A new commit would have
// to wait until Argo CD has given up on this one.
func (s *story) cancels(a *application) {
	s.T.Helper()
	stack := s.Stack("app")
	commit := a.commit(map[string]string{"program.yaml": program("app", -1, slow)})
	s.Await(stack, "to have an update under way", func() bool { return stack.Status.CurrentUpdate != nil })
	update := &autov1alpha1.Update{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: stack.Status.CurrentUpdate.Name}}
	s.Await(update, "to run", func() bool { return update.Status.Progress != nil })
	a.action("cancel")
	a.tells("Stack", "app", "Degraded", "cancel")
	if s.Must(s.Client.Get(s.Ctx, s.Key("app"), stack)); stage.Condition(stack.Status.Conditions, "Stalled").Reason != "UpdateCanceled" {
		s.T.Errorf("the Stack says %v", stack.Status.Conditions)
	}
	a.action("reconcile")
	a.untilDone(commit)
}
