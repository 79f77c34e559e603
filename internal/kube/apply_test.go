package kube_test

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/kube"
)

func newClient(t *testing.T, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := autov1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(&autov1alpha1.Workspace{}).Build()
}

func get(t *testing.T, c client.Client, key client.ObjectKey) *autov1alpha1.Workspace {
	t.Helper()
	workspace := &autov1alpha1.Workspace{}
	if err := c.Get(t.Context(), key, workspace); err != nil {
		t.Fatal(err)
	}
	return workspace
}

func TestApplyStatusRefusesStaleCopies(t *testing.T) {
	key := client.ObjectKey{Namespace: "ns", Name: "demo"}
	c := newClient(t, &autov1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}})
	fresh, stale := get(t, c, key), get(t, c, key)

	for _, version := range []string{"1", "2"} {
		status := autov1alpha1.WorkspaceStatus{ObservedGeneration: 1, PulumiVersion: version}
		if err := kube.ApplyStatus(t.Context(), c, fresh, kube.ManagerWorkspaceStatus, &fresh.Status, &status); err != nil {
			t.Fatalf("write %s with a fresh copy: %v", version, err)
		}
	}
	status := autov1alpha1.WorkspaceStatus{ObservedGeneration: 1, PulumiVersion: "0"}
	err := kube.ApplyStatus(t.Context(), c, stale, kube.ManagerWorkspaceStatus, &stale.Status, &status)
	if !apierrors.IsConflict(err) {
		t.Errorf("a stale write gave %v, want a conflict", err)
	}
	if got := get(t, c, key).Status.PulumiVersion; got != "2" {
		t.Errorf("pulumiVersion is %q, want 2", got)
	}
}

func TestApplyStatusWritesNothingWhenNothingChanged(t *testing.T) {
	key := client.ObjectKey{Namespace: "ns", Name: "demo"}
	c := newClient(t, &autov1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}})
	workspace := get(t, c, key)
	same := workspace.Status
	if err := kube.ApplyStatus(t.Context(), c, workspace, kube.ManagerWorkspaceStatus, &workspace.Status, &same); err != nil {
		t.Fatal(err)
	}
	if got := get(t, c, key).ResourceVersion; got != workspace.ResourceVersion {
		t.Errorf("resource version went from %s to %s", workspace.ResourceVersion, got)
	}
}

func TestApplyCreatesAndAnswersTheUID(t *testing.T) {
	c := newClient(t)
	workspace := &autov1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "demo"}, Spec: autov1alpha1.WorkspaceSpec{Image: "a"}}
	for _, image := range []string{"a", "b"} {
		workspace.Spec.Image = image
		if err := kube.Apply(t.Context(), c, workspace, kube.ManagerObjects); err != nil {
			t.Fatal(err)
		}
		if got := get(t, c, client.ObjectKeyFromObject(workspace)).Spec.Image; got != image {
			t.Errorf("image is %q, want %q", got, image)
		}
	}
	if workspace.ResourceVersion == "" {
		t.Error("Apply did not answer the object as the server has it")
	}
}
