package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/doubles/pulumicloud"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// cloudInCluster is a double of Pulumi Cloud in a pod, and its Service.
const cloudInCluster = `
apiVersion: v1
kind: Pod
metadata: {name: cloud, labels: {app: cloud}}
spec:
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: cloud
    image: ` + image + `
    command: [/usr/local/bin/pulumi-cloud, --address=:8080, --orgs=acme]
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    readinessProbe: {httpGet: {path: /admin/ready, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: cloud}
spec:
  selector: {app: cloud}
  ports: [{port: 80, targetPort: 8080}]
`

// cloud is the double as a story steers it.
type cloud struct {
	s   *story
	url string
}

// startCloud starts a double in the story's namespace, and makes a Secret with its access token.
func (s *story) startCloud() *cloud {
	s.T.Helper()
	pod, service := &corev1.Pod{}, &corev1.Service{}
	s.Must(s.Make(s.Ctx, cloudInCluster, pod, service))
	s.Must(s.Client.Create(s.Ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "cloud"}, StringData: map[string]string{"accessToken": pulumicloud.Token},
	}))
	s.Await(pod, "to be ready", func() bool { return stage.PodReady(pod) })
	addresses, err := s.Forward(s.Ctx, pod, 8080)
	s.Must(err)
	return &cloud{s: s, url: "http://" + addresses[0]}
}

// admin asks the double for what only tests may.
func (c *cloud) admin(method, path, body string) string {
	c.s.T.Helper()
	request, err := http.NewRequestWithContext(c.s.Ctx, method, c.url+"/admin/"+path, strings.NewReader(body))
	c.s.Must(err)
	response, err := http.DefaultClient.Do(request)
	c.s.Must(err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	c.s.Must(err)
	if response.StatusCode >= http.StatusBadRequest {
		c.s.T.Fatalf("%s %s: %s", method, path, answer)
	}
	return string(answer)
}

// requests are those that the double had so far.
func (c *cloud) requests() []pulumicloud.Request {
	c.s.T.Helper()
	var requests []pulumicloud.Request
	c.s.Must(json.Unmarshal([]byte(c.admin(http.MethodGet, "requests", "")), &requests))
	return requests
}

// inject switches a fault on.
func (c *cloud) inject(fault pulumicloud.Fault) {
	c.s.T.Helper()
	body, err := json.Marshal(fault)
	c.s.Must(err)
	c.admin(http.MethodPost, "faults", string(body))
}

// overlay makes a Stack keep its state in the double.
func (c *cloud) overlay(stack string) string {
	return `
spec:
  stack: ` + stack + `
  backend: http://cloud.` + c.s.Name + `.svc
  accessTokenSecret: cloud
  envRefs:
    PULUMI_CONFIG_PASSPHRASE: null
    PULUMI_CONSOLE_DOMAIN: {type: Literal, literal: {value: ` + pulumicloud.Console + `}}
`
}

func TestPulumiCloud(t *testing.T) {
	t.Parallel()
	s := begin(t, "cloud")
	c := s.startCloud()
	s.program("hello", "outputs: {stack: \"${pulumi.stack}\"}\n")
	// A pod that goes soon is replaced by one with the newest token.
	stack := s.stack("hello", "hello", onImage, c.overlay("acme/hello/dev"), `{spec: {workspaceTemplate: {spec: {idleTimeout: 1s}}}}`)
	s.AwaitReady(stack)
	link := "http://" + pulumicloud.Console + "/acme/hello/dev/updates/1"
	if got := stack.Status.LastUpdate.Permalink; got != link {
		t.Errorf("the Stack's permalink is %q, want %s", got, link)
	}
	update := s.updates("hello", 1)[0]
	if update.Status.Permalink != link {
		t.Errorf("the Update's permalink is %q, want %s", update.Status.Permalink, link)
	}

	// Somebody else updates the stack, and then does no more.
	c.inject(pulumicloud.Conflict(2))
	s.Must(s.Annotate(s.Ctx, stack, pulumiv1.AnnotationReconciliationRequest, new("conflict")))
	s.Await(stack, "to say that somebody else updates it", func() bool {
		last := stack.Status.LastUpdate
		return last != nil && last.Reason == "UpdateConflict" && strings.Contains(last.Message, "[409] Conflict")
	})
	s.Await(stack, "to be Ready once nobody else does", func() bool {
		return stage.Ready(stack) && stack.Status.LastUpdate.ReconcileRequest == "conflict"
	})

	// The token is rotated. Until the Secret has the new one, the old one is refused.
	c.admin(http.MethodPut, "tokens/pul-second?name=second", "")
	c.admin(http.MethodDelete, "tokens/"+pulumicloud.Token, "")
	s.Must(s.Annotate(s.Ctx, stack, pulumiv1.AnnotationReconciliationRequest, new("rotated")))
	s.Await(stack, "to say that its token is refused", func() bool {
		last := stack.Status.LastUpdate
		return last != nil && last.Reason == "InvalidAccessToken" && strings.Contains(last.Message, "accessTokenSecret")
	})
	s.Must(s.Patch(s.Ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "cloud"}},
		`{"stringData": {"accessToken": "pul-second"}}`))
	s.request(stack, "mended")
	if requests := c.requests(); requests[len(requests)-1].Token != "second" && requests[len(requests)-1].Token != "lease" {
		t.Errorf("the last request was made with %+v", requests[len(requests)-1])
	}
}

