package e2e

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// guarding has a secret in itself, uses all that it is given, and fails with what it is given in its words when it is told
// to: of a secret of the program's own making, Pulumi does not hide what a provider says. The pause is for looking at
// processes.
const guarding = `
config: {old: {type: string}, literal: {type: string}, mounted: {type: string}, esc: {type: string}, fail: {type: boolean, default: false}}
variables:
  own: {fn::secret: tweet-program}
resources:
  kept: {type: testing:index:Echo, properties: {value: ["${own}", "${old}", "${literal}", "${mounted}", "${esc}"]}}
  pause: {type: testing:index:Sleep, properties: {seconds: 6, label: pause}}
  bad:
    type: testing:index:Fail
    properties: {fail: "${fail}", message: "refused: ${old} ${literal} ${mounted} ${esc}"}
outputs: {secret: "${kept.value}", own: "${own}", plain: fine}
`

// canaries are all ways of giving a stack a secret.
const canaries = `
spec:
  secrets: {old: tweet-secrets-literal}
  secretsRef:
    literal: {type: Literal, literal: {value: tweet-secretsref-literal}}
    mounted: {type: Secret, secret: {name: canaries, key: mounted}}
  envRefs: {FROM_SECRET: {type: Secret, secret: {name: canaries, key: envref}}}
  envSecrets: [bird-env]
  kubeconfig: {type: Secret, secretRef: {name: canaries, key: kubeconfig}}
  environment: [team/canary]
  destroyOnFinalize: true
  refresh: true
`

// watched is what is looked at, by place.
type watched map[string]string

// mayHold are the canaries that a place may hold: those that somebody wrote into it, and what PKO's API passes on.
func mayHold(place string) []string {
	literals := []string{"tweet-secrets-literal", "tweet-secretsref-literal"}
	switch {
	case strings.HasPrefix(place, "Stack "), strings.HasPrefix(place, "Workspace "):
		return literals
	case strings.HasPrefix(place, "Program "):
		return []string{"tweet-program"}
	default:
		return nil
	}
}

// leaks tells of canaries where none may be.
func (w watched) leaks(t *testing.T, when string) {
	t.Helper()
	for _, place := range slices.Sorted(maps.Keys(w)) {
		text := w[place]
		for _, allowed := range mayHold(place) {
			text = strings.ReplaceAll(text, allowed, "")
		}
		if at := strings.Index(text, "tweet-"); at >= 0 {
			t.Errorf("%s: a secret is in clear in: %s\n…%s…", when, place, text[max(0, at-200):min(len(text), at+100)])
		}
	}
}

// looked is everything that the story can look into, but for Secrets.
func (s *story) looked(c *cloud, since time.Time) watched {
	s.T.Helper()
	w := s.around(since, "guard")
	w["what Pulumi Cloud keeps"] = c.admin(http.MethodGet, "kept", "")
	w["the requests to Pulumi Cloud"] = c.admin(http.MethodGet, "requests", "")
	return w
}

// around is what the cluster tells of the story, but for Secrets: its objects, and the logs of the manager and of the pods
// of some Workspaces.
func (s *story) around(since time.Time, workspaces ...string) watched {
	s.T.Helper()
	w := watched{}
	for _, kind := range []schema.GroupVersionKind{
		{Group: "pulumi.com", Version: "v1", Kind: "Stack"}, {Group: "pulumi.com", Version: "v1", Kind: "Program"},
		{Group: "auto.pulumi.com", Version: "v1alpha1", Kind: "Workspace"}, {Group: "auto.pulumi.com", Version: "v1alpha1", Kind: "Update"},
		{Version: "v1", Kind: "Event"}, {Version: "v1", Kind: "Pod"}, {Version: "v1", Kind: "ConfigMap"},
		{Group: "events.k8s.io", Version: "v1", Kind: "Event"},
	} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		s.Must(s.Client.List(s.Ctx, list, client.InNamespace(s.Name)))
		for _, object := range list.Items {
			text, err := json.Marshal(object.Object)
			s.Must(err)
			w[kind.Kind+" "+object.GetName()] = string(text)
		}
	}
	managers, err := s.ManagerPods(s.Ctx)
	s.Must(err)
	for i := range managers {
		w["the log of "+managers[i].Name], err = s.LogSince(s.Ctx, &managers[i], managers[i].Spec.Containers[0].Name, since)
		s.Must(err)
	}
	for _, workspace := range workspaces {
		pod := s.Pod(workspace)
		if err := s.Client.Get(s.Ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
			continue
		}
		for _, container := range append(slices.Clone(pod.Spec.InitContainers), pod.Spec.Containers...) {
			w["the log of "+container.Name+" in "+pod.Name], err = s.Log(s.Ctx, pod, container.Name, 0)
			s.Must(err)
		}
	}
	return w
}

