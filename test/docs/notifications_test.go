package docs

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	eventv1 "github.com/fluxcd/pkg/apis/event/v1beta1"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
	"github.com/gantry-operator/gantry/test/e2e/tell"
)

const (
	fluxPage = "docs/guides/flux.md"
	// production is what the page has an Alert add to what it sends.
	production = "production is not as it should be"
	// failing is a resource of the program that fails, and says the secret.
	failing = "resources: {broken: {type: \"testing:index:Fail\", properties: {message: \"nobody knows ${name}\"}}}\n"
)

// notified is a page whose commands have Flux's notification controller tell of Stacks.
type notified struct {
	*tell.Story
	n    *stage.Namespace
	page *session
}

// TestNotifications runs the page about Flux, which has Flux's notification controller tell of Stacks, and reads what that sends
// when an update succeeds and when one fails.
func TestNotifications(t *testing.T) {
	s := tell.Connect(t, "make e2e")
	blocks := pages(t)[fluxPage]
	n := begin(t, s)
	story := &notified{Story: &tell.Story{T: t, Ctx: t.Context(), Cluster: s, Patience: 2 * time.Minute}, n: n}
	story.manager(blocks)
	story.page = &session{folder: t.TempDir()}
	story.page.prepare(t, n, blocks)
	story.receiver()
	writeFluxComponents(t, story.page.folder)
	story.removeLater()
	story.page.narrate(t, n, blocks)

	t.Log("an update succeeds")
	stack, source := n.Stack("app"), fluxSource(n)
	good, bad := "main@sha1:"+strings.Repeat("2", 40), "main@sha1:"+strings.Repeat("3", 40)
	story.Must(n.Patch(t.Context(), stack, `
spec:
  secretsRef: {name: {type: Secret, secret: {name: events, key: token}}}
  workspaceTemplate: {spec: {image: localhost/gantry-e2e:dev}}
`))
	story.AwaitReady(stack)
	story.Must(story.page.serve(t.Context(), source, good, greeting))
	story.Await(stack, "to have run "+good, func() bool { return stage.Ready(stack) && stack.Status.LastUpdate.LastSuccessfulCommit == good })
	success := story.sent(good, pulumiv1.EventStackCreated, "")

	t.Log("an update fails, with a secret in the words of the provider")
	story.Must(story.page.serve(t.Context(), source, bad, greeting+failing))
	failure := story.sent(bad, pulumiv1.EventStackUpdateFailure, "")
	inProduction := story.sent(bad, pulumiv1.EventStackUpdateFailure, production)

	event := eventv1.Event{
		InvolvedObject: corev1.ObjectReference{APIVersion: "pulumi.com/v1", Kind: "Stack", Namespace: n.Name, Name: "app", UID: stack.UID},
		Severity:       eventv1.EventSeverityInfo, Reason: "StackCreated", ReportingController: "gantry",
		Metadata: map[string]string{"revision": good, "stack": "app", "cluster": "north"},
	}
	story.equal(event, success)
	event.Severity, event.Reason = eventv1.EventSeverityError, "StackUpdateFailure"
	event.Metadata = map[string]string{"revision": bad, "stack": "app", "cluster": "north"}
	story.equal(event, failure)
	event.Metadata["summary"] = production
	story.equal(event, inProduction)
	if !strings.Contains(failure.Message, "testing:index:Fail") || !strings.Contains(failure.Message, "nobody knows [secret]") {
		t.Errorf("the message of the failure does not say what failed: %q", failure.Message)
	}
}

// equal compares what was sent with what should be, but for what is another each time.
func (s *notified) equal(want, got eventv1.Event) {
	s.T.Helper()
	varies := cmpopts.IgnoreFields(eventv1.Event{}, "Timestamp", "Message", "ReportingInstance", "InvolvedObject.ResourceVersion")
	if diff := cmp.Diff(want, got, varies); diff != "" {
		s.T.Errorf("sent is (-want +got):\n%s", diff)
	}
	if got.Message == "" || got.Timestamp.IsZero() || !strings.HasPrefix(got.ReportingInstance, "gantry-manager-") {
		s.T.Errorf("sent is %+v", got)
	}
}

