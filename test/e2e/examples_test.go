package e2e

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/test/doubles/pulumicloud"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

const (
	// examples has PKO's published examples, as they are. They are no part of the repository.
	examples = "../../../shared/compat/manifests"
	// published is where they go: most of them say so themselves.
	published = "default"
	// cloudNamespace and its Service are what the images of the examples know as Pulumi Cloud (make/images.mk).
	cloudNamespace = "pulumi-cloud-double"
)

// cloudManifest is the double of Pulumi Cloud.
const cloudManifest = `
apiVersion: v1
kind: Pod
metadata: {name: pulumi-cloud, labels: {app: pulumi-cloud}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: cloud
    image: ` + image + `
    command: [pulumi-cloud, -address=:8080]
    readinessProbe: {httpGet: {path: /admin/ready, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: pulumi-cloud}
spec:
  selector: {app: pulumi-cloud}
  ports: [{port: 80, targetPort: 8080}]
`

// exampleStory tells of one example after another in the namespace that they name.
type exampleStory struct {
	*story
	cloud string
	made  []client.Object
}

// TestPublishedExamples applies PKO's published examples as a user would, unchanged, with what they presuppose:
//
//   - a Secret pulumi-api-secret with an access token;
//   - the images that they name. Here these are made of the parts of the e2e image, without an agent, so that the init
//     container brings it. Their environment names the double of Pulumi Cloud as the backend, in the place of the public
//     one, which is what pulumi uses where nothing is said: a stand-in for the internet, not a change of the examples.
//     nginx is an image that does nothing. The program in pulumi-and-app is written in YAML, not Python;
//   - the random provider and the Kubernetes provider: stand-ins, of which the latter does not await the rollout;
//   - the git host that they name, with a repository that has the same paths, which the manager reaches by a proxy. While
//     the manager has that, no other story is told.
//
// Flux's source-controller is a double.
func TestPublishedExamples(t *testing.T) {
	if _, err := os.Stat(examples); err != nil {
		t.Skipf("NOT PROVEN: PKO's examples are not at %s", examples)
	}
	e := &exampleStory{story: of(t.Context(), t, &stage.Namespace{Stage: connect(t), Name: published})}
	t.Cleanup(e.leave)
	e.startCloud()
	t.Run("git", func(t *testing.T) { e.in(t).fromGit() })
	t.Parallel()
	t.Run("program-source", func(t *testing.T) { e.in(t).programSource() })
	t.Run("custom-source", func(t *testing.T) { e.in(t).customSource() })
	t.Run("preview-demo", func(t *testing.T) { e.in(t).previewDemo() })
	t.Run("flux-source", func(t *testing.T) { e.in(t).fluxSource() })
}

// in tells a chapter of the story in a test of its own.
func (e *exampleStory) in(t *testing.T) *exampleStory {
	t.Helper()
	chapter := &exampleStory{story: of(t.Context(), t, e.Namespace), cloud: e.cloud}
	t.Cleanup(func() { e.made = append(e.made, chapter.made...) })
	return chapter
}

// startCloud starts the double of Pulumi Cloud, and makes the Secret that the examples name.
func (e *exampleStory) startCloud() {
	e.T.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: cloudNamespace}}
	e.make(namespace)
	pod, service := &corev1.Pod{}, &corev1.Service{}
	there := &stage.Namespace{Stage: e.Stage, Name: cloudNamespace}
	e.Must(there.Make(e.Ctx, cloudManifest, pod, service))
	e.make(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: published, Name: "pulumi-api-secret"},
		StringData: map[string]string{"accessToken": pulumicloud.Token},
	})
	e.Await(pod, "to answer", func() bool { return stage.PodReady(pod) })
	addresses, err := e.Forward(e.Ctx, pod, 8080)
	e.Must(err)
	e.cloud = "http://" + addresses[0]
}

