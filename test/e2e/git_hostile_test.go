package e2e

import (
	"fmt"
	"strings"
	"testing"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
	"github.com/gantry-operator/gantry/test/gitserver"
)

// trace is what hostile repositories try to leave outside of themselves.
const trace = "gantry-was-here"

// bomb makes a small repository whose files are ten million: directories of ten times the same directory.
func (s *story) bomb(host *stage.GitHost, name string) {
	s.T.Helper()
	s.repository(host, name, yamlProgram("", "outputs: {}\n"))
	for range 7 {
		tree, err := host.Git(name, "rev-parse", "main^{tree}")
		s.Must(err)
		level := gitserver.Files{}
		for i := range 10 {
			level[fmt.Sprint("d", i)] = gitserver.Tree(tree)
		}
		_, err = host.CommitRaw(name, "main", level)
		s.Must(err)
	}
}

// TestHostileRepositories has Stacks follow repositories that attack whoever checks them out, beside one that is harmless.
func TestHostileRepositories(t *testing.T) {
	t.Parallel()
	s := begin(t, "hostile")
	host := s.gitHost()
	s.mayFetch(host, map[string]string{"accessToken": gitToken})
	raw := map[string]gitserver.Files{
		"link":    {"Pulumi.yaml": gitserver.Text("name: x\nruntime: yaml\n"), "passwd": gitserver.Symlink("/etc/passwd")},
		"through": {"a": gitserver.Symlink("/tmp"), "a/" + trace: gitserver.Text("evil")},
		"upwards": {"..": gitserver.Text("evil")},
		"config":  {".git": gitserver.Text("[core]\n\tfsmonitor = touch /tmp/" + trace + "\n")},
		"module": {
			".gitmodules": gitserver.Text("[submodule \"m\"]\n\tpath = m\n\turl = ext::sh -c touch% /tmp/" + trace + "\n"),
			"m":           gitserver.Submodule(strings.Repeat("1", 40)),
		},
		"inside": {
			".gitmodules": gitserver.Text("[submodule \"m\"]\n\tpath = m\n\turl = file:///var/run/secrets\n"),
			"m":           gitserver.Submodule(strings.Repeat("1", 40)),
		},
	}
	for name, files := range raw {
		s.repository(host, "evil/"+name, yamlProgram("", "outputs: {}\n"))
		_, err := host.CommitRaw("evil/"+name, "main", files)
		s.Must(err)
	}
	s.bomb(host, "evil/bomb")
	words := map[string]string{
		"link": "passwd", "through": "a", "upwards": "..", "config": ".git", "module": "submodule", "inside": "submodule", "bomb": "files",
	}
	stacks := map[string]*pulumiv1.Stack{}
	for name := range words {
		stacks[name] = s.fromGit(name, host, "evil/"+name)
	}
	commit := s.repository(host, "team/good", yamlProgram("", "outputs: {fine: yes}\n"))
	good := s.fromGit("good", host, "team/good")
	for name, stack := range stacks {
		s.Await(stack, "to refuse its source", func() bool {
			stalled := stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeStalled)
			return stalled.Reason == pulumiv1.ReasonSourceInvalid && strings.Contains(stalled.Message, words[name])
		})
		t.Logf("%s: %s", name, stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeStalled).Message)
		s.updates(name, 0)
	}
	s.untilRun(good, commit)

	managers, err := s.ManagerPods(s.Ctx)
	s.Must(err)
	for i := range managers {
		found, err := s.Exec(s.Ctx, &managers[i], managers[i].Spec.Containers[0].Name, "sh", "-c",
			"for d in /tmp /var/lib/gantry /var/lib /; do ls -a $d; done | grep "+trace+"; true")
		s.Must(err)
		if found != "" {
			t.Errorf("something was left in the manager: %s", found)
		}
		if managers[i].Status.ContainerStatuses[0].RestartCount > 0 {
			t.Error("the manager died of it")
		}
	}
}
