package e2e

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
	"github.com/gantry-operator/gantry/test/gitserver"
)

// language is a story of a program in a language: its Stack, its repository and the registries it needs.
type language struct {
	*story
	host       *stage.GitHost
	packages   *packages
	repository string
	stack      *pulumiv1.Stack
	pod        *corev1.Pod
	commit     string
	updates    int
}

// speak starts a story of a language: a git host with the program in a directory of a repository, and package registries.
func speak(t *testing.T, name string) *language {
	t.Helper()
	s := begin(t, name)
	l := &language{story: s, host: s.gitHost(), packages: s.startPackages(), repository: "team/" + name, pod: s.Pod(name)}
	s.Must(l.host.Create(l.repository))
	s.Must(s.Client.Create(s.Ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "git"},
		StringData: map[string]string{
			"ca": l.host.CA, "token": sourceToken, "key": l.host.SSH.Encrypted, "passphrase": l.host.SSH.Passphrase, "hosts": l.host.SSH.KnownHosts,
		},
	}))
	return l
}

// push commits files of the program.
func (l *language) push(branch string, files map[string]string) {
	l.T.Helper()
	changes := gitserver.Files{}
	for name, text := range files {
		changes["infra/"+name] = gitserver.Text(text)
	}
	var err error
	l.commit, err = l.host.Commit(l.repository, branch, changes)
	l.Must(err)
}

// untilRun waits until the newest commit was run, once.
func (l *language) untilRun() {
	l.T.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(l.Ctx, installPatience, errors.New("not in "+installPatience.String()))
	defer cancel()
	l.Must(l.Until(ctx, l.stack, "to be Ready with commit "+l.commit, func() bool {
		last := l.stack.Status.LastUpdate
		return last != nil && last.LastSuccessfulCommit == l.commit && stage.Ready(l.stack)
	}))
	l.updates++
	l.story.updates(l.stack.Name, l.updates)
	l.T.Logf("commit %.7s was run after %s; the registries had %d requests", l.commit, time.Since(began).Round(100*time.Millisecond), len(l.packages.requests()))
}

// wantInstalls checks how often the pod that runs now installed dependencies.
func (l *language) wantInstalls(want int) {
	l.T.Helper()
	log, err := l.Log(l.Ctx, l.pod, stage.PulumiContainer, 0)
	l.Must(err)
	if n := strings.Count(log, "command=install"); n != want {
		l.T.Errorf("the pod installed dependencies %d times, want %d:\n%s", n, want, log)
	}
}

// wantOutput checks an output, as JSON.
func (l *language) wantOutput(name, want string) {
	l.T.Helper()
	if got := output(l.stack, name); got != want {
		l.T.Errorf("the output %s is %s, want %s", name, got, want)
	}
}

// goesOn tells how the story of a program goes on that runs: another commit runs once and installs nothing, another pod
// downloads nothing, and a Stack that goes takes everything along.
func (l *language) goesOn(changed map[string]string) {
	l.T.Helper()
	l.wantInstalls(1)
	asked := len(l.packages.requests())
	if asked == 0 {
		l.T.Error("the registries were not asked for anything")
	}
	l.push("main", changed)
	l.untilRun()
	l.wantInstalls(1)
	l.wantOutput("greeting", `"hello again from `+l.stack.Name+`"`)

	l.Must(l.Client.Get(l.Ctx, client.ObjectKeyFromObject(l.pod), l.pod))
	l.Must(l.Kill(l.Ctx, l.pod))
	l.request(l.stack, "in another pod")
	l.updates++
	l.wantInstalls(1)
	if more := l.packages.requests()[asked:]; len(more) > 0 {
		l.T.Errorf("another commit and another pod made %d requests, such as %q", len(more), more[0])
	}

	l.Must(l.Client.Delete(l.Ctx, l.stack))
	l.AwaitGone(l.stack, "to be gone when it is destroyed")
}