// far makes a Namespace on whatever cluster the stack is configured for.
const far = `
resources:
  far:
    type: kubernetes:core/v1:Namespace
    properties: {metadata: {name: NAME}}
outputs: {uid: "${far.metadata.uid}"}
`

func TestKubeconfigFromAnEnvironmentReachesAnotherCluster(t *testing.T) {
	t.Parallel()
	s := begin(t, "esc")
	kubeconfig := s.startSecond()
	c := s.startCloud()
	quoted, err := json.Marshal(kubeconfig)
	s.Must(err)
	// One environment has the kubeconfig; another one reads it from the output of a stack.
	c.admin(http.MethodPut, "environments/acme/clusters/literal", `values: {pulumiConfig: {"kubernetes:kubeconfig": {fn::secret: `+string(quoted)+`}}}`)
	c.admin(http.MethodPut, "environments/acme/clusters/output", `
values:
  stacks: {fn::open::pulumi-stacks: {stacks: {second: {stack: second/dev}}}}
  pulumiConfig: {"kubernetes:kubeconfig": "${stacks.second.kubeconfig}"}
`)
	s.Must(s.Client.Create(s.Ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "second"}, StringData: map[string]string{"kubeconfig": kubeconfig},
	}))
	s.program("second", "config: {kubeconfig: {type: string}}\noutputs: {kubeconfig: \"${kubeconfig}\"}\n")
	s.AwaitReady(s.stack("second", "second", onImage, c.overlay("acme/second/dev"),
		`{spec: {secretsRef: {kubeconfig: {type: Secret, secret: {name: second, key: kubeconfig}}}}}`))
	for _, name := range []string{"literal", "output"} {
		made := s.Name + "-" + name
		s.program(name, strings.ReplaceAll(far, "NAME", made))
		stack := s.stack(name, name, onImage, c.overlay("acme/"+name+"/dev"), `{spec: {environment: [clusters/`+name+`]}}`)
		s.AwaitReady(stack)
		if len(output(stack, "uid")) != len(`"00000000-0000-0000-0000-000000000000"`) {
			t.Errorf("%s: the namespace's UID is %s", name, output(stack, "uid"))
		}
		here := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: made}}
		if err := s.Client.Get(s.Ctx, stage.ClusterKey(made), here); !apierrors.IsNotFound(err) {
			t.Errorf("%s: the namespace was made in the pod's own cluster: %v", name, err)
		}
	}
	// An environment that says nothing of a cluster leaves the program to the pod's own.
	s.mayManageNamespaces()
	c.admin(http.MethodPut, "environments/acme/clusters/none", "values: {pulumiConfig: {size: small}}")
	s.program("none", strings.ReplaceAll(far, "NAME", s.Name+"-near"))
	s.AwaitReady(s.stack("none", "none", onImage, c.overlay("acme/none/dev"), `{spec: {environment: [clusters/none], destroyOnFinalize: true}}`))
	near := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Name + "-near"}}
	s.Must(s.Client.Get(s.Ctx, stage.ClusterKey(near.Name), near))
	s.Must(s.Client.Delete(s.Ctx, near))
	token := kubeconfig[strings.Index(kubeconfig, `"token":"`)+len(`"token":"`):][:64]
	if strings.Contains(c.admin(http.MethodGet, "kept", ""), token) {
		t.Error("Pulumi Cloud was given the token of the kubeconfig in clear")
	}
}