// sent waits until there is a message of a reason about a revision, from the Alert that adds the summary. A try that fails
// again may have others follow.
func (s *notified) sent(revision, reason, summary string) eventv1.Event {
	s.T.Helper()
	for deadline := time.Now().Add(s.Patience); ; time.Sleep(100 * time.Millisecond) {
		all := s.messages()
		for _, event := range all {
			if event.Severity != eventv1.EventSeverityError && event.Metadata["summary"] != "" {
				s.T.Fatalf("the Alert of errors sent %+v", event)
			}
			if event.Metadata["revision"] == revision && event.Reason == reason && event.Metadata["summary"] == summary {
				return event
			}
		}
		if time.Now().After(deadline) {
			s.T.Fatalf("no message of %s about %s with the summary %q among %+v", reason, revision, summary, all)
		}
	}
}

// manager gives the manager the address that the page has in values of the chart, until the test ends.
func (s *notified) manager(blocks []block) {
	s.T.Helper()
	var values struct {
		Controller struct{ EventsAddr string }
	}
	i := slices.IndexFunc(blocks, func(b block) bool { return b.as == "values" })
	s.Must(yaml.Unmarshal([]byte(blocks[i].text), &values))
	if values.Controller.EventsAddr == "" {
		s.T.Fatalf("%s does not say where events go", blocks[i])
	}
	deployment, err := s.Cluster.Deployment(s.Ctx)
	s.Must(err)
	before := slices.Clone(deployment.Spec.Template.Spec.Containers[0].Args)
	s.T.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), s.Patience)
		defer cancel()
		s.Must(s.rollOut(ctx, before))
	})
	ctx, cancel := context.WithTimeout(s.Ctx, s.Patience)
	defer cancel()
	s.Must(s.rollOut(ctx, append(slices.Clone(before), "--events-addr="+values.Controller.EventsAddr)))
}

// rollOut has the manager run with arguments.
func (s *notified) rollOut(ctx context.Context, arguments []string) error {
	deployment, err := s.Cluster.Deployment(ctx)
	if err != nil {
		return err
	}
	old := deployment.DeepCopy()
	deployment.Spec.Template.Spec.Containers[0].Args = arguments
	if err := s.Cluster.Client.Patch(ctx, deployment, client.StrategicMergeFrom(old)); err != nil {
		return fmt.Errorf("changing the manager's Deployment: %w", err)
	}
	return s.Cluster.RolledOut(ctx, deployment)
}

// removeLater removes what the page installs outside of its namespace when the test ends.
func (s *notified) removeLater() {
	s.T.Helper()
	objects, err := stage.Manifests(filepath.Join(s.page.folder, fluxComponents))
	s.Must(err)
	for _, kind := range []string{"ClusterRole", "ClusterRoleBinding"} {
		objects = append(objects, unstructuredOf("rbac.authorization.k8s.io/v1", kind, "", "notification-controller-stacks"))
	}
	s.T.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), s.Patience)
		defer cancel()
		if s.T.Failed() {
			s.showController(ctx)
		}
		// The controller has a finalizer on it, so that it has to go first.
		provider := unstructuredOf("notification.toolkit.fluxcd.io/v1beta3", "Provider", s.n.Name, "events")
		if err := s.Cluster.Client.Delete(ctx, provider); err == nil {
			s.Must(s.Cluster.UntilGone(ctx, provider, "to be gone"))
		} else if !meta.IsNoMatchError(err) && !apierrors.IsNotFound(err) {
			s.T.Error(err)
		}
		for _, object := range objects {
			if err := client.IgnoreNotFound(s.Cluster.Client.Delete(ctx, object)); err != nil {
				s.T.Error(err)
			}
		}
	})
}

// unstructuredOf is an object to be read or deleted.
func unstructuredOf(version, kind, namespace, name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(version)
	object.SetKind(kind)
	object.SetNamespace(namespace)
	object.SetName(name)
	return object
}

// showController shows the last that Flux's notification controller said.
func (s *notified) showController(ctx context.Context) {
	pods := &corev1.PodList{}
	if err := s.Cluster.Client.List(ctx, pods, client.InNamespace("flux-system")); err != nil {
		s.T.Log(err)
	}
	for _, pod := range pods.Items {
		lines := int64(50)
		log, err := s.Cluster.Kube.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{TailLines: &lines}).DoRaw(ctx)
		s.T.Logf("%s, %s, said (%v):\n%s", pod.Name, pod.Status.Phase, err, log)
	}
}