func TestTypeScriptOverHTTPS(t *testing.T) {
	t.Parallel()
	l := speak(t, "typescript")
	l.Must(l.host.Protect(l.repository, gitserver.Auth{Username: "git", Password: sourceToken}))
	files := l.packages.typescript()
	l.push("main", files)
	main := l.commit
	spoiled := maps.Clone(files)
	spoiled["package-lock.json"] = strings.ReplaceAll(files["package-lock.json"], `"integrity": "sha512-`, `"integrity": "sha512-AAAA`)
	l.push("broken", spoiled)
	overlay := `
spec:
  projectRepo: ` + l.host.URLOf(l.repository) + `
  branch: main
  repoDir: infra
  gitAuth:
    accessToken: {type: Secret, secret: {name: git, key: token}}
    caBundle: {type: Secret, secret: {name: git, key: ca}}
  envRefs:
    NPM_TOKEN: {type: Secret, secret: {name: npm, key: token}}
  secretsRef:
    secret: {type: Secret, secret: {name: npm, key: token}}
`
	broken := l.story.stack("broken", "", onLanguages, overlay, `{spec: {branch: broken}}`)
	l.Await(broken, "to tell what npm says of its lock file", func() bool {
		last := broken.Status.LastUpdate
		return last != nil && last.LastAttemptedCommit == l.commit && strings.Contains(last.Message, "code EINTEGRITY")
	})
	if strings.Contains(broken.Status.LastUpdate.Message, npmToken) {
		t.Errorf("the message has the token: %s", broken.Status.LastUpdate.Message)
	}
	l.Must(l.Client.Delete(l.Ctx, broken))
	l.AwaitGone(broken, "to be gone though it cannot be installed")

	l.commit = main
	l.stack = l.story.stack("typescript", "", onLanguages, overlay)
	l.untilRun()
	l.wantOutput("greeting", `"hello from typescript"`)
	l.wantOutput("next", `"1.3.0"`)
	l.wantOutput("length", `"[secret]"`)
	l.goesOn(map[string]string{"index.ts": strings.ReplaceAll(files["index.ts"], "hello", "hello again")})
}

func TestGoOverSSH(t *testing.T) {
	t.Parallel()
	l := speak(t, "golang")
	files := l.languageProgram("golang")
	l.push("main", files)
	l.stack = l.story.stack("golang", "", onLanguages, `
spec:
  projectRepo: `+l.host.SSH.URL(l.repository)+`
  branch: main
  repoDir: infra
  gitAuth:
    sshAuth:
      sshPrivateKey: {type: Secret, secret: {name: git, key: key}}
      password: {type: Secret, secret: {name: git, key: passphrase}}
      knownHosts: {type: Secret, secret: {name: git, key: hosts}}
  envRefs:
    GOPROXY: {type: Literal, literal: {value: "`+l.packages.golang()+`"}}
    GOSUMDB: {type: Literal, literal: {value: "off"}}
`)
	l.untilRun()
	l.wantOutput("greeting", `"hello from golang"`)
	l.wantOutput("shout", `"GOLANG"`)
	l.goesOn(map[string]string{"main.go": strings.ReplaceAll(files["main.go"], "hello", "hello again")})
}

func TestYAMLOverHTTPS(t *testing.T) {
	t.Parallel()
	l := speak(t, "yaml")
	files := l.languageProgram("yaml")
	l.push("main", files)
	overlay := `
spec:
  projectRepo: ` + l.host.URLOf(l.repository) + `
  branch: main
  repoDir: infra
  gitAuth: {caBundle: {type: Secret, secret: {name: git, key: ca}}}
`
	l.stack = l.story.stack("yaml", "", onLanguages, overlay)
	l.untilRun()
	l.wantOutput("greeting", `"hello from yaml"`)

	// A plugin that is nowhere: the registries have none.
	l.push("missing", map[string]string{"Pulumi.yaml": strings.ReplaceAll(files["Pulumi.yaml"], "resources:\n",
		"resources:\n  thing: {type: \"nobody:index:Thing\", options: {version: 1.2.3, pluginDownloadURL: \""+l.packages.npm()+"\"}}\n")})
	missing := l.story.stack("missing", "", onLanguages, overlay, `{spec: {branch: missing}}`)
	l.Await(missing, "to name the plugin", func() bool {
		last := missing.Status.LastUpdate
		return last != nil && last.LastAttemptedCommit == l.commit && strings.Contains(last.Message, "'pulumi-resource-nobody' at version v1.2.3")
	})

	l.push("main", map[string]string{"Pulumi.yaml": strings.ReplaceAll(files["Pulumi.yaml"], "hello", "hello again")})
	l.untilRun()
	l.wantOutput("greeting", `"hello again from yaml"`)
	l.wantInstalls(0)
	l.Must(l.Client.Delete(l.Ctx, l.stack))
	l.AwaitGone(l.stack, "to be gone when it is destroyed")
}

// sourceToken is what the git host wants to see over HTTPS.
const sourceToken = "token-of-the-git-host"