// inside is what is in the pod: its disk, but for the program's own text, and the command lines of its processes.
func (s *story) inside() watched {
	s.T.Helper()
	disk, err := s.Shell(s.Ctx, "guard", `grep -ral tweet- /share | grep -v '/Pulumi.yaml$' | while read f; do echo "$f:"; grep -ao 'tweet-[a-z-]*' "$f"; done; true`)
	s.Must(err)
	settings, err := s.Shell(s.Ctx, "guard", "cat Pulumi.dev.yaml")
	s.Must(err)
	commands, err := s.Shell(s.Ctx, "guard", `for p in /proc/[0-9]*; do tr '\0' ' ' <$p/cmdline; echo; done 2>/dev/null; true`)
	s.Must(err)
	if !strings.Contains(settings, "secure:") {
		s.T.Errorf("the settings are not those of the stack:\n%s", settings)
	}
	// The look's own command line names what it looks for.
	commands = strings.ReplaceAll(commands, "grep -ral tweet-", "")
	return watched{"the pod's disk": disk, "the settings": settings, "the command lines": commands}
}

func TestSecretsStayWhereTheyWereGiven(t *testing.T) {
	t.Parallel()
	s := begin(t, "canary")
	since := time.Now()
	c := s.startCloud()
	c.admin(http.MethodPut, "tokens/tweet-token?name=canary", "")
	c.admin(http.MethodPut, "environments/acme/team/canary", "values: {pulumiConfig: {esc: {fn::secret: tweet-esc}}, environmentVariables: {ESC: {fn::secret: tweet-esc-variable}}}")
	for name, data := range map[string]map[string]string{
		"canaries": {"mounted": "tweet-secretsref-secret", "envref": "tweet-envref-secret", "kubeconfig": kubeconfigWithCanary},
		"bird-env": {"ENV_SECRET": "tweet-envsecrets"},
		"token":    {"accessToken": "tweet-token"},
	} {
		s.Must(s.Client.Create(s.Ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: name}, StringData: data}))
	}
	s.program("guard", guarding)
	stack := s.stack("guard", "guard", onImage, c.overlay("acme/guard/dev"), canaries, `{spec: {accessTokenSecret: token}}`)

	// While it runs, the processes are looked at too.
	update := s.current(stack)
	s.Await(update, "to make the pause", func() bool {
		progress := stage.Condition(update.Status.Conditions, autov1alpha1.UpdateConditionTypeProgressing)
		return strings.Contains(progress.Message, "pause")
	})
	s.inside().leaks(t, "while it runs")
	s.AwaitReady(stack)
	if got := output(stack, "secret"); got != `"[secret]"` {
		t.Errorf("the secret output is shown as %s", got)
	}
	if got := output(stack, "plain"); got != `"fine"` {
		t.Errorf("the plain output is %s", got)
	}
	s.looked(c, since).leaks(t, "after an up")
	s.inside().leaks(t, "after an up")

	// A failure that has the secrets in its words.
	s.Must(s.Patch(s.Ctx, stack, `{spec: {config: {fail: true}}}`))
	s.Await(stack, "to have failed", func() bool {
		last := stack.Status.LastUpdate
		return last != nil && strings.Contains(last.Message, "refused: ")
	})
	s.looked(c, since).leaks(t, "after a failure")
	s.inside().leaks(t, "after a failure")

	s.Must(s.Patch(s.Ctx, stack, `{spec: {config: null}}`))
	s.AwaitReady(stack)
	s.Must(s.Client.Delete(s.Ctx, stack))
	s.AwaitGone(stack, "to be destroyed")
	s.looked(c, since).leaks(t, "after the destroy")
}

// kubeconfigWithCanary is one that no program of the story uses.
const kubeconfigWithCanary = `{"apiVersion": "v1", "kind": "Config", "current-context": "c",
  "clusters": [{"name": "c", "cluster": {"server": "https://kubernetes.default.svc"}}], "users": [{"name": "u", "user": {"token": "tweet-kubeconfig"}}],
  "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}`
