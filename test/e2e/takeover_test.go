package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// settingsOfStack is a program that makes a ConfigMap named as the stack.
const settingsOfStack = `
resources:
  settings:
    type: kubernetes:core/v1:ConfigMap
    properties:
      metadata: {name: "${pulumi.stack}"}
      data: {colour: blue}
outputs:
  colour: ${settings.data.colour}
`

// pulumiByHand runs `pulumi up` for several stacks, with nothing of Gantry's: their states are what PKO's agents made.
const pulumiByHand = `
apiVersion: v1
kind: Pod
metadata: {name: by-hand}
spec:
  terminationGracePeriodSeconds: 1
  securityContext: {runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: pulumi
    image: ` + image + `
    command:
    - sh
    - -euc
    - |
      mkdir /tmp/program; cd /tmp/program; printf %s "$PROGRAM" >Pulumi.yaml
      for stack in $STACKS; do pulumi stack select --create $stack; pulumi up --yes --skip-preview --stack $stack; done
      touch /tmp/done; exec sleep 3600
    env:
    - {name: PULUMI_BACKEND_URL, value: "file:///state"}
    - {name: PULUMI_CONFIG_PASSPHRASE, valueFrom: {secretKeyRef: {name: passphrase, key: passphrase}}}
    readinessProbe: {exec: {command: [test, -e, /tmp/done]}, periodSeconds: 1, failureThreshold: 300}
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: state, mountPath: /state}]
  volumes: [{name: state, persistentVolumeClaim: {claimName: state}}]
`

// byHand runs the program for the stacks by hand and returns the pod that did it.
func (s *story) byHand(stacks ...string) *corev1.Pod {
	s.T.Helper()
	pod := &corev1.Pod{}
	s.Must(yaml.UnmarshalStrict([]byte(pulumiByHand), pod))
	pod.Namespace = s.Name
	container := &pod.Spec.Containers[0]
	container.Env = append(container.Env, corev1.EnvVar{Name: "STACKS", Value: strings.Join(stacks, " ")},
		corev1.EnvVar{Name: "PROGRAM", Value: "name: settings\nruntime: yaml\n" + settingsOfStack})
	s.Must(s.Client.Create(s.Ctx, pod))
	s.Await(pod, "to have made the stacks", func() bool { return stage.PodReady(pod) })
	return pod
}

// formerly is a cluster that PKO ran: what the story remembers of it.
type formerly struct {
	pko
	hand *corev1.Pod
	// made are the ConfigMaps that the stacks had made.
	made map[string]types.UID
	// settled is the record of a Stack that is in line with its source.
	settled pulumiv1.LastUpdate
	// resync is when the next resync is due.
	resync time.Time
	// outputs are those of the Update that was made by hand.
	outputs *corev1.Secret
}

// TestTakeover swaps PKO, which a double stands for that writes as PKO does, for Gantry, and back.
func TestTakeover(t *testing.T) {
	s := begin(t, "takeover")
	s.mayManageConfigMaps()
	f := &formerly{pko: pko{s}, made: map[string]types.UID{}}
	f.hand = s.byHand("settled", "resync", "midway", "failing", "doomed", "lost", "left")
	for _, name := range []string{"settled", "resync", "midway", "failing", "doomed", "lost", "left"} {
		made := s.configMap(name)
		s.Must(s.Client.Get(s.Ctx, s.Key(name), made))
		f.made[name] = made.UID
	}
	s.scaleManager("0")
	t.Cleanup(func() {
		ctx, cancel := cleanup()
		defer cancel()
		of(ctx, t, s.Namespace).scaleManager("1")
	})
	f.program("settings", settingsOfStack)
	f.alive()
	f.terminating()
	f.direct()
	for _, name := range []string{"settled", "midway", "doomed", "direct"} {
		pod := s.Pod(name)
		s.Await(pod, "to run for PKO", func() bool { return stage.PodReady(pod) })
	}

	t.Log("while PKO leads, Gantry does nothing")
	f.leads("controller-manager-5d9c_8f0e")
	s.scaleManager("1")
	stack := s.Stack("settled")
	s.never(stack, 5*time.Second, func() error {
		if stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeReady).ObservedGeneration != 0 {
			return fmt.Errorf("Gantry works beside PKO: %+v", stack.Status)
		}
		return nil
	})
	f.leads("")

	t.Run("Settled", f.checkSettled)
	t.Run("Resync", f.checkResync)
	t.Run("Midway", f.checkMidway)
	t.Run("Failures", f.checkFailures)
	t.Run("Deletions", f.checkDeletions)
	t.Run("Direct", f.checkDirect)
	t.Run("Back", f.checkBack)
}

