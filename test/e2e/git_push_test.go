package e2e

import (
	"net/http"
	"strconv"
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

// pushed sends the webhook of Gitea from a pod, as a host does, and prints the answer's code.
const pushed = `
const [url, ca, secret, repository] = process.argv.slice(1);
const body = JSON.stringify({ref: "refs/heads/main", repository: {clone_url: repository}});
const signature = require("crypto").createHmac("sha256", secret).update(body).digest("hex");
const headers = {"Content-Type": "application/json", "X-Gitea-Event": "push", "X-Gitea-Signature": signature};
const request = require("https").request(url, {method: "POST", ca, headers}, (r) => { console.log(r.statusCode); r.resume(); });
request.on("error", (e) => console.log(e.message));
request.end(body);`

// webhooks are the manager's, switched on.
type webhooks struct {
	s          *story
	ca, secret string
}

// switchOnWebhooks adds the component that is shipped for it to what is deployed, for the time of the story.
func (s *story) switchOnWebhooks() *webhooks {
	s.T.Helper()
	w := &webhooks{s: s, secret: randomHex(s.T)}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Manager.Namespace, Name: "gantry-webhook"},
		StringData: map[string]string{"other": randomHex(s.T), "story": w.secret},
	}
	s.deployWith("components: [../../config/webhook]\n", secret)
	s.T.Cleanup(func() {
		ctx, cancel := cleanup()
		defer cancel()
		of(ctx, s.T, s.Namespace).Must(s.Client.Delete(ctx, &corev1.Service{ObjectMeta: secret.ObjectMeta}))
	})
	served := &corev1.Secret{}
	s.Must(s.Client.Get(s.Ctx, client.ObjectKey{Namespace: s.Manager.Namespace, Name: "gantry-hub-tls"}, served))
	w.ca = string(served.Data["ca.crt"])
	// The node's proxy learns of the new leader a moment later.
	for deadline := time.Now().Add(patience); ; {
		code, said := w.send(randomHex(s.T), "https://elsewhere.example/x")
		if code == http.StatusUnauthorized {
			return w
		}
		if time.Now().After(deadline) {
			s.T.Fatalf("webhooks are not answered: %s", said)
		}
	}
}

// tell tells the manager of a push, and returns the answer's code.
func (w *webhooks) tell(secret, repository string) int {
	w.s.T.Helper()
	code, said := w.send(secret, repository)
	if code == 0 {
		w.s.T.Fatalf("the manager was not told: %s", said)
	}
	return code
}

// send sends a webhook as the host does, and returns the answer's code, or 0 and why there is none.
func (w *webhooks) send(secret, repository string) (code int, said string) {
	w.s.T.Helper()
	host := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: w.s.Name, Name: "git"}}
	url := "https://gantry-webhook." + w.s.Manager.Namespace + ".svc/hooks/gitea"
	out, err := w.s.Exec(w.s.Ctx, host, "git", "node", "-e", pushed, url, w.ca, secret, repository)
	w.s.Must(err)
	if code, err = strconv.Atoi(strings.TrimSpace(out)); err != nil {
		return 0, out
	}
	return code, ""
}

