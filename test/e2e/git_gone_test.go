package e2e

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// made is a program that makes a ConfigMap of a name.
func made(name string) string {
	return "resources:\n  made:\n    type: kubernetes:core/v1:ConfigMap\n    properties: {metadata: {name: " + name + "}, data: {colour: blue}}\n"
}

// TestSourceGoesFirst deletes all that two stacks came from before it deletes them: the git host with the Secret of its
// credentials, and the Program. Neither has a pod any more.
func TestSourceGoesFirst(t *testing.T) {
	t.Parallel()
	begin(t, "orphans").sourceGoesFirst(func() {})
}

// TestSourceAndStoreGoFirst loses what the manager kept of the sources as well: its next pod begins with an empty store.
func TestSourceAndStoreGoFirst(t *testing.T) {
	s := begin(t, "bereft")
	s.sourceGoesFirst(s.restartManager)
}

func (s *story) sourceGoesFirst(then func()) {
	s.T.Helper()
	s.mayManageConfigMaps()
	host := s.gitHost()
	commit := s.repository(host, "team/app", yamlProgram("", made("of-git")))
	s.mayFetch(host, map[string]string{"accessToken": gitToken})
	s.program("made", made("of-program"))
	const fleeting = `{spec: {destroyOnFinalize: true, workspaceTemplate: {spec: {idleTimeout: 0s}}}}`
	ofGit := s.fromGit("of-git", host, "team/app", fleeting)
	ofProgram := s.stack("of-program", "made", onImage, fleeting)
	s.untilRun(ofGit, commit)
	s.AwaitReady(ofProgram)
	for _, name := range []string{"of-git", "of-program"} {
		s.Must(s.Client.Get(s.Ctx, s.Key(name), s.configMap(name)))
		s.AwaitGone(s.Pod(name), "to have gone to sleep")
	}

	program := &pulumiv1.Program{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "made"}}
	access := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "git-access"}}
	s.Must(host.Delete(s.Ctx))
	for _, object := range []client.Object{access, program} {
		s.Must(s.Client.Delete(s.Ctx, object))
		s.AwaitGone(object, "to be gone")
	}
	then()
	for _, stack := range []*pulumiv1.Stack{ofGit, ofProgram} {
		s.Must(s.Client.Delete(s.Ctx, stack))
	}
	for _, stack := range []*pulumiv1.Stack{ofGit, ofProgram} {
		s.AwaitGone(stack, "to be destroyed")
		s.AwaitGone(s.configMap(stack.Name), "to be destroyed with its stack")
	}
}
