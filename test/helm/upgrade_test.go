package helm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

const (
	// slow makes a thing that takes until somebody allows it. The thing writes down when it was begun and when it was done.
	slow = `
resources:
  thing: {type: testing:index:Thing, properties: {folder: /state/%[1]s, label: one, until: /state/%[1]s-may}}
outputs: {label: "${thing.label}"}
`
	// onImage has the providers of test/doubles, and destroys before the Stack goes.
	onImage = `{spec: {destroyOnFinalize: true, workspaceTemplate: {spec: {image: "localhost/gantry-e2e:dev"}}}}`
)

// tenant is a namespace with Stacks.
type tenant struct {
	*stage.Namespace
	s *story
}

// tenant makes a namespace for Stacks, which goes before the release does.
func (s *story) tenant() *tenant {
	s.T.Helper()
	namespace, err := s.NewNamespace(s.Ctx, "helm", "restricted")
	s.Must(err)
	n := &tenant{Namespace: namespace, s: s}
	s.T.Cleanup(n.leave)
	return n
}

// leave removes the namespace. Without a manager it could not go.
func (n *tenant) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if n.s.T.Failed() {
		var dump bytes.Buffer
		n.Dump(ctx, &dump)
		n.s.T.Logf("namespace %s when the story failed:\n%s", n.Name, dump.String())
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n.Name}}
	if err := errors.Join(n.Leave(ctx), n.UntilGone(ctx, namespace, "to go")); err != nil {
		n.s.T.Errorf("cleaning up: %v", err)
	}
}

// begins makes a Stack and waits until its first operation makes the thing. It returns the pod in which that runs.
func (n *tenant) begins(name string) (*pulumiv1.Stack, *autov1alpha1.Update, *corev1.Pod) {
	n.s.T.Helper()
	n.s.Must(n.ApplyProgram(n.s.Ctx, name, fmt.Sprintf(slow, name)))
	stack, err := n.CreateStack(n.s.Ctx, name, name, onImage)
	n.s.Must(err)
	n.s.Await(stack, "to have an Update under way", func() bool { return stack.Status.CurrentUpdate != nil })
	update := &autov1alpha1.Update{}
	update.Namespace, update.Name = n.Name, stack.Status.CurrentUpdate.Name
	n.s.Await(update, "to make the thing", func() bool {
		return update.Status.Progress != nil && strings.Contains(update.Status.Progress.Step, "testing:index:Thing")
	})
	pod := n.Pod(name)
	n.s.get(pod)
	return stack, update, pod
}

// allow lets the thing of a Stack be done.
func (n *tenant) allow(name string) {
	n.s.T.Helper()
	_, err := n.Shell(n.s.Ctx, name, "touch /state/"+name+"-may")
	n.s.Must(err)
}

// happened is what the thing of a Stack wrote down.
func (n *tenant) happened(name string) string {
	n.s.T.Helper()
	log, err := n.Shell(n.s.Ctx, name, "cut -d' ' -f2 /state/"+name+"/log | tr '\\n' ' '")
	n.s.Must(err)
	return strings.TrimSpace(log)
}

// ranOnce ends the story unless a Stack ran once, in the pod that it began in.
func (n *tenant) ranOnce(stack *pulumiv1.Stack, update *autov1alpha1.Update, pod *corev1.Pod) {
	n.s.T.Helper()
	updates, err := n.Updates(n.s.Ctx, stack.Name)
	n.s.Must(err)
	if len(updates) != 1 || updates[0].UID != update.UID {
		n.s.T.Errorf("Stack %s has %d Updates, want the one that was there", stack.Name, len(updates))
	}
	if log := n.happened(stack.Name); log != "begin end" {
		n.s.T.Errorf("the thing of Stack %s saw %q, want one beginning and one end", stack.Name, log)
	}
	now := n.Pod(stack.Name)
	n.s.get(now)
	if now.UID != pod.UID {
		n.s.T.Errorf("the pod of Stack %s is another one", stack.Name)
	}
	n.s.get(update)
	if complete := stage.Condition(update.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete); complete.Status != "True" {
		n.s.T.Errorf("the Update of Stack %s: %+v", stack.Name, update.Status.Conditions)
	}
}

// runs ends the story unless an Update is under way still.
func (s *story) runs(update *autov1alpha1.Update) {
	s.T.Helper()
	s.get(update)
	if progressing := stage.Condition(update.Status.Conditions, autov1alpha1.UpdateConditionTypeProgressing); progressing.Status != "True" {
		s.T.Errorf("the Update is not under way: %+v", update.Status.Conditions)
	}
}