// TestPush has two Stacks follow one repository, of which one needs a part only. What is pushed is told of by a webhook, or
// asked for, and not waited for.
func TestPush(t *testing.T) {
	s := begin(t, "push")
	host := s.gitHost()
	files := yamlProgram("infra/", "outputs: {version: 1}\n")
	files["lib/version"], files["docs/readme"] = gitserver.Text("1"), gitserver.Text("1")
	first := s.repository(host, "team/app", files)
	s.mayFetch(host, map[string]string{"accessToken": gitToken})
	whole := s.fromGit("whole", host, "team/app", `{spec: {repoDir: infra}}`)
	part := s.fromGit("part", host, "team/app", `{spec: {repoDir: infra, repoPaths: [lib]}}`)
	s.untilRun(whole, first)
	s.untilRun(part, first)
	hooks := s.switchOnWebhooks()
	url := host.URLOf("team/app")

	t.Log("a push is one update, within seconds")
	began := time.Now()
	second := s.push(host, "team/app", yamlProgram("infra/", "outputs: {version: 2}\n"))
	if code := hooks.tell(hooks.secret, url); code != http.StatusAccepted {
		t.Fatalf("the webhook is answered with %d", code)
	}
	s.Await(whole, "to begin an update", func() bool { return whole.Status.CurrentUpdate != nil && whole.Status.CurrentUpdate.Commit == second })
	t.Logf("an update began %.1fs after the push", time.Since(began).Seconds())
	s.untilRun(whole, second)
	s.untilRun(part, second)
	t.Logf("both stacks were up to date %.1fs after the push", time.Since(began).Seconds())
	if output(whole, "version") != "2" || output(part, "version") != "2" {
		t.Errorf("the outputs are %s and %s", output(whole, "version"), output(part, "version"))
	}
	s.updates("whole", 2)
	s.updates("part", 2)
	if n, err := host.Count("team/app", gitserver.Fetch); err != nil || n > 8 {
		t.Errorf("%d fetches are on record for two commits in two selections, %v", n, err)
	}

	t.Log("the same webhook again only polls again")
	s.Must(host.Forget())
	if code := hooks.tell(hooks.secret, url); code != http.StatusAccepted {
		t.Errorf("the webhook again is answered with %d", code)
	}
	s.untilListed(host, "team/app")
	s.updates("whole", 2)

	t.Log("who knows no secret is refused, and nothing is polled")
	s.Must(host.Forget())
	if code := hooks.tell("a guess", url); code != http.StatusUnauthorized {
		t.Errorf("a stranger is answered with %d", code)
	}
	if code := hooks.tell(hooks.secret, "https://elsewhere.example/team/app"); code != http.StatusAccepted {
		t.Errorf("a push to a repository that nobody follows is answered with %d", code)
	}
	if requests, err := host.Requests(); err != nil || len(requests) > 0 {
		t.Errorf("the host was asked %v, %v", requests, err)
	}

	t.Log("a commit that changes nothing of what a stack needs does not run it")
	third := s.push(host, "team/app", gitserver.Files{"docs/readme": gitserver.Text("2")})
	s.toldOf(hooks, url, whole, third)
	s.untilRun(part, third)
	message := stage.Condition(part.Status.Conditions, "Ready").Message
	if !strings.Contains(message, third+" changes nothing of what it needs since "+second) {
		t.Errorf("Ready says %q", message)
	}
	s.event(part, pulumiv1.EventStackSourceUnchanged)
	s.updates("whole", 3)
	s.updates("part", 2)
	fourth := s.push(host, "team/app", gitserver.Files{"lib/version": gitserver.Text("2")})
	s.toldOf(hooks, url, part, fourth)
	s.untilRun(whole, fourth)
	s.updates("part", 3)

	t.Log("without a webhook a request picks the push up, in one update")
	fifth := s.push(host, "team/app", yamlProgram("infra/", "outputs: {version: 5}\n"))
	s.request(whole, "look")
	if last := whole.Status.LastUpdate; last.LastSuccessfulCommit != fifth || output(whole, "version") != "5" {
		t.Errorf("the request ran %s, want %s", last.LastSuccessfulCommit, fifth)
	}
	s.updates("whole", 5)

	t.Log("a host that is away leaves the stacks ready, and is found by itself when it is back")
	s.Must(host.Leave(s.Ctx))
	s.toldUntil(hooks, url, whole, "to say that its source is stale", func() bool { return stale(whole) != "" })
	if !stage.Ready(whole) || !strings.Contains(stale(whole), "git."+s.Name) {
		t.Errorf("SourceStale says %q", stale(whole))
	}
	s.Must(host.Return(s.Ctx))
	s.Await(whole, "to be fresh again", func() bool { return stale(whole) == "" && stage.Ready(whole) })
	s.updates("whole", 5)
}

// untilListed waits until the host was asked for the refs of a repository.
func (s *story) untilListed(host *stage.GitHost, repository string) {
	s.T.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if n, err := host.Count(repository, gitserver.List); err != nil || n > 0 {
			s.Must(err)
			return
		}
	}
	s.T.Fatalf("the refs of %s are not asked for", repository)
}

// toldOf waits until a Stack ran a commit that the manager is told of.
func (s *story) toldOf(hooks *webhooks, url string, stack *pulumiv1.Stack, commit string) {
	s.T.Helper()
	began := time.Now()
	s.toldUntil(hooks, url, stack, "to have run commit "+commit, func() bool {
		return stage.Ready(stack) && stack.Status.LastUpdate.LastSuccessfulCommit == commit
	})
	s.T.Logf("it was up to date %.1fs after the webhook", time.Since(began).Seconds())
}

// toldUntil tells the manager of a push and waits for what comes of it.
func (s *story) toldUntil(hooks *webhooks, url string, stack *pulumiv1.Stack, what string, done func() bool) {
	s.T.Helper()
	if code := hooks.tell(hooks.secret, url); code != http.StatusAccepted {
		s.T.Fatalf("the webhook is answered with %d", code)
	}
	s.Await(stack, what, done)
}

// stale is what the condition SourceStale says; nothing if it is not there.
func stale(stack *pulumiv1.Stack) string {
	condition := stage.Condition(stack.Status.Conditions, pulumiv1.ConditionTypeSourceStale)
	if condition.Status != metav1.ConditionTrue {
		return ""
	}
	return condition.Message
}
