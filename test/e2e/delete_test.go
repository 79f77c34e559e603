package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// settings is a program that makes a ConfigMap in the namespace of its pod.
const settings = `
resources:
  settings:
    type: kubernetes:core/v1:ConfigMap
    properties:
      metadata: {name: settings}
      data: {colour: blue}
`

// holder is a finalizer that keeps a resource until the story lets it go.
const holder = "story.test/hold"

// mayManageConfigMaps lets the default ServiceAccount of the story's namespace manage ConfigMaps there.
func (s *story) mayManageConfigMaps() {
	s.T.Helper()
	role := &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "stacks"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"*"}}},
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: role.ObjectMeta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: s.Name, Name: "default"}},
	}
	s.Must(s.Client.Create(s.Ctx, role))
	s.Must(s.Client.Create(s.Ctx, binding))
}

func (s *story) configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: name}}
}

func TestDeleteDestroysFirst(t *testing.T) {
	t.Parallel()
	s := begin(t, "destroy")
	s.mayManageConfigMaps()
	s.program("settings", settings)
	stack := s.stack("destroy", "settings", onImage, `{spec: {destroyOnFinalize: true}}`)
	s.AwaitReady(stack)
	made := s.configMap("settings")
	s.Await(made, "to be made", func() bool { return made.Data["colour"] == "blue" })
	s.Must(s.Patch(s.Ctx, made, `{metadata: {finalizers: ["`+holder+`"]}}`))

	s.Must(s.Client.Delete(s.Ctx, stack))
	s.Await(made, "to be on its way out", func() bool { return made.DeletionTimestamp != nil })
	s.never(stack, 3*time.Second, func() error {
		if !slices.Contains(stack.Finalizers, pulumiv1.Finalizer) {
			return fmt.Errorf("the finalizer went before the resources: %v", stack.Finalizers)
		}
		return nil
	})
	s.Must(s.Client.Get(s.Ctx, s.Key("destroy"), stack))
	s.Must(s.Patch(s.Ctx, made, `{metadata: {finalizers: null}}`))
	s.AwaitGone(stack, "to be gone")
	if err := s.Client.Get(s.Ctx, s.Key("settings"), made); !apierrors.IsNotFound(err) {
		t.Errorf("the ConfigMap is still there when the Stack is gone: %v", err)
	}
	s.AwaitGone(s.Workspace("destroy"), "to be gone with its Stack")
	s.AwaitGone(s.Pod("destroy"), "to be gone with its Stack")
}

func TestDeleteKeepsWithoutDestroyOnFinalize(t *testing.T) {
	t.Parallel()
	s := begin(t, "keep")
	s.mayManageConfigMaps()
	s.program("settings", settings)
	stack := s.stack("keep", "settings", onImage)
	s.AwaitReady(stack)
	made := s.configMap("settings")
	s.Must(s.Client.Get(s.Ctx, s.Key("settings"), made))

	s.Must(s.Client.Delete(s.Ctx, stack))
	s.AwaitGone(stack, "to be gone")
	s.AwaitGone(s.Workspace("keep"), "to be gone with its Stack")
	kept := s.configMap("settings")
	s.Must(s.Client.Get(s.Ctx, s.Key("settings"), kept))
	if kept.UID != made.UID || kept.DeletionTimestamp != nil {
		t.Errorf("the ConfigMap was not kept: UID %s became %s", made.UID, kept.UID)
	}
	updates, err := s.Updates(s.Ctx, "keep")
	s.Must(err)
	for _, update := range updates {
		if update.Spec.Type == autov1alpha1.DestroyUpdate {
			t.Errorf("a destroy was made: %s", update.Name)
		}
	}
}
