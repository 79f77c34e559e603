package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
	"github.com/gantry-operator/gantry/test/gitserver"
)

// publicHost is the git host that the examples name; publicRepository is theirs.
const (
	publicHost       = "github.com"
	publicRepository = "pulumi/examples"
)

// publicPrograms stand for what the repository has at the paths that the examples name.
func publicPrograms() gitserver.Files {
	return gitserver.Files{
		"random-yaml/Pulumi.yaml": gitserver.Text(`
name: random-yaml
runtime: yaml
config: {data: {type: object, default: {}}}
resources:
  randomPassword: {type: "random:RandomPassword", properties: {length: 32}}
outputs: {password: "${randomPassword.result}", data: "${data}"}
`),
		"aws-ts-s3-folder/Pulumi.yaml": gitserver.Text(`
name: aws-ts-s3-folder
runtime: yaml
config:
  databaseConfig: {type: object, default: {}}
  allowedRegions: {type: array, items: {type: string}, default: []}
  maxRetries: {type: integer, default: 0}
  featureFlags: {type: object, default: {}}
  appSettings: {type: object, default: {}}
  environment: {type: string, default: none}
  apiKey: {type: string, default: none}
outputs:
  databaseConfig: ${databaseConfig}
  allowedRegions: ${allowedRegions}
  maxRetries: ${maxRetries}
  featureFlags: ${featureFlags}
  appSettings: ${appSettings}
  environment: ${environment}
  apiKey: ${apiKey}
`),
	}
}

// egressManifest is a company's proxy: whatever host is asked for, it leads to the git host of the story.
const egressManifest = `
apiVersion: v1
kind: Pod
metadata: {name: egress, labels: {app: egress}}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: proxy
    image: ` + image + `
    command:
    - node
    - -e
    - |
      require("http").createServer().on("connect", (request, client) => {
        console.log(request.url)
        const host = require("net").connect(8443, "git", () => {
          client.write("HTTP/1.1 200 Connection established\r\n\r\n")
          host.pipe(client).pipe(host)
        })
        host.on("error", () => client.destroy())
        client.on("error", () => host.destroy())
      }).listen(3128)
    readinessProbe: {tcpSocket: {port: 3128}, periodSeconds: 1}
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
---
apiVersion: v1
kind: Service
metadata: {name: egress}
spec:
  selector: {app: egress}
  ports: [{port: 3128}]
`

// behindProxy is the patch of a manager in a network that is left by a proxy only, and with an authority of its own.
const behindProxy = `
spec:
  template:
    spec:
      containers:
      - name: manager
        args: %s
        env:
        - {name: HTTPS_PROXY, value: "http://egress.` + cloudNamespace + `.svc:3128"}
        - {name: NO_PROXY, value: ".svc,$(KUBERNETES_SERVICE_HOST)"}
        volumeMounts: [{name: authorities, mountPath: /etc/authorities}]
      volumes: [{name: authorities, configMap: {name: authorities}}]
`

const authoritiesFlag = "--git-ca-file=/etc/authorities/ca.crt"

// fromGit runs the examples whose programs are in git, as they are. The manager finds their host by a proxy.
func (e *exampleStory) fromGit() {
	inside := &stage.Namespace{Stage: e.Stage, Name: cloudNamespace}
	host, err := inside.StartGitHostAs(e.Ctx, "git", publicHost)
	e.Must(err)
	e.Must(host.Create(publicRepository))
	commit, err := host.Commit(publicRepository, "master", publicPrograms())
	e.Must(err)
	proxy := e.startEgress()
	e.putBehindProxy(host.CA)

	e.gitSource(commit)
	e.structuredConfig()
	e.customWorkspace(commit)

	asked, err := e.Log(e.Ctx, proxy, "proxy", 0)
	e.Must(err)
	if strings.TrimSpace(strings.ReplaceAll(asked, publicHost+":443", "")) != "" || asked == "" {
		e.T.Errorf("the proxy was asked for %q, want %s only", asked, publicHost)
	}
}

