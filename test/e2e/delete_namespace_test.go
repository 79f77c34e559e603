package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/doubles/pulumicloud"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// destroyIn gives the manager an execution namespace for the rest of the story.
func (s *story) destroyIn(namespace string) {
	s.T.Helper()
	flag := "--destroy-namespace=" + namespace
	deployment := s.deployment()
	before := slices.Clone(deployment.Spec.Template.Spec.Containers[0].Args)
	set := func(s *story, args []string, wanted bool) {
		s.T.Helper()
		patch, err := json.Marshal([]map[string]any{{"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": args}})
		s.Must(err)
		s.Must(s.Client.Patch(s.Ctx, deployment, client.RawPatch(types.JSONPatchType, patch)))
		s.untilRolledOut(deployment)
		s.untilLed(func(pod *corev1.Pod) bool { return slices.Contains(pod.Spec.Containers[0].Args, flag) == wanted })
	}
	s.T.Cleanup(func() {
		ctx, cancel := cleanup()
		defer cancel()
		set(of(ctx, s.T, s.Namespace), before, false)
	})
	set(s, append(slices.Clone(before), flag), true)
}

// TestNamespaceIsDeleted deletes a namespace with a Stack in it that has made something elsewhere. Nothing is orphaned: without an
// execution namespace the Stack stays and says so; with one it is destroyed there, and nothing of it stays.
func TestNamespaceIsDeleted(t *testing.T) {
	s := begin(t, "undertaker")
	s.mayManageConfigMaps()
	cloud := s.startCloud()
	doomed := of(s.Ctx, t, s.In("doomed", nil))
	s.Must(s.Client.Create(s.Ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "doomed"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "stacks"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: doomed.Name, Name: "default"}},
	}))
	s.Must(s.Client.Create(s.Ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: doomed.Name, Name: "cloud"}, StringData: map[string]string{"accessToken": pulumicloud.Token},
	}))
	doomed.program("far", strings.Replace(made("far"), "{name: far}", "{name: far, namespace: "+s.Name+"}", 1))
	stack := doomed.stack("far", "far", onImage, cloud.overlay("acme/far/dev"), `{spec: {destroyOnFinalize: true}}`)
	s.AwaitReady(stack)
	far := s.configMap("far")
	s.Must(s.Client.Get(s.Ctx, s.Key("far"), far))

	gone := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: doomed.Name}}
	s.Must(s.Client.Delete(s.Ctx, gone))
	began := time.Now()
	s.Await(stack, "to say that its namespace goes", func() bool {
		stalled := stage.Condition(stack.Status.Conditions, "Stalled")
		return stalled.Reason == pulumiv1.ReasonNamespaceTerminating && strings.Contains(stalled.Message, "--destroy-namespace") &&
			strings.Contains(stalled.Message, `resources, the stack's own among them, of the stack "acme/far/dev"`)
	})
	t.Logf("the Stack said so %s after its namespace was deleted", time.Since(began).Round(time.Millisecond))
	s.stays(far)
	if !slices.Contains(stack.Finalizers, pulumiv1.Finalizer) {
		t.Fatal("the finalizer went without a destroy")
	}

	s.destroyIn(s.Name)
	s.AwaitGone(stack, "to be destroyed elsewhere")
	s.AwaitGone(far, "to be gone with its Stack")
	s.AwaitGone(gone, "to be gone at last")
	workspaces, pods := &autov1alpha1.WorkspaceList{}, &corev1.PodList{}
	s.Must(s.Client.List(s.Ctx, workspaces, client.InNamespace(s.Name)))
	for i := range workspaces.Items {
		s.AwaitGone(&workspaces.Items[i], "to leave the execution namespace")
	}
	s.Must(s.Client.List(s.Ctx, pods, client.InNamespace(s.Name)))
	for i := range pods.Items {
		if pods.Items[i].Name != "cloud" {
			s.AwaitGone(&pods.Items[i], "to leave the execution namespace")
		}
	}
}
