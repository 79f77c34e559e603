package operator

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/gitserver"
)

// gitStories are those of Stacks with their program in git.
func gitStories() map[string]story {
	return map[string]story{
		"FirstDeployFromGit": {
			before: clean, tell: func(s *site) { s.make(s.fromGit()) }, ended: ready,
			operations: []string{"UP"}, fetches: true,
			deaths: []string{"PATCH stacks", "PATCH workspaces", "PATCH stacks/status", "POST updates", "POST pods", "hub says operation", "hub says recorded"},
		},
		"Push": {
			before: deployedFromGit, tell: func(s *site) {
				s.push()
				s.request()
			}, ended: func(s *site) bool { return ready(s) && s.stack().Status.LastUpdate.LastSuccessfulCommit == s.commit },
			operations: []string{"UP"}, fetches: true,
			deaths: []string{"PATCH stacks/status", "POST updates", "PATCH updates/status", "hub says operation", "agent says result", "hub says recorded"},
		},
	}
}

// serveGit has a git host with a repository of the site's own, which its managers trust.
func (s *site) serveGit() {
	s.t.Helper()
	gitserver.Need(s.t, "git")
	host := gitserver.Start(s.t, gitserver.Options{})
	s.options.GitAuthorities = filepath.Join(s.dir, "authorities.pem")
	if err := os.WriteFile(s.options.GitAuthorities, []byte(host.CA), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.repository, s.url = host.Create("team/app"), host.URL+"/team/app.git"
	s.push()
}

// push makes a commit.
func (s *site) push() {
	s.commit = s.repository.Commit("main", gitserver.Files{
		"Pulumi.yaml": gitserver.Text("name: demo\nruntime: yaml\n"), "now": gitserver.Text(fmt.Sprint(time.Now().UnixNano())),
	})
}

// fromGit is the Stack, with the repository as its source. Nothing asks for its commits by the clock while a story lasts.
func (s *site) fromGit() client.Object {
	return &pulumiv1.Stack{ObjectMeta: stackOf().(*pulumiv1.Stack).ObjectMeta, Spec: pulumiv1.StackSpec{
		Stack: "dev", GitSource: pulumiv1.GitSource{ProjectRepo: s.url, Branch: "main"}, ResyncFrequencySeconds: 3600,
		DestroyOnFinalize: true, RetryMaxBackoffDurationSeconds: 1,
	}}
}

func deployedFromGit(s *site) {
	s.t.Helper()
	if s.stack() == nil {
		s.make(s.fromGit())
	}
	deployed(s)
}

// request asks for a reconcile.
func (s *site) request() {
	s.t.Helper()
	s.edit(func(stack *pulumiv1.Stack) {
		stack.Annotations = map[string]string{pulumiv1.AnnotationReconciliationRequest: fmt.Sprint(time.Now().UnixNano())}
	})
}