// alive are the Stacks that live on.
func (f *formerly) alive() {
	f.T.Helper()
	leave := func(name string, overlays ...string) (*pulumiv1.Stack, *autov1alpha1.Workspace) {
		f.stack(name, "settings", append(overlays, onImage)...)
		stack := f.sees(name)
		return stack, f.workspace(name, stack, f.ofStack(name))
	}
	stack, workspace := leave("settled")
	f.update("settled-19a0000000a", workspace, stack, false, 25*time.Hour)
	f.update("settled-19a2b3c4d5e", workspace, stack, false, time.Hour)
	f.stackStatus(stack, wasReady, last("settled-19a2b3c4d5e", stack.Generation, "up", "succeeded", 0, time.Hour))
	f.Must(f.Client.Get(f.Ctx, f.Key("settled"), stack))
	f.settled = *stack.Status.LastUpdate

	stack, workspace = leave("resync", `{spec: {continueResyncOnCommitMatch: true, resyncFrequencySeconds: 60, refresh: true}}`)
	f.update("resync-19a2b3c4d5e", workspace, stack, false, 30*time.Second)
	f.stackStatus(stack, wasReady, last("resync-19a2b3c4d5e", stack.Generation, "up", "succeeded", 0, 30*time.Second))
	f.resync = time.Now().Add(30 * time.Second)

	stack, workspace = leave("midway")
	f.update("midway-19a2b3c4d5e", workspace, stack, true, time.Minute)
	f.stackStatus(stack, wasProcessing, fmt.Sprintf("  currentUpdate: {generation: %d, name: midway-19a2b3c4d5e, commit: \"1\"}", stack.Generation))

	// PKO puts the name on record first, and hangs for ever if it ends before it has made the Update.
	stack, _ = leave("orphan")
	f.stackStatus(stack, wasProcessing, fmt.Sprintf("  currentUpdate: {generation: %d, name: orphan-19a2b3c4d5e, commit: \"1\"}", stack.Generation))

	stack, _ = leave("failing")
	f.stackStatus(stack, wasProcessing, last("failing-19a2b3c4d5e", stack.Generation, "up", "failed", 2, time.Hour))
	stack, _ = leave("givenup")
	f.stackStatus(stack, wasStalled, last("givenup-19a2b3c4d5e", stack.Generation, "up", "failed", 3, time.Hour))
}

// terminating are the Stacks that are being deleted.
func (f *formerly) terminating() {
	f.T.Helper()
	leave := func(name string, destroys bool) (*pulumiv1.Stack, *autov1alpha1.Workspace) {
		f.stack(name, "settings", onImage, fmt.Sprintf(`{spec: {destroyOnFinalize: %t}}`, destroys))
		stack := f.sees(name)
		workspace := f.workspace(name, stack, f.ofStack(name))
		f.Must(f.Client.Delete(f.Ctx, stack))
		f.Must(f.Client.Get(f.Ctx, f.Key(name), stack))
		return stack, workspace
	}
	stack, _ := leave("doomed", true)
	f.stackStatus(stack, wasProcessing, last("doomed-19a2b3c4d5e", stack.Generation, "destroy", "failed", 3, time.Hour))
	stack, _ = leave("lost", true)
	f.stackStatus(stack, wasProcessing, `  currentUpdate: {generation: 2, name: lost-19a2b3c4d5e, commit: "1"}`)
	stack, _ = leave("never", true)
	f.stackStatus(stack, wasProcessing, "")
	stack, workspace := leave("left", false)
	update := f.update("left-19a2b3c4d5e", workspace, stack, false, time.Hour)
	f.Must(f.Client.Delete(f.Ctx, update))
	f.stackStatus(stack, wasReady, last("left-19a2b3c4d5e", 2, "up", "succeeded", 0, time.Hour))
}

