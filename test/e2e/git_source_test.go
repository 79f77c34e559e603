package e2e

import (
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
	"github.com/gantry-operator/gantry/test/gitserver"
)

// gitToken is what the git host demands where it demands anything.
const gitToken = "a-token-of-the-story"

// gitSource makes a Stack follow main of a repository, whose next poll by itself is an hour away, with the Secret
// "git-access".
const gitSource = `
spec:
  programRef: null
  projectRepo: %s
  branch: main
  gitAuthSecret: git-access
  resyncFrequencySeconds: 3600
`

// yaml is a program in Pulumi YAML, in a directory of a repository.
func yamlProgram(dir, body string) gitserver.Files {
	return gitserver.Files{dir + "Pulumi.yaml": gitserver.Text("name: story\nruntime: yaml\n" + body)}
}

// mayFetch makes the Secret "git-access", with the host's authority and what else is given.
func (s *story) mayFetch(host *stage.GitHost, keys map[string]string) {
	s.T.Helper()
	data := map[string]string{"ca.crt": host.CA}
	maps.Copy(data, keys)
	s.Must(s.Client.Create(s.Ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "git-access"}, StringData: data}))
}

// repository makes a repository that demands the story's token, with a first commit.
func (s *story) repository(host *stage.GitHost, name string, files gitserver.Files) string {
	s.T.Helper()
	s.Must(host.Create(name))
	s.Must(host.Protect(name, gitserver.Auth{Password: gitToken}))
	return s.push(host, name, files)
}

// push makes a commit on main and returns its id.
func (s *story) push(host *stage.GitHost, repository string, files gitserver.Files) string {
	s.T.Helper()
	commit, err := host.Commit(repository, "main", files)
	s.Must(err)
	return commit
}

// fromGit makes a Stack of a repository.
func (s *story) fromGit(name string, host *stage.GitHost, repository string, overlays ...string) *pulumiv1.Stack {
	s.T.Helper()
	return s.stack(name, "none", append([]string{onImage, fmt.Sprintf(gitSource, host.URLOf(repository))}, overlays...)...)
}

// untilRun waits until a Stack is Ready and a commit is the last one on record.
func (s *story) untilRun(stack *pulumiv1.Stack, commit string) {
	s.T.Helper()
	s.Await(stack, "to have run commit "+commit, func() bool {
		return stage.Ready(stack) && stack.Status.LastUpdate != nil && stack.Status.LastUpdate.LastSuccessfulCommit == commit
	})
}
