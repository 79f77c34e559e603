package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// directProgram is a project as a user has it in a ConfigMap: two resources, made of the stack's configuration.
const directProgram = `
name: direct
runtime: yaml
config:
  size: {type: integer}
  note: {type: string}
  tree: {type: object, default: {}}
  token: {type: string, secret: true}
resources:
  one: {type: testing:Echo, properties: {value: "${size}"}}
  two: {type: testing:Echo, properties: {value: "${one.value}"}, options: {dependsOn: ["${one}"]}}
outputs: {size: "${two.value}", note: "${note}", tree: "${tree}", token: "${token}"}
`

// directWorkspace has two stacks, and configuration in every form. The mounted program cannot be written to.
const directWorkspace = `
spec:
  image: ` + image + `
  local: {dir: /program}
  env:
  - {name: PULUMI_BACKEND_URL, value: "file:///state"}
  - {name: PULUMI_CONFIG_PASSPHRASE, valueFrom: {secretKeyRef: {name: passphrase, key: passphrase}}}
  - {name: NOTE, value: from the environment}
  podTemplate:
    spec:
      terminationGracePeriodSeconds: 5
      containers:
      - name: pulumi
        volumeMounts:
        - {name: state, mountPath: /state}
        - {name: program, mountPath: /program}
        - {name: given, mountPath: /given}
      volumes:
      - {name: state, persistentVolumeClaim: {claimName: state}}
      - {name: program, configMap: {name: program, items: [{key: Pulumi.yaml, path: Pulumi.yaml}]}}
      - {name: given, configMap: {name: program}}
  stacks:
  - name: dev
    create: true
    config:
    - {key: size, value: 1}
    - {key: note, valueFrom: {env: NOTE}}
    - {key: tree, valueFrom: {path: /given/tree.json, json: true}}
    - {key: tree.more, path: true, value: [true]}
    - {key: token, valueFrom: {path: /given/token}, secret: true}
  - name: prod
    create: true
    config:
    - {key: size, value: 100}
    - {key: note, value: inline}
    - {key: token, value: ` + hidden + `, secret: true}
`

// workspace makes a Workspace.
func (s *story) workspace(name string, overlays ...string) *autov1alpha1.Workspace {
	s.T.Helper()
	workspace, err := s.CreateWorkspace(s.Ctx, name, overlays...)
	s.Must(err)
	return workspace
}

// ask makes an Update; its spec is in YAML.
func (s *story) ask(workspace, stack, kind, name, options string) *autov1alpha1.Update {
	s.T.Helper()
	spec := fmt.Sprintf("spec: {workspaceName: %s, stackName: %s, type: %s}", workspace, stack, kind)
	update, err := s.CreateUpdate(s.Ctx, name, spec, "spec: {"+options+"}")
	s.Must(err)
	return update
}

// untilOver waits until an Update is complete and checks how it ended.
func (s *story) untilOver(update *autov1alpha1.Update, reason string) *autov1alpha1.Update {
	s.T.Helper()
	s.Await(update, "to be complete", func() bool {
		return stage.Condition(update.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete).Status == metav1.ConditionTrue
	})
	if got := stage.Condition(update.Status.Conditions, autov1alpha1.UpdateConditionTypeFailed).Reason; got != reason {
		s.T.Fatalf("Update %s ended with %s, want %s: %s", update.Name, got, reason, update.Status.Message)
	}
	return update
}

// outputsOf are the outputs in the Secret of an Update.
func (s *story) outputsOf(update *autov1alpha1.Update) map[string]string {
	s.T.Helper()
	secret := &corev1.Secret{}
	s.Must(s.Client.Get(s.Ctx, s.Key(update.Status.Outputs), secret))
	if secret.Immutable == nil || !*secret.Immutable || secret.OwnerReferences[0].Name != update.Name {
		s.T.Errorf("the Secret is immutable: %v, and owned by %v", secret.Immutable, secret.OwnerReferences)
	}
	outputs := map[string]string{}
	for name, value := range secret.Data {
		outputs[name] = string(value)
	}
	return outputs
}