// startEgress starts the proxy.
func (e *exampleStory) startEgress() *corev1.Pod {
	e.T.Helper()
	pod, service := &corev1.Pod{}, &corev1.Service{}
	there := &stage.Namespace{Stage: e.Stage, Name: cloudNamespace}
	e.Must(there.Make(e.Ctx, egressManifest, pod, service))
	e.Await(pod, "to answer", func() bool { return stage.PodReady(pod) })
	return pod
}

// putBehindProxy gives the manager the proxy, and the authority of the git host. When the chapter ends, however it does, they
// are taken away.
func (e *exampleStory) putBehindProxy(authority string) {
	e.T.Helper()
	deployment := e.deployment()
	before := deployment.Spec.Template.DeepCopy()
	authorities := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.Manager.Namespace, Name: "authorities"}, Data: map[string]string{"ca.crt": authority},
	}
	e.Must(e.Client.Create(e.Ctx, authorities))
	e.T.Cleanup(func() {
		ctx, cancel := cleanup()
		defer cancel()
		after := of(ctx, e.T, e.Namespace)
		template, err := json.Marshal([]map[string]any{{"op": "replace", "path": "/spec/template", "value": before}})
		after.Must(err)
		after.Must(e.Client.Patch(ctx, deployment, client.RawPatch(types.JSONPatchType, template)))
		after.untilProxied(deployment, false)
		after.Must(e.Client.Delete(ctx, authorities))
	})
	args, err := json.Marshal(append(slices.Clone(before.Spec.Containers[0].Args), authoritiesFlag))
	e.Must(err)
	patch, err := yaml.YAMLToJSON(fmt.Appendf(nil, behindProxy, args))
	e.Must(err)
	e.Must(e.Client.Patch(e.Ctx, deployment, client.RawPatch(types.StrategicMergePatchType, patch)))
	e.untilProxied(deployment, true)
}

// untilProxied waits until a manager leads that has the proxy, or one that has it no more.
func (s *story) untilProxied(deployment *appsv1.Deployment, wanted bool) {
	s.T.Helper()
	s.untilRolledOut(deployment)
	s.untilLed(func(pod *corev1.Pod) bool {
		return slices.Contains(pod.Spec.Containers[0].Args, authoritiesFlag) == wanted
	})
}

// gitSource runs a branch of the repository, and destroys what it made when the Stack is deleted.
func (e *exampleStory) gitSource(commit string) {
	e.T.Helper()
	e.apply("git-source/stack.yaml")
	stack := e.Stack("random-yaml-git")
	e.AwaitReady(stack)
	if last := stack.Status.LastUpdate; last.LastSuccessfulCommit != commit || output(stack, "password") != `"[secret]"` {
		e.T.Errorf("commit %s was run, with the output %s", last.LastSuccessfulCommit, output(stack, "password"))
	}
	e.Must(e.Client.Delete(e.Ctx, stack))
	destroy := e.destroyOf(stack.Name)
	e.AwaitGone(stack, "to be gone when it is destroyed")
	if destroy.Status.Changes["delete"] != 2 {
		e.T.Errorf("the destroy changed %v", destroy.Status.Changes)
	}
}

