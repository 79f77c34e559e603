package argocd

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func deleteForeground(s *story) { deletes(s, foreground) }

func deleteBackground(s *story) { deletes(s, background) }

// deletes: an Application that goes takes its Stack along, which is destroyed first, and nothing that is not its own.
func deletes(s *story, finalizer string) {
	s.Must(s.ApplyProgram(s.Ctx, "bystander", plain))
	bystander, err := s.CreateStack(s.Ctx, "bystander", "bystander", `spec: {workspaceTemplate: {spec: {image: "`+image+`"}}}`)
	s.Must(err)
	files := s.app()
	files["program.yaml"] = program("app", 0, painted("made")) // it goes at the same time as its Stack
	a := s.deploy(finalizer, files)
	a.untilDone(a.repository.Git("rev-parse", "main"))
	s.untilRan(bystander, 1)
	stack, made := s.Stack("app"), s.configMap("made")
	if !s.exists(made) {
		s.T.Fatal("the stack made nothing")
	}

	s.Must(s.Client.Delete(s.Ctx, a.object))
	s.AwaitGone(a.object, "to be gone")
	if s.exists(stack) {
		s.T.Error("the Application is gone, its Stack is not")
	}
	if s.exists(made) {
		s.T.Error("the Stack is gone, what it made is not")
	}
	if account := (&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "runner"}}); s.exists(account) {
		s.T.Error("the Application is gone, its ServiceAccount is not")
	}
	s.AwaitGone(s.Workspace("app"), "to go with its Stack")
	s.AwaitGone(s.Pod("app"), "to go with its Stack")
	s.stays(bystander, 1)
}

// deleteWithoutCascade: an Application without a finalizer goes by itself.
func deleteWithoutCascade(s *story) {
	a := s.deploy(foreground, s.app())
	a.untilDone(a.repository.Git("rev-parse", "main"))
	s.Must(s.Patch(s.Ctx, a.object, `{metadata: {finalizers: null}}`))
	s.Must(s.Client.Delete(s.Ctx, a.object))
	s.AwaitGone(a.object, "to be gone")
	s.stays(s.Stack("app"), 1)
	if !s.exists(s.configMap("made")) {
		s.T.Error("what the stack made is gone")
	}
}