func (s *story) config(name string, data map[string]string) {
	s.T.Helper()
	s.Must(s.Client.Create(s.Ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: name}, Data: data}))
}

// TestWorkspaceOfTwoStacks uses a Workspace and Updates without a Stack: both stacks at once, then each type of operation
// with its options.
func TestWorkspaceOfTwoStacks(t *testing.T) {
	t.Parallel()
	s := begin(t, "direct")
	s.config("program", map[string]string{"Pulumi.yaml": directProgram, "tree.json": `{"a": [1, "x"]}`, "token": "quiet"})
	workspace := s.workspace("both", directWorkspace)
	s.Await(workspace, "to be Ready though asleep", func() bool {
		ready := stage.Condition(workspace.Status.Conditions, autov1alpha1.ConditionTypeReady)
		return ready.Status == metav1.ConditionTrue && workspace.Status.PodName == ""
	})

	t.Log("both stacks are asked for at once, and run one after the other")
	dev, prod := s.ask("both", "dev", "up", "dev-1", ""), s.ask("both", "prod", "up", "prod-1", "ttlAfterCompleted: 5s")
	s.untilOver(dev, "UpdateSucceeded")
	s.untilOver(prod, "UpdateSucceeded")
	if first, second := dev.Status, prod.Status; first.StartTime.Before(second.StartTime) && second.StartTime.Before(first.EndTime) ||
		second.StartTime.Before(first.StartTime) && first.StartTime.Before(second.EndTime) {
		t.Errorf("dev ran from %s to %s, prod from %s to %s", first.StartTime, first.EndTime, second.StartTime, second.EndTime)
	}
	if dev.Status.PodUID != prod.Status.PodUID {
		t.Error("they ran in two pods")
	}
	want := map[string]string{"size": "1", "note": `"from the environment"`, "tree": `{"a":[1,"x"],"more":[true]}`, "token": `"quiet"`}
	if diff := cmp.Diff(want, s.outputsOf(dev)); diff != "" {
		t.Errorf("outputs of dev (-want +got):\n%s", diff)
	}
	want = map[string]string{"size": "100", "note": `"inline"`, "tree": `{}`, "token": `"` + hidden + `"`}
	if diff := cmp.Diff(want, s.outputsOf(prod)); diff != "" {
		t.Errorf("outputs of prod (-want +got):\n%s", diff)
	}
	s.everyOption(workspace)

	t.Log("the Update whose time to live is over is gone, with its outputs")
	s.AwaitGone(prod, "to be gone after its time to live")
	s.AwaitGone(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "prod-1-stack-outputs"}}, "to be gone with its Update")
	s.everythingIsQuiet()
}