// structuredConfig runs a program with configuration of all forms. The organization is for the reader to fill in, which
// the Stack says as long as nobody did.
func (e *exampleStory) structuredConfig() {
	e.T.Helper()
	wanted := map[string]map[string]string{
		"structured-config-inline": {
			"databaseConfig": `{"database":"myapp","host":"db.example.com","maxConnections":100,"port":5432,"ssl":true}`,
			"allowedRegions": `["us-west-2","us-east-1","eu-west-1"]`, "maxRetries": "3", "environment": `"none"`,
		},
		"structured-config-configmap": {
			"environment": `"production"`, "maxRetries": "0", "apiKey": `"[secret]"`,
			"appSettings": `{"apiEndpoint":"https://api.example.com","features":{"authentication":true,"cors":{"allowedMethods":["GET","POST","PUT","DELETE"],` +
				`"allowedOrigins":["https://app.example.com"]},"rateLimit":1000},"version":"v2"}`,
		},
	}
	e.callCloud(http.MethodPut, "/admin/tokens/xoxb-123-secret-token?name=structured", "")
	e.apply("structured-config/inline-config.yaml", "structured-config/configmap-config.yaml")
	for name, outputs := range wanted {
		stack := e.Stack(name)
		e.untilStalled(stack, "<your-org>/aws-ts-s3-folder/dev")
		e.Must(e.Patch(e.Ctx, stack, `{spec: {stack: acme/aws-ts-s3-folder/dev}}`))
		e.AwaitReady(stack)
		for key, want := range outputs {
			if diff := cmp.Diff(want, output(stack, key)); diff != "" {
				e.T.Errorf("the output %s of %s (-want +got):\n%s", key, name, diff)
			}
		}
		// Both are the same Pulumi stack: the next one starts from nothing.
		e.Must(e.Client.Delete(e.Ctx, stack))
		e.AwaitGone(stack, "to be gone when it is destroyed")
	}
}

// customWorkspace runs an Update in a Workspace that has a repository of its own. Changed are a field that PKO's definition
// does not know either, with the commit in it, and the pull of an image that no registry here has. It has a stack that is
// not to be made, so that is done before.
func (e *exampleStory) customWorkspace(commit string) {
	e.T.Helper()
	e.callCloud(http.MethodPost, "/api/stacks/acme/random-yaml", `{"stackName": "dev"}`)
	objects, err := stage.Manifests(filepath.Join(examples, "custom-workspace/workspace.yaml"))
	e.Must(err)
	for _, object := range objects {
		if git, given, err := unstructured.NestedMap(object.Object, "spec", "git"); given && err == nil {
			git["ref"] = commit
			delete(git, "revision")
			e.Must(unstructured.SetNestedMap(object.Object, git, "spec", "git"))
			containers, _, err := unstructured.NestedSlice(object.Object, "spec", "podTemplate", "spec", "initContainers")
			e.Must(err)
			containers[0].(map[string]any)["imagePullPolicy"] = "IfNotPresent"
			e.Must(unstructured.SetNestedSlice(object.Object, containers, "spec", "podTemplate", "spec", "initContainers"))
		}
		e.Must(e.Apply(e.Ctx, object, published))
		e.made = append(e.made, object)
	}
	update := e.ask("random-yaml-1e2fc47", "dev", "up", "custom-workspace", "")
	e.made = append(e.made, update)
	outputs := e.outputsOf(e.untilOver(update, "UpdateSucceeded"))
	password := ""
	e.Must(json.Unmarshal([]byte(outputs["password"]), &password))
	if outputs["data"] != `{"active":true,"nums":[1,2]}` || len(password) != 32 {
		e.T.Errorf("data is %s, and the password has %d characters", outputs["data"], len(password))
	}
	workspace := e.Workspace("random-yaml-1e2fc47")
	pod := e.Pod(workspace.Name)
	e.Must(e.Client.Get(e.Ctx, client.ObjectKeyFromObject(pod), pod))
	if pod.Labels["example.com/mylabel"] != "bar" || *pod.Spec.TerminationGracePeriodSeconds != 3600 {
		e.T.Errorf("the pod has the labels %v and a grace period of %ds", pod.Labels, *pod.Spec.TerminationGracePeriodSeconds)
	}
	// Nobody is to wait an hour for it.
	e.Must(e.Kill(e.Ctx, pod))
}

// untilStalled waits until a Stack says that its spec cannot work, with these words.
func (e *exampleStory) untilStalled(stack *pulumiv1.Stack, words string) {
	e.T.Helper()
	e.Await(stack, "to say "+words, func() bool {
		stalled := stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeStalled)
		return stalled.Reason == pulumiv1.ReasonSpecInvalid && strings.Contains(stalled.Message, words)
	})
}
