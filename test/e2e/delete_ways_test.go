package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// destroyed is for a Stack that is destroyed when it is deleted, in an image with the providers of test/doubles.
var destroyed = []string{onImage, `{spec: {destroyOnFinalize: true}}`}

// applied makes a Stack that has made a ConfigMap of its name, and returns both.
func (s *story) applied(name string, overlays ...string) (*pulumiv1.Stack, *corev1.ConfigMap) {
	s.T.Helper()
	s.program(name, made(name))
	stack := s.stack(name, name, slices.Concat(destroyed, overlays)...)
	s.AwaitReady(stack)
	configMap := s.configMap(name)
	s.Must(s.Client.Get(s.Ctx, s.Key(name), configMap))
	return stack, configMap
}

// stays checks that an object is there and stays.
func (s *story) stays(object client.Object) {
	s.T.Helper()
	s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(object), object))
	s.never(object, 2*time.Second, func() error {
		if object.GetDeletionTimestamp() != nil {
			return fmt.Errorf("%s is being deleted", object.GetName())
		}
		return nil
	})
}

// TestDeleteByEachPropagation deletes Stacks by each of the API server's ways, and one in the middle of its first up.
func TestDeleteByEachPropagation(t *testing.T) {
	t.Parallel()
	s := begin(t, "ways")
	s.mayManageConfigMaps()
	ways := []metav1.DeletionPropagation{metav1.DeletePropagationForeground, metav1.DeletePropagationBackground, metav1.DeletePropagationOrphan}
	for _, way := range ways {
		name := strings.ToLower(string(way))
		stack, configMap := s.applied(name)
		s.Must(s.Client.Delete(s.Ctx, stack, client.PropagationPolicy(way)))
		s.AwaitGone(stack, "to be gone after a deletion with the policy "+string(way))
		if err := s.Client.Get(s.Ctx, s.Key(name), configMap); !apierrors.IsNotFound(err) {
			t.Errorf("%s: the ConfigMap is still there when the Stack is gone: %v", way, err)
		}
		s.AwaitGone(s.Workspace(name), "to be gone with its Stack")
		s.AwaitGone(s.Pod(name), "to be gone with its Stack")
	}

	t.Log("orphaned in the middle of its first up")
	before := s.inTheMiddle("orphaned")
	stack := s.Stack("orphaned")
	s.Must(s.Client.Get(s.Ctx, s.Key("orphaned"), stack))
	s.Must(s.Patch(s.Ctx, stack, `{spec: {destroyOnFinalize: true}}`))
	s.Must(s.Client.Delete(s.Ctx, stack, client.PropagationPolicy(metav1.DeletePropagationOrphan)))
	s.AwaitGone(before.update, "to be canceled and gone")
	s.AwaitGone(stack, "to be destroyed and gone")
	s.event(stack, pulumiv1.EventStackDestroyed)
}

// TestDeleteAfterPreviewIsSwitchedOn: what an up has made is destroyed, whatever the flag says when the Stack is deleted.
func TestDeleteAfterPreviewIsSwitchedOn(t *testing.T) {
	t.Parallel()
	s := begin(t, "preview")
	s.mayManageConfigMaps()
	stack, configMap := s.applied("flipped")
	s.Must(s.Patch(s.Ctx, stack, `{spec: {preview: true}}`))
	s.AwaitReady(stack)
	if last := stack.Status.LastUpdate; last.Type != "preview" {
		t.Fatalf("the last update was %s", last.Type)
	}
	s.Must(s.Client.Delete(s.Ctx, stack))
	s.AwaitGone(stack, "to be gone")
	if err := s.Client.Get(s.Ctx, s.Key("flipped"), configMap); !apierrors.IsNotFound(err) {
		t.Errorf("the ConfigMap is still there when the Stack is gone: %v", err)
	}
}

// TestEmptyStackIsRemoved: the stack goes from the backend where its Stack's updateTemplate says so, and there alone.
func TestEmptyStackIsRemoved(t *testing.T) {
	t.Parallel()
	s := begin(t, "emptied")
	s.mayManageConfigMaps()
	removed, _ := s.applied("removed", `{spec: {updateTemplate: {spec: {remove: true}}}}`)
	kept, _ := s.applied("kept")
	for _, stack := range []*pulumiv1.Stack{removed, kept} {
		s.Must(s.Client.Delete(s.Ctx, stack))
		s.AwaitGone(stack, "to be gone")
	}
	s.program("witness", greeting)
	s.AwaitReady(s.stack("witness", "witness"))
	found, err := s.Shell(s.Ctx, "witness", "cd /state/.pulumi/stacks && ls */removed.json */kept.json 2>/dev/null || true")
	s.Must(err)
	if found != "kept/kept.json\n" {
		t.Errorf("in the backend are %q, want the one stack that nobody asked to remove", found)
	}
}

// precious is a program with a resource that is protected.
func precious(name string) string {
	return "resources:\n  precious:\n    type: kubernetes:core/v1:ConfigMap\n    properties: {metadata: {name: " + name + "}}\n    options: {protect: true}\n"
}