// callCloud asks the double of Pulumi Cloud for something, as the examples' user.
func (e *exampleStory) callCloud(method, path, body string) {
	e.T.Helper()
	request, err := http.NewRequestWithContext(e.Ctx, method, e.cloud+path, strings.NewReader(body))
	e.Must(err)
	request.Header.Set("Authorization", "token "+pulumicloud.Token)
	response, err := http.DefaultClient.Do(request)
	e.Must(err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	e.Must(err)
	if response.StatusCode >= http.StatusBadRequest {
		e.T.Fatalf("%s %s: %s", method, path, answer)
	}
}

// make makes an object that is removed when the story ends.
func (e *exampleStory) make(object client.Object) {
	e.T.Helper()
	e.Must(e.Client.Create(e.Ctx, object))
	e.made = append(e.made, object)
}

// apply applies the manifests of an example.
func (e *exampleStory) apply(files ...string) []*unstructured.Unstructured {
	e.T.Helper()
	for i := range files {
		files[i] = filepath.Join(examples, files[i])
	}
	objects, err := stage.Manifests(files...)
	e.Must(err)
	for _, object := range objects {
		e.Must(e.Apply(e.Ctx, object, published))
		e.made = append(e.made, object)
	}
	return objects
}

// leave removes all that was made, Stacks first and without a destroy.
func (e *exampleStory) leave() {
	ctx, cancel := cleanup()
	defer cancel()
	if e.T.Failed() {
		var dump bytes.Buffer
		e.Dump(ctx, &dump)
		e.T.Logf("namespace %s when the story failed:\n%s", e.Name, dump.String())
	}
	var errs []error
	for _, object := range e.made {
		if object.GetObjectKind().GroupVersionKind().Kind != "Stack" {
			continue
		}
		keep := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"destroyOnFinalize":false}}`))
		errs = append(errs, client.IgnoreNotFound(e.Client.Patch(ctx, object.DeepCopyObject().(client.Object), keep)))
		errs = append(errs, client.IgnoreNotFound(e.Client.Delete(ctx, object)))
		errs = append(errs, e.UntilGone(ctx, e.Stack(object.GetName()), "to go"))
	}
	for _, object := range e.made {
		errs = append(errs, client.IgnoreNotFound(e.Client.Delete(ctx, object)))
	}
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: published, Name: "nginx"}}
	errs = append(errs, client.IgnoreNotFound(e.Client.Delete(ctx, deployment)))
	if err := errors.Join(errs...); err != nil {
		e.T.Errorf("cleaning up: %v", err)
	}
}

// programSource runs a Program, and destroys what it made when the Stack is deleted.
func (e *exampleStory) programSource() {
	e.apply("program-source/program.yaml", "program-source/stack.yaml")
	stack := e.Stack("random-yaml-program")
	e.AwaitReady(stack)
	if output(stack, "password") != `"[secret]"` {
		e.T.Errorf("the password is %s", output(stack, "password"))
	}
	if link := stack.Status.LastUpdate.Permalink; !strings.HasPrefix(link, "http") {
		e.T.Errorf("the permalink is %q", link)
	}
	update := &autov1alpha1.Update{}
	e.Must(e.Client.Get(e.Ctx, e.Key(stack.Status.LastUpdate.Name), update))
	if password := e.outputsOf(update)["password"]; len(password) != 16+2 {
		e.T.Errorf("the password in the Secret has %d characters, with its quotes", len(password))
	}
	pod := e.Pod(stack.Name)
	e.Must(e.Client.Get(e.Ctx, client.ObjectKeyFromObject(pod), pod))
	if len(pod.Spec.InitContainers) != 1 || pod.Spec.InitContainers[0].Name != "bootstrap" || pod.Spec.Containers[0].Image != "pulumi/pulumi:3.202.0-nonroot" {
		e.T.Errorf("the pod has the init containers %v and the image %s", pod.Spec.InitContainers, pod.Spec.Containers[0].Image)
	}
	uid := stack.UID
	e.Must(e.Client.Delete(e.Ctx, stack))
	destroy := e.destroyOf(stack.Name)
	e.AwaitGone(stack, "to be gone when it is destroyed")
	if destroy.Status.Changes["delete"] != 2 || stack.UID != uid {
		e.T.Errorf("the destroy changed %v", destroy.Status.Changes)
	}
}

// destroyOf waits for the end of a Stack's destroy.
func (e *exampleStory) destroyOf(stack string) *autov1alpha1.Update {
	e.T.Helper()
	object := e.Stack(stack)
	e.Await(object, "to destroy", func() bool {
		return object.Status.CurrentUpdate != nil && object.DeletionTimestamp != nil
	})
	update := &autov1alpha1.Update{ObjectMeta: metav1.ObjectMeta{Namespace: published, Name: object.Status.CurrentUpdate.Name}}
	return e.untilOver(update, "UpdateSucceeded")
}

// customSource runs a program that is in the image.
func (e *exampleStory) customSource() {
	e.apply("custom-source/stack.yaml")
	stack := e.Stack("custom-source")
	e.AwaitReady(stack)
	if output(stack, "strVar") != `"foo"` || output(stack, "arrVar") != `["fizz","buzz"]` || !strings.Contains(output(stack, "readme"), "Stack README") {
		e.T.Errorf("outputs: %s, %s, %s", output(stack, "strVar"), output(stack, "arrVar"), output(stack, "readme"))
	}
}

// previewDemo runs one program in two Stacks of the same Pulumi stack, of which the second previews another
// configuration when the first has succeeded.
func (e *exampleStory) previewDemo() {
	e.apply("preview-demo/stack.yaml")
	current, next := e.Stack("nginx-current"), e.Stack("nginx-next")
	e.AwaitReady(current)
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: published, Name: "nginx"}}
	e.Await(deployment, "to have both pods", func() bool { return deployment.Status.AvailableReplicas == 2 })
	e.AwaitReady(next)
	if next.Status.LastUpdate.Type != autov1alpha1.PreviewUpdate {
		e.T.Errorf("nginx-next did %s", next.Status.LastUpdate.Type)
	}
	update := &autov1alpha1.Update{}
	e.Must(e.Client.Get(e.Ctx, e.Key(next.Status.LastUpdate.Name), update))
	if update.Status.Changes["update"] != 1 {
		e.T.Errorf("the preview tells of %v", update.Status.Changes)
	}
	e.Must(e.Client.Get(e.Ctx, client.ObjectKeyFromObject(deployment), deployment))
	if *deployment.Spec.Replicas != 2 {
		e.T.Errorf("the preview made %d replicas", *deployment.Spec.Replicas)
	}
}