// TestUpgrade goes from a version to the next one while an operation runs, and back.
func TestUpgrade(t *testing.T) {
	s := begin(t)
	s.run("helm", s.helm("install", s.previous(), "--set", "controller.idleTimeout=20m")...)
	if s.knows(newField) {
		t.Fatalf("the previous version knows %s already, so nothing is upgraded", newField)
	}
	n := s.tenant()
	stack, update, pod := n.begins("app")

	leader, err := s.Leader(s.Ctx)
	s.Must(err)
	s.run("helm", s.helm("upgrade", chart, "--set", "controller.idleTimeout=10m,replicaCount=2,podDisruptionBudget.enabled=true")...)
	s.untilLed(leader.Name)
	s.runs(update)
	if !s.knows(newField) {
		t.Errorf("the definition of Stack lacks %s after the upgrade", newField)
	}
	n.allow("app")
	s.AwaitReady(stack)
	n.ranOnce(stack, update, pod)

	t.Log("a rollback takes managers and definitions back, and the Stacks go on")
	leader, err = s.Leader(s.Ctx)
	s.Must(err)
	s.run("helm", "rollback", release, "1", "--namespace", system, "--wait", "--timeout", patience.String())
	s.untilLed(leader.Name)
	deployment, err := s.Deployment(s.Ctx)
	s.Must(err)
	if version := deployment.Spec.Template.Labels["app.kubernetes.io/version"]; version != previousVersion || *deployment.Spec.Replicas != 1 {
		t.Errorf("after the rollback there are %d replicas of version %s", *deployment.Spec.Replicas, version)
	}
	if s.knows(newField) {
		t.Errorf("the definition of Stack has %s after the rollback", newField)
	}
	s.Must(s.Annotate(s.Ctx, stack, pulumiv1.AnnotationReconciliationRequest, new("after the rollback")))
	s.Await(stack, "to have answered a request", func() bool {
		return stack.Status.LastUpdate.ReconcileRequest == "after the rollback" && stage.Ready(stack)
	})
	if log := n.happened("app"); log != "begin end" {
		t.Errorf("after the rollback the thing saw %q", log)
	}
}

// TestUninstall takes Gantry away under Stacks, and brings it back.
func TestUninstall(t *testing.T) {
	s := begin(t)
	said := s.run("helm", s.helm("install", chart)...)
	for _, word := range []string{"Stacks stay", "waits, with its finalizer", "operations that run go on"} {
		if !strings.Contains(said, word) {
			t.Errorf("the notes do not say %q:\n%s", word, said)
		}
	}
	n := s.tenant()
	running, update, pod := n.begins("running")
	gone, _, _ := n.begins("gone")
	n.allow("gone")
	s.AwaitReady(gone)

	s.uninstall()
	t.Log("a Stack that is deleted now waits, and an operation that runs goes on to its end")
	s.Must(s.Client.Delete(s.Ctx, gone))
	n.allow("running")
	_, err := n.Shell(s.Ctx, "running", "until grep -q ' end ' /state/running/log; do sleep 0.1; done")
	s.Must(err)
	s.get(gone)
	if gone.DeletionTimestamp == nil || len(gone.Finalizers) == 0 {
		t.Errorf("without a manager, a deleted Stack is %+v", gone.ObjectMeta)
	}
	s.runs(update)
	if log := n.happened("gone"); log != "begin end" {
		t.Errorf("without a manager, the thing of a deleted Stack saw %q", log)
	}

	t.Log("installed again, Gantry destroys the one and records the other")
	s.run("helm", s.helm("install", chart)...)
	s.AwaitGone(gone, "to be destroyed and gone")
	s.AwaitReady(running)
	n.ranOnce(running, update, pod)
	destroyed, err := n.Shell(s.Ctx, "running", "cut -d' ' -f2 /state/gone/log | tr '\\n' ' '")
	if err != nil || strings.TrimSpace(destroyed) != "begin end delete" {
		t.Errorf("the thing of the deleted Stack saw %q (%v), want that it was destroyed", destroyed, err)
	}
	if err := s.Client.Get(s.Ctx, client.ObjectKeyFromObject(gone), gone); client.IgnoreNotFound(err) != nil {
		t.Error(err)
	}
}