// TestProtectedResources: a destroy that a protected resource stops names it, and goes on when a person takes the protection
// off, or releases the Stack, of which what is left is on record.
func TestProtectedResources(t *testing.T) {
	t.Parallel()
	s := begin(t, "protected")
	s.mayManageConfigMaps()
	for _, name := range []string{"unprotected", "abandoned"} {
		s.program(name, precious(name))
		stack := s.stack(name, name, destroyed...)
		s.AwaitReady(stack)
		s.Must(s.Client.Delete(s.Ctx, stack))
		urn := "urn:pulumi:" + name + "::" + name + "::kubernetes:core/v1:ConfigMap::precious"
		s.Await(stack, "to name the protected resource", func() bool {
			stalled := stage.Condition(stack.Status.Conditions, "Stalled")
			return stalled.Reason == pulumiv1.ReasonResourceProtected && strings.Contains(stalled.Message, urn+": it is protected") &&
				strings.Contains(stalled.Message, "pulumi state unprotect") && strings.Contains(stalled.Message, pulumiv1.AnnotationAbandon+"=true")
		})
		s.stays(s.configMap(name))
		if name == "unprotected" {
			_, err := s.Shell(s.Ctx, name, "cd /tmp && pulumi state unprotect --yes --stack organization/"+name+"/"+name+" '"+urn+"'")
			s.Must(err)
			s.AwaitGone(stack, "to be destroyed when the protection is off")
			s.AwaitGone(s.configMap(name), "to be gone with its Stack")
			continue
		}
		s.Must(s.Annotate(s.Ctx, stack, pulumiv1.AnnotationAbandon, new("true")))
		s.AwaitGone(stack, "to be released")
		told := s.event(stack, pulumiv1.EventResourcesAbandoned)
		for _, words := range []string{`of the stack "abandoned" in the backend "file:///state"`, "resources, the stack's own among them,"} {
			if !strings.Contains(told, words) {
				t.Errorf("the event says %q, want %q in it", told, words)
			}
		}
		s.stays(s.configMap(name))
	}
}

// TestEverythingGoesAtOnce deletes the Program, the Secret and the ServiceAccount of Stacks before them. One that has a pod is
// destroyed there; one without says what is missing, and goes when it is back.
func TestEverythingGoesAtOnce(t *testing.T) {
	t.Parallel()
	s := begin(t, "bare")
	const own = `{spec: {serviceAccountName: NAME, envRefs: {PULUMI_CONFIG_PASSPHRASE: {secret: {name: NAME, key: passphrase}}}}}`
	const touch = "resources:\n  file:\n    type: testing:index:Thing\n    properties: {folder: /state/NAME, label: thing}\n"
	named := func(text, name string) string { return strings.ReplaceAll(text, "NAME", name) }
	belongings := func(name string) []client.Object {
		meta := metav1.ObjectMeta{Namespace: s.Name, Name: name}
		return []client.Object{
			&corev1.ServiceAccount{ObjectMeta: meta},
			&corev1.Secret{ObjectMeta: meta, StringData: map[string]string{"passphrase": "of " + name}},
		}
	}
	deploy := func(name string, overlays ...string) *pulumiv1.Stack {
		for _, object := range belongings(name) {
			s.Must(s.Client.Create(s.Ctx, object))
		}
		s.program(name, named(touch, name))
		stack := s.stack(name, name, slices.Concat(destroyed, []string{named(own, name)}, overlays)...)
		s.AwaitReady(stack)
		return stack
	}
	bereave := func(name string) {
		program := &pulumiv1.Program{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: name}}
		for _, object := range append(belongings(name), program) {
			s.Must(s.Client.Delete(s.Ctx, object))
			s.AwaitGone(object, "to be gone first")
		}
	}
	warm, asleep := deploy("warm"), deploy("asleep", `{spec: {workspaceTemplate: {spec: {idleTimeout: 0s}}}}`)
	s.AwaitGone(s.Pod("asleep"), "to have gone to sleep")
	bereave("warm")
	s.Must(s.Client.Delete(s.Ctx, warm))
	s.AwaitGone(warm, "to be destroyed in the pod that it had")

	bereave("asleep")
	s.Must(s.Client.Delete(s.Ctx, asleep))
	for i, missing := range []string{"ServiceAccountMissing", "MissingReference"} {
		s.Await(asleep, "to say what is missing, and the ways out", func() bool {
			return says(asleep, []string{pulumiv1.ReasonWorkspaceNotReady, missing, "asleep", pulumiv1.AnnotationAbandon})
		})
		s.Must(s.Client.Create(s.Ctx, belongings("asleep")[i]))
	}
	s.AwaitGone(asleep, "to be destroyed when all is back")
	s.program("witness", greeting)
	s.AwaitReady(s.stack("witness", "witness"))
	left, err := s.Shell(s.Ctx, "witness", "ls /state/warm/things /state/asleep/things")
	s.Must(err)
	if left != "/state/asleep/things:\n\n/state/warm/things:\n" {
		t.Errorf("not destroyed: %q", left)
	}
}