// everyOption goes on with the stack dev, in each type of operation.
func (s *story) everyOption(workspace *autov1alpha1.Workspace) {
	s.T.Helper()
	const one, two = "urn:pulumi:dev::direct::testing:index:Echo::one", "urn:pulumi:dev::direct::testing:index:Echo::two"
	s.untilOver(s.ask("both", "dev", "up", "same", "expectNoChanges: true, parallel: 2, message: nothing new"), "UpdateSucceeded")
	replaced := s.untilOver(s.ask("both", "dev", "up", "replace", "replace: ["+two+"], target: ["+two+"]"), "UpdateSucceeded")
	if replaced.Status.Changes["replace"] != 1 {
		s.T.Errorf("the changes of a replacement are %v", replaced.Status.Changes)
	}
	s.untilOver(s.ask("both", "dev", "refresh", "refresh", "expectNoChanges: true, runProgram: true, target: ["+one+"]"), "UpdateSucceeded")

	// Configuration is written before each operation, so a change of it needs no other pod.
	pod := s.Pod("both")
	s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(pod), pod))
	config := `{spec: {stacks: [{name: dev, create: true, config: [{key: size, value: 2}, {key: note, value: n}, {key: token, value: t, secret: true}]}]}}`
	s.Must(s.Patch(s.Ctx, workspace, config))
	surprised := s.untilOver(s.ask("both", "dev", "preview", "surprise", "expectNoChanges: true, refresh: true, continueOnError: true"), "UpdateFailed")
	if !strings.Contains(surprised.Status.Message, "no changes were expected") {
		s.T.Errorf("a preview with changes says %q", surprised.Status.Message)
	}
	ignored := stage.Condition(surprised.Status.Conditions, autov1alpha1.ConditionTypeFieldsIgnored)
	if ignored.Status != metav1.ConditionTrue || !strings.HasPrefix(ignored.Message, "spec.continueOnError: ") {
		s.T.Errorf("what a preview ignores is told as %+v", ignored)
	}
	if surprised.Status.PodUID != string(pod.UID) {
		s.T.Error("another configuration took another pod")
	}
	s.untilOver(s.ask("both", "dev", "destroy", "part", "target: ["+one+"], targetDependents: true"), "UpdateSucceeded")
	s.untilOver(s.ask("both", "dev", "destroy", "remove", "remove: true, refresh: true, continueOnError: true"), "UpdateSucceeded")
	s.Must(s.Patch(s.Ctx, workspace, `{spec: {stacks: [{name: dev}]}}`))
	s.untilOver(s.ask("both", "dev", "up", "gone", ""), "InitializationFailed")
	if invalid := s.untilOver(s.ask("both", "dev", "sideways", "invalid", ""), "InvalidSpec"); !strings.Contains(invalid.Status.Message, "up, preview, refresh or destroy") {
		s.T.Errorf("a type that does not exist is told as %q", invalid.Status.Message)
	}
}

// everythingIsQuiet checks that no object of the namespace tells what is secret.
func (s *story) everythingIsQuiet() {
	s.T.Helper()
	updates := &autov1alpha1.UpdateList{}
	s.Must(s.Client.List(s.Ctx, updates, client.InNamespace(s.Name)))
	text, err := json.Marshal(updates)
	s.Must(err)
	log, err := s.Log(s.Ctx, s.Pod("both"), stage.PulumiContainer, 0)
	s.Must(err)
	if strings.Contains(string(text), hidden) || strings.Contains(log, hidden) {
		s.T.Error("a secret is in an Update or in the pod's log")
	}
}

// preparedWorkspace has no source: the user's own init container makes the program, and tells the passphrase by the file
// that PULUMI_ENV names. The template patches fetch too, as those made for PKO do.
const preparedWorkspace = `
spec:
  image: ` + image + `
  env: [{name: PULUMI_BACKEND_URL, value: "file:///state"}]
  podTemplate:
    spec:
      terminationGracePeriodSeconds: 5
      initContainers:
      - name: fetch
        env: [{name: SSL_CERT_DIR, value: /share/certs}]
        volumeMounts: [{name: share, mountPath: /share}]
      - name: prepare
        image: ` + image + `
        command:
        - sh
        - -c
        - |
          mkdir -p /share/workspace
          printf 'name: prepared\nruntime: yaml\nconfig: {word: string}\noutputs: {word: "${word}"}\n' >/share/workspace/Pulumi.yaml
          echo "PULUMI_CONFIG_PASSPHRASE='by the init container'" >>$PULUMI_ENV
          echo "WORD=dynamic" >>$PULUMI_ENV
        volumeMounts: [{name: share, mountPath: /share}]
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      containers:
      - name: pulumi
        volumeMounts: [{name: state, mountPath: /state}]
      volumes: [{name: state, persistentVolumeClaim: {claimName: state}}]
  stacks: [{name: dev, create: true, config: [{key: word, valueFrom: {env: WORD}}]}]
`

func TestInitContainerFillsTheWorkspace(t *testing.T) {
	t.Parallel()
	s := begin(t, "prepared")
	s.workspace("prepared", preparedWorkspace)
	update := s.untilOver(s.ask("prepared", "dev", "up", "up", ""), "UpdateSucceeded")
	if diff := cmp.Diff(map[string]string{"word": `"dynamic"`}, s.outputsOf(update)); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&autov1alpha1.ProjectInfo{Name: "prepared", Runtime: "yaml"}, update.Status.ProjectInfo); diff != "" {
		t.Errorf("project (-want +got):\n%s", diff)
	}
}