// direct is a Workspace that a user made, with an Update.
func (f *formerly) direct() {
	f.T.Helper()
	workspace := f.workspace("direct", nil, `
  image: `+image+`
  env: [{name: PULUMI_BACKEND_URL, value: "file:///share"}, {name: PULUMI_CONFIG_PASSPHRASE, value: x}]
  podTemplate:
    spec:
      containers: [{name: pulumi}]
      initContainers:
      - name: fill
        image: `+image+`
        command: [sh, -c, 'mkdir -p /share/workspace; printf "name: direct\nruntime: yaml\noutputs: {colour: blue}\n" >/share/workspace/Pulumi.yaml']
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        volumeMounts: [{name: share, mountPath: /share}]
  stacks: [{name: direct, create: true}]`)
	f.outputs = f.pko.outputs(f.update("by-hand", workspace, nil, false, time.Hour))
}

// told is the story, told by a test of its own.
func (f *formerly) told(t *testing.T) *story {
	t.Helper()
	return of(f.Ctx, t, f.Namespace)
}

// checkSettled: nothing runs, and what PKO kept a pod with goes.
func (f *formerly) checkSettled(t *testing.T) {
	s := f.told(t)
	stack := s.Stack("settled")
	s.Await(stack, "to be taken over", func() bool {
		ready := stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeReady)
		return ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == stack.Generation
	})
	for _, object := range append(s.remains("settled"), s.Pod("settled")) {
		s.AwaitGone(object, "to be gone")
	}
	s.AwaitGone(f.named("settled-19a0000000a"), "to have expired")
	if updates := s.updates("settled", 1); updates[0].Name != f.settled.Name || len(updates[0].Finalizers) != 0 {
		t.Errorf("Update %s, finalizers %v", updates[0].Name, updates[0].Finalizers)
	}
	s.Must(s.Client.Delete(s.Ctx, f.named(f.settled.Name)))
	s.AwaitGone(f.named(f.settled.Name), "to be gone")
	s.Must(s.Client.Get(s.Ctx, s.Key("settled"), stack))
	if len(stack.Status.LastUpdate.Inputs) != 1 {
		t.Errorf("the inputs %v are adopted, want the Secret of the passphrase", stack.Status.LastUpdate.Inputs)
	}
	if kept := stack.Status.Source; kept == nil || kept.Digest == "" || !cmp.Equal(kept, stack.Status.LastUpdate.Source) {
		t.Errorf("the source %+v is adopted, want that of the last update, %+v", kept, stack.Status.LastUpdate.Source)
	}
	if stack.Status.LastUpdate.SpecDigest == "" {
		t.Error("the spec that was deployed last is not on record")
	}
	last := stack.Status.LastUpdate
	last.Inputs, last.Source, last.SpecDigest = nil, nil, "" // PKO keeps no such records
	if diff := cmp.Diff(f.settled, *stack.Status.LastUpdate); diff != "" || stack.Generation != 2 || len(stack.Status.Conditions) != 1 {
		t.Errorf("generation %d, conditions %+v, lastUpdate (-want +got):\n%s", stack.Generation, stack.Status.Conditions, diff)
	}
	f.unharmed(s, "settled")
}

// checkResync: the next resync comes at its time, as PKO would have made it.
func (f *formerly) checkResync(t *testing.T) {
	s := f.told(t)
	stack := s.Stack("resync")
	s.Await(stack, "to have run again", func() bool { return stack.Status.LastUpdate.Name != "resync-19a2b3c4d5e" && stage.Ready(stack) })
	next := f.named(stack.Status.LastUpdate.Name)
	s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(next), next))
	if next.CreationTimestamp.Add(2 * time.Second).Before(f.resync) {
		t.Errorf("the resync ran at %s, due was %s", next.CreationTimestamp, f.resync)
	}
	if !strings.HasPrefix(*next.Spec.Message, "Resync time elapsed") || !*next.Spec.Refresh || stack.Status.LastUpdate.State != pulumiv1.SucceededStackState {
		t.Errorf("the resync is %+v, ended %+v", next.Spec, stack.Status.LastUpdate)
	}
	f.unharmed(s, "resync")
}

