package e2e

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
	"github.com/gantry-operator/gantry/test/gitserver"
)

// Ways of giving a Stack credentials for git, all from the Secret "birds".
const (
	byToken  = `{spec: {gitAuthSecret: null, gitAuth: {accessToken: {type: Secret, secret: {name: birds, key: token}}, caBundle: {type: Secret, secret: {name: birds, key: ca}}}}}`
	byBasic  = `{spec: {gitAuthSecret: null, gitAuth: {basicAuth: {userName: {type: Literal, literal: {value: ada}}, password: {type: Secret, secret: {name: birds, key: password}}}, caBundle: {type: Secret, secret: {name: birds, key: ca}}}}}`
	byBearer = `{spec: {gitAuthSecret: null, gitAuth: {bearerToken: {type: Secret, secret: {name: birds, key: bearer}}, caBundle: {type: Secret, secret: {name: birds, key: ca}}}}}`
	byKey    = `{spec: {gitAuthSecret: null, gitAuth: {sshAuth: {sshPrivateKey: {type: Secret, secret: {name: birds, key: key}}, password: {type: Secret, secret: {name: birds, key: passphrase}}, knownHosts: {type: Secret, secret: {name: birds, key: hosts}}}}}}`
	byWrong  = `{spec: {gitAuthSecret: null, gitAuth: {accessToken: {type: Secret, secret: {name: birds, key: wrong}}, caBundle: {type: Secret, secret: {name: birds, key: ca}}}}}`
)

// TestGitCredentialsStayInTheManager looks for the credentials of git everywhere but in their Secret, also in the arguments
// of the manager's processes while they talk to a slow host.
func TestGitCredentialsStayInTheManager(t *testing.T) {
	t.Parallel()
	s := begin(t, "gitcanary")
	since := time.Now()
	host := s.gitHost()
	demands := map[string]gitserver.Auth{
		"token": {Password: "tweet-git-token"}, "basic": {Username: "ada", Password: "tweet-git-password"},
		"bearer": {Bearer: "tweet-git-bearer"}, "key": {Password: "nobody"}, "wrong": {Password: "another"},
	}
	commits := map[string]string{}
	for name, demand := range demands {
		commits[name] = s.repository(host, "birds/"+name, yamlProgram("", "outputs: {fine: yes}\n"))
		s.Must(host.Protect("birds/"+name, demand))
	}
	s.Must(s.Client.Create(s.Ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "birds"}, StringData: map[string]string{
		"token": "tweet-git-token", "password": "tweet-git-password", "bearer": "tweet-git-bearer", "wrong": "tweet-git-wrong",
		"key": host.SSH.Encrypted, "passphrase": host.SSH.Passphrase, "hosts": host.SSH.KnownHosts, "ca": host.CA,
	}}))
	s.Must(host.Break(gitserver.Fault{Kind: gitserver.List, Delay: 5 * time.Second}))
	ways := map[string]string{"token": byToken, "basic": byBasic, "bearer": byBearer, "key": byKey, "wrong": byWrong}
	stacks := map[string]*pulumiv1.Stack{}
	for name, way := range ways {
		overlays := []string{way}
		if name == "key" {
			overlays = append(overlays, `{spec: {projectRepo: "`+host.SSH.URL("birds/key")+`"}}`)
		}
		stacks[name] = s.fromGit(name, host, "birds/"+name, overlays...)
	}
	// Keys are looked for by a line of theirs.
	disguise := strings.NewReplacer(strings.Split(host.SSH.Encrypted, "\n")[2], "tweet-ssh-key", host.SSH.Passphrase, "tweet-ssh-passphrase")
	leaks := func(w watched, when string) {
		t.Helper()
		for place := range w {
			w[place] = disguise.Replace(w[place])
		}
		w.leaks(t, when)
	}
	leaks(watched{"the manager's command lines": s.untilGitRuns()}, "while the manager polls")
	s.Must(host.Heal())
	for name, stack := range stacks {
		if name == "wrong" {
			s.Await(stack, "to be refused", func() bool {
				stalled := stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeStalled)
				return stalled.Reason == pulumiv1.ReasonSourceUnavailable && strings.Contains(stalled.Message, "birds/wrong")
			})
			continue
		}
		s.untilRun(stack, commits[name])
	}
	w := s.around(since, "token", "basic", "bearer", "key")
	for _, name := range []string{"token", "basic", "bearer", "key"} {
		inside, err := s.Shell(s.Ctx, name, `for p in /proc/[0-9]*; do tr '\0' '\n' <$p/environ; tr '\0' ' ' <$p/cmdline; done 2>/dev/null; cat $(find /share -type f) | head -c 1000000; true`)
		s.Must(err)
		w["what is in the pod of "+name] = inside
	}
	managers, err := s.ManagerPods(s.Ctx)
	s.Must(err)
	for i := range managers {
		disk, err := s.Exec(s.Ctx, &managers[i], managers[i].Spec.Containers[0].Name, "sh", "-c", `grep -rao 'tweet[-]git-[a-z]*' /tmp /var/lib/gantry; true`)
		s.Must(err)
		w["the disk of "+managers[i].Name] = disk
	}
	leaks(w, "after all")
}

// untilGitRuns waits until the manager runs git, and returns the command lines of all its processes.
func (s *story) untilGitRuns() string {
	s.T.Helper()
	leader, err := s.Leader(s.Ctx)
	s.Must(err)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		lines, err := s.Exec(s.Ctx, leader, leader.Spec.Containers[0].Name, "sh", "-c", `for p in /proc/[0-9]*; do tr '\0' ' ' <$p/cmdline; echo; done 2>/dev/null; true`)
		s.Must(err)
		if strings.Contains(lines, "ls-remote") {
			return lines
		}
	}
	s.T.Fatal("the manager does not run git")
	return ""
}