// TestBadImageThenGoodImage mends a Workspace that no Stack owns while its Update waits.
func TestBadImageThenGoodImage(t *testing.T) {
	t.Parallel()
	s := begin(t, "image")
	workspace := s.workspace("mended", `{spec: {image: "localhost/no-such-image:dev", projectInfo: {name: empty, runtime: yaml}, stacks: [{name: dev, create: true}]}}`)
	update := s.ask("mended", "dev", "refresh", "refresh", "")
	s.Await(workspace, "to name the image", func() bool {
		return stage.Condition(workspace.Status.Conditions, autov1alpha1.ConditionTypeReconciling).Reason == "ImagePullFailed"
	})
	s.Must(s.Patch(s.Ctx, workspace, `{spec: {image: "`+image+`"}}`))
	s.untilOver(update, "UpdateSucceeded")
	s.Await(workspace, "to be Ready", func() bool {
		return workspace.Status.ObservedGeneration == workspace.Generation &&
			stage.Condition(workspace.Status.Conditions, autov1alpha1.ConditionTypeReady).Status == metav1.ConditionTrue
	})
}

// serverManifest serves the files of a ConfigMap to anybody, as a Flux source does, and logs what it is told of who asks.
const serverManifest = `
apiVersion: v1
kind: Pod
metadata: {name: archives, labels: {app: archives}}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: server
    image: ` + image + `
    command:
    - node
    - -e
    - |
      require("http").createServer((request, response) => {
        if (request.url != "/") console.log(request.url, request.headers.authorization || "anonymous")
        response.end(request.url == "/" ? "" : require("fs").readFileSync("/files" + request.url))
      }).listen(8080)
    readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: files, mountPath: /files}]
  volumes: [{name: files, configMap: {name: files}}]
---
apiVersion: v1
kind: Service
metadata: {name: archives}
spec:
  selector: {app: archives}
  ports: [{port: 80, targetPort: 8080}]
`

// TestArchiveOfAnotherServer runs a program that a user's Workspace names as PKO's do what Flux serves.
func TestArchiveOfAnotherServer(t *testing.T) {
	t.Parallel()
	s := begin(t, "archive")
	archive := packed(t, "app/Pulumi.yaml", "name: packed\nruntime: yaml\noutputs: {from: elsewhere}\n")
	s.Must(s.Client.Create(s.Ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "files"}, BinaryData: map[string][]byte{"a.tar.gz": archive},
	}))
	pod, service := &corev1.Pod{}, &corev1.Service{}
	s.Must(s.Make(s.Ctx, serverManifest, pod, service))
	s.Await(pod, "to answer", func() bool { return stage.PodReady(pod) })
	sum := sha256.Sum256(archive)
	s.workspace("packed", fmt.Sprintf(`{spec: {flux: {url: "http://archives.%s.svc/a.tar.gz", digest: "sha256:%x", dir: app}}}`, s.Name, sum))
	update := s.untilOver(s.ask("packed", "dev", "up", "up", ""), "UpdateSucceeded")
	if diff := cmp.Diff(map[string]string{"from": `"elsewhere"`}, s.outputsOf(update)); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	told, err := s.Log(s.Ctx, pod, "server", 0)
	s.Must(err)
	if told != "/a.tar.gz anonymous\n" {
		t.Errorf("the server was told %q", told)
	}
}

// packed is a tar.gz of one file.
func packed(t *testing.T, name, text string) []byte {
	t.Helper()
	var archive bytes.Buffer
	zipped := gzip.NewWriter(&archive)
	entries := tar.NewWriter(zipped)
	err := entries.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg})
	if err == nil {
		_, err = entries.Write([]byte(text))
	}
	if err := errors.Join(err, entries.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}