// checkMidway: what PKO was running is aborted and run again, on the state that is there.
func (f *formerly) checkMidway(t *testing.T) {
	s := f.told(t)
	for _, name := range []string{"midway", "orphan"} {
		stack := s.Stack(name)
		s.AwaitReady(stack)
		if last := stack.Status.LastUpdate; last.Name == name+"-19a2b3c4d5e" || last.State != pulumiv1.SucceededStackState {
			t.Errorf("%s ended with %+v", name, last)
		}
	}
	s.updates("orphan", 1)
	s.updates("midway", 2)
	aborted := f.named("midway-19a2b3c4d5e")
	s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(aborted), aborted))
	if failed := stage.Condition(aborted.Status.Conditions, autov1alpha1.UpdateConditionTypeFailed); failed.Reason != "Aborted" || len(aborted.Finalizers) != 0 {
		t.Errorf("PKO's Update: %+v, finalizers %v", failed, aborted.Finalizers)
	}
	f.unharmed(s, "midway")
}

// checkFailures: a Stack that PKO would try again is tried again; one that it had given up on waits for a person.
func (f *formerly) checkFailures(t *testing.T) {
	s := f.told(t)
	s.AwaitReady(s.Stack("failing"))
	stack := s.Stack("givenup")
	s.Await(stack, "to be taken over", func() bool {
		return stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeStalled).ObservedGeneration == stack.Generation
	})
	if stalled := stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeStalled); stalled.Reason != pulumiv1.ReasonUpdateFailed ||
		!strings.Contains(stalled.Message, "failed 3 times") || stack.Status.LastUpdate.Failures != 3 {
		t.Errorf("a Stack that was given up on says %+v, %+v", stalled, stack.Status.LastUpdate)
	}
	s.updates("givenup", 0)
	s.request(stack, "again")
	s.updates("givenup", 1)
}

// checkDeletions: what was to be destroyed is, and nothing else.
func (f *formerly) checkDeletions(t *testing.T) {
	s := f.told(t)
	for _, name := range []string{"doomed", "lost", "never", "left"} {
		s.AwaitGone(s.Stack(name), "to be gone")
	}
	for _, name := range []string{"doomed", "lost"} {
		if err := s.Client.Get(s.Ctx, s.Key(name), s.configMap(name)); !apierrors.IsNotFound(err) {
			t.Errorf("the Stack %s is gone and its ConfigMap is not: %v", name, err)
		}
	}
	f.unharmed(s, "left")
	for _, name := range []string{"doomed", "lost", "never", "left"} {
		updates, err := s.Updates(s.Ctx, name)
		s.Must(err)
		for i := range updates {
			s.AwaitGone(&updates[i], "to be gone with its Stack")
		}
	}
	states, err := s.Exec(s.Ctx, f.hand, stage.PulumiContainer, "ls", "/state/.pulumi/stacks/settings")
	s.Must(err)
	if strings.Contains(states, "never.json") || !strings.Contains(states, "doomed.json") {
		t.Errorf("stacks in the backend: %s", states)
	}
	for _, object := range append(s.remains("doomed"), s.Pod("doomed"), s.Workspace("doomed")) {
		s.AwaitGone(object, "to be gone with its Stack")
	}
}

