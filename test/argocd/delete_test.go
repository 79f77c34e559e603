package argocd

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func deleteForeground(s *story) { deletes(s, foreground) }

func deleteBackground(s *story) { deletes(s, background) }

// deletes: an Application that goes takes its Stack along, which is destroyed first, and nothing that is not its own.
func deletes(s *story, finalizer string) {
	s.must(s.ApplyProgram(s.ctx, "bystander", plain))
	bystander, err := s.CreateStack(s.ctx, "bystander", "bystander", `spec: {workspaceTemplate: {spec: {image: "`+image+`"}}}`)
	s.must(err)
	files := s.app()
	files["program.yaml"] = program("app", 0, painted("made")) // it goes at the same time as its Stack
	a := s.deploy(finalizer, files)
	a.untilDone(a.repository.Git("rev-parse", "main"))
	s.untilRan(bystander, 1)
	stack, made := s.Stack("app"), s.configMap("made")
	if !s.exists(made) {
		s.t.Fatal("the stack made nothing")
	}

	s.must(s.Client.Delete(s.ctx, a.object))
	s.untilGone(a.object, "to be gone")
	if s.exists(stack) {
		s.t.Error("the Application is gone, its Stack is not")
	}
	if s.exists(made) {
		s.t.Error("the Stack is gone, what it made is not")
	}
	if account := (&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "runner"}}); s.exists(account) {
		s.t.Error("the Application is gone, its ServiceAccount is not")
	}
	s.untilGone(s.Workspace("app"), "to go with its Stack")
	s.untilGone(s.Pod("app"), "to go with its Stack")
	s.stays(bystander, 1)
}

// deleteWithoutCascade: an Application without a finalizer goes by itself.
func deleteWithoutCascade(s *story) {
	a := s.deploy(foreground, s.app())
	a.untilDone(a.repository.Git("rev-parse", "main"))
	s.must(s.Patch(s.ctx, a.object, `{metadata: {finalizers: null}}`))
	s.must(s.Client.Delete(s.ctx, a.object))
	s.untilGone(a.object, "to be gone")
	s.stays(s.Stack("app"), 1)
	if !s.exists(s.configMap("made")) {
		s.t.Error("what the stack made is gone")
	}
}
