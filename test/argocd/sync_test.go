package argocd

import (
	"fmt"
	"strings"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// app has a Stack with all that it needs, in waves, and a ConfigMap for after it.
func (s *story) app() map[string]string {
	s.T.Helper()
	return map[string]string{
		"runner.yaml":  runner(-2),
		"program.yaml": program("app", -1, painted("made")),
		"stack.yaml":   s.stackFile("app", "app", 0, colour("blue")),
		"after.yaml":   fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: after, annotations: {%s: %q}}\n", waveOf, "1"),
	}
}

// waves: the Application is Healthy, and the next wave begins, only when the Stack is Ready; a change in git runs once.
func waves(s *story) {
	a := s.deploy(foreground, s.app())
	first := a.repository.Git("rev-parse", "main")
	stack, made, after := s.Stack("app"), s.configMap("made"), s.configMap("after")
	a.until("to be Healthy, but not before the Stack is Ready", func(v view) bool {
		if v.Status.Health.Status != "Healthy" {
			return false
		}
		if !s.exists(stack) || !stage.Ready(stack) {
			s.T.Fatalf("the Application is Healthy, the Stack is not Ready: %v", stack.Status.Conditions)
		}
		return v.done(first)
	})
	s.stays(stack, 1)
	ready := stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeReady).LastTransitionTime
	if !s.exists(after) || after.CreationTimestamp.Before(&ready) {
		s.T.Errorf("the object of the next wave is of %s, the Stack was Ready at %s", after.CreationTimestamp, ready)
	}
	a.quiet(first)
	s.stays(stack, 1)

	second := a.commit(map[string]string{"program.yaml": program("app", -1, strings.ReplaceAll(painted("made"), "light", "dark"))})
	s.untilRan(stack, 2)
	a.untilDone(second)
	third := a.commit(map[string]string{"stack.yaml": s.stackFile("app", "app", 0, colour("red"))})
	a.untilDone(third)
	if !s.exists(made) || made.Data["colour"] != "red" || made.Data["shade"] != "dark" {
		s.T.Errorf("two changes in git made %v", made.Data)
	}
	a.quiet(third)
	s.stays(stack, 3)
	s.healthyOffline(stack.Name)
}

// requests: a request by kubectl runs once and is no drift, nor is its removal.
func requests(s *story) {
	a := s.deploy(foreground, s.app())
	first := a.repository.Git("rev-parse", "main")
	a.untilDone(first)
	stack := s.Stack("app")
	a.throughout(drifted, func() {
		s.kubectl("annotate", "stack", "app", pulumiv1.AnnotationReconciliationRequest+"=by-hand")
		s.untilRan(stack, 2)
		a.quiet(first)
		if s.stays(stack, 2); stack.Annotations[pulumiv1.AnnotationReconciliationRequest] != "by-hand" {
			s.T.Errorf("Argo CD took the request away: %v", stack.Annotations)
		}
		s.kubectl("annotate", "stack", "app", pulumiv1.AnnotationReconciliationRequest+"-")
		a.quiet(first)
		s.stays(stack, 2)
	})
}

// selfHeal: what somebody changes or deletes by hand comes back, and so does what the stack made.
func selfHeal(s *story) {
	a := s.deploy(foreground, s.app())
	first := a.repository.Git("rev-parse", "main")
	a.untilDone(first)
	stack, made := s.Stack("app"), s.configMap("made")

	s.kubectl("patch", "stack", "app", "--type=merge", "--patch="+`{"spec":{"config":{"colour":"green"}}}`)
	s.Await(stack, "to be as in git again", func() bool {
		return stack.Generation > 2 && strings.Contains(string(stack.Spec.Config.Raw), "blue") && stage.Ready(stack)
	})
	a.untilDone(first)
	if !s.exists(made) || made.Data["colour"] != "blue" {
		s.T.Errorf("the change by hand was undone, but the stack made %v", made.Data)
	}

	deleted, was := stack.UID, made.UID
	s.kubectl("delete", "stack", "app", "--wait=false")
	s.Await(stack, "to be there again", func() bool { return stack.UID != deleted && stage.Ready(stack) })
	a.untilDone(first)
	if !s.exists(made) || made.UID == was {
		s.T.Error("the Stack was deleted and made again, but not what it had made")
	}
}

// replace: Replace=true takes the finalizer and the annotations off the Stack, and loses nothing.
func replace(s *story) {
	const replaced = `metadata: {annotations: {argocd.argoproj.io/sync-options: "Replace=true"}}`
	files := s.app()
	files["stack.yaml"] = s.stackFile("app", "app", 0, colour("blue"), replaced)
	a := s.deploy(foreground, files)
	a.untilDone(a.repository.Git("rev-parse", "main"))
	stack, made := s.Stack("app"), s.configMap("made")
	s.kubectl("annotate", "stack", "app", pulumiv1.AnnotationReconciliationRequest+"=by-hand")
	s.untilRan(stack, 2)

	second := a.commit(map[string]string{"stack.yaml": s.stackFile("app", "app", 0, colour("red"), replaced)})
	a.untilDone(second)
	s.Await(stack, "to have its finalizer again", func() bool { return len(stack.Finalizers) == 1 && stack.Finalizers[0] == pulumiv1.Finalizer })
	if _, kept := stack.Annotations[pulumiv1.AnnotationReconciliationRequest]; kept {
		s.T.Error("the Stack was not replaced: its annotation is there")
	}
	if !s.exists(made) || made.Data["colour"] != "red" {
		s.T.Errorf("the stack made %v", made.Data)
	}
	a.quiet(second)
	s.stays(stack, 3)

	a.commit(map[string]string{"stack.yaml": ""})
	s.AwaitGone(stack, "to be pruned")
	if s.exists(made) {
		s.T.Error("the Stack was pruned, but what it made is there")
	}
}

// prune: a Stack that is taken out of git is destroyed, and nothing else is.
func prune(s *story) {
	files := s.app()
	files["other-program.yaml"] = program("other", -1, painted("other"))
	files["other.yaml"] = s.stackFile("other", "other", 0)
	a := s.deploy(foreground, files)
	a.untilDone(a.repository.Git("rev-parse", "main"))
	kept, gone := s.configMap("made"), s.configMap("other")
	if !s.exists(kept) || !s.exists(gone) {
		s.T.Fatal("the stacks made nothing")
	}
	was := kept.UID

	second := a.commit(map[string]string{"other.yaml": "", "other-program.yaml": ""})
	s.AwaitGone(s.Stack("other"), "to be pruned")
	s.AwaitGone(s.Workspace("other"), "to go with its Stack")
	a.untilDone(second)
	if s.exists(gone) {
		s.T.Error("the Stack was pruned, but what it made is there")
	}
	if !s.exists(kept) || kept.UID != was {
		s.T.Error("what the other Stack made is gone")
	}
	s.stays(s.Stack("app"), 1)
}