// checkDirect: a Workspace without a Stack goes on, and keeps what its Updates left.
func (f *formerly) checkDirect(t *testing.T) {
	s := f.told(t)
	for _, object := range append(s.remains("direct"), s.Pod("direct")) {
		s.AwaitGone(object, "to be gone")
	}
	workspace := s.Workspace("direct")
	s.Must(s.Client.Get(s.Ctx, s.Key("direct"), workspace))
	next := &autov1alpha1.Update{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "next", OwnerReferences: []metav1.OwnerReference{
		*metav1.NewControllerRef(workspace, autov1alpha1.GroupVersion.WithKind("Workspace")),
	}}, Spec: autov1alpha1.UpdateSpec{WorkspaceName: "direct", StackName: "direct", Type: autov1alpha1.UpUpdate}}
	s.Must(s.Client.Create(s.Ctx, next))
	s.Await(next, "to be complete", func() bool {
		return stage.Condition(next.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete).Status == metav1.ConditionTrue
	})
	if failed := stage.Condition(next.Status.Conditions, autov1alpha1.UpdateConditionTypeFailed); failed.Status != metav1.ConditionFalse {
		t.Errorf("the next Update: %+v: %s", failed, next.Status.Message)
	}
	kept := f.named("by-hand")
	s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(kept), kept))
	s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(f.outputs), &corev1.Secret{}))
	if kept.Status.Outputs != f.outputs.Name {
		t.Errorf("PKO's Update has the outputs %q", kept.Status.Outputs)
	}
}

// checkBack: Gantry goes as the page on migration says, and PKO finds what it can go on with.
func (f *formerly) checkBack(t *testing.T) {
	s := f.told(t)
	updates := &autov1alpha1.UpdateList{}
	s.Must(s.Client.List(s.Ctx, updates, client.InNamespace(s.Name)))
	for i := range updates.Items {
		update := &updates.Items[i]
		s.Await(update, "to have ended", func() bool { return len(update.Finalizers) == 0 })
	}
	s.scaleManager("0")
	pods := client.MatchingLabels{"auto.pulumi.com/component": "workspace"}
	s.Must(s.Client.DeleteAllOf(s.Ctx, &corev1.Pod{}, client.InNamespace(s.Name), pods))
	back := pko{s}
	for _, name := range []string{"settled", "midway"} {
		s.AwaitGone(s.Pod(name), "to be gone")
		stack := s.Stack(name)
		s.Must(s.Client.Get(s.Ctx, s.Key(name), stack))
		if diff := cmp.Diff([]string{pkoFinalizer}, stack.Finalizers); diff != "" || stack.Status.CurrentUpdate != nil {
			t.Errorf("%s: under way %+v, finalizers (-want +got):\n%s", name, stack.Status.CurrentUpdate, diff)
		}
		workspace := s.Workspace(name)
		s.Must(s.Client.Get(s.Ctx, s.Key(name), workspace))
		// PKO applies a Workspace without force, and gets a pod of the old name for it.
		back.apply(pkoObjects, "apiVersion: auto.pulumi.com/v1alpha1\nkind: Workspace\nmetadata: {name: %s}\nspec:\n%s", name, back.ofStack(name))
		back.keepsAPod(workspace)
		pod := s.Pod(name)
		s.Await(pod, "to run for PKO again", func() bool { return stage.PodReady(pod) && metav1.GetControllerOf(pod).Kind == "StatefulSet" })
	}
	s.Must(s.Client.List(s.Ctx, updates, client.InNamespace(s.Name)))
	for _, update := range updates.Items {
		if len(update.Finalizers) != 0 || metav1.GetControllerOf(&update) == nil {
			t.Errorf("Update %s: finalizers %v, owners %v", update.Name, update.Finalizers, update.OwnerReferences)
		}
		if update.Spec.WorkspaceName != "direct" && (len(update.OwnerReferences) != 2 || update.Labels["pulumi.com/stack-name"] != update.Spec.WorkspaceName) {
			t.Errorf("Update %s: labels %v, owners %v", update.Name, update.Labels, update.OwnerReferences)
		}
	}
}

// unharmed checks that what a stack had made is the very same.
func (f *formerly) unharmed(s *story, name string) {
	s.T.Helper()
	made := s.configMap(name)
	s.Must(s.Client.Get(s.Ctx, s.Key(name), made))
	if made.UID != f.made[name] || made.DeletionTimestamp != nil {
		s.T.Errorf("the ConfigMap of %s was replaced: UID %s became %s", name, f.made[name], made.UID)
	}
}

// named is an Update of the story, to be read or watched.
func (f *formerly) named(update string) *autov1alpha1.Update {
	return &autov1alpha1.Update{ObjectMeta: metav1.ObjectMeta{Namespace: f.Name, Name: update}}
}
