package flux_test

import (
	"slices"
	"testing"

	"github.com/fluxcd/pkg/ssa"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// fromGitOps is a Stack as it is in a repository that Flux applies.
const fromGitOps = `
apiVersion: pulumi.com/v1
kind: Stack
metadata: {namespace: ns, name: app, labels: {team: web}}
spec:
  stack: dev
  destroyOnFinalize: true
  fluxSource: {sourceRef: {apiVersion: source.toolkit.fluxcd.io/v1, kind: GitRepository, name: app}, dir: infra}
  envRefs: {A: {type: Literal, literal: {value: b}}}
  workspaceTemplate: {spec: {resources: {requests: {cpu: 1000m}}}}
`

// kustomization applies as kustomize-controller does: with its library, its name, and the managers that it strips.
type kustomization struct {
	*setting
	manager *ssa.ResourceManager
}

func (k *kustomization) apply() ssa.Action {
	k.t.Helper()
	object := &unstructured.Unstructured{}
	must(k.t, yaml.Unmarshal([]byte(fromGitOps), &object.Object))
	k.manager.SetOwnerLabels([]*unstructured.Unstructured{object}, "apps", "flux-system")
	options := ssa.DefaultApplyOptions()
	options.Cleanup = ssa.ApplyCleanupOptions{
		Annotations: []string{"kubectl.kubernetes.io/last-applied-configuration"},
		FieldManagers: []ssa.FieldManager{
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply},
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: "before-first-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: "kustomize-controller", OperationType: metav1.ManagedFieldsOperationUpdate},
		},
	}
	entry, err := k.manager.Apply(k.t.Context(), object, options)
	must(k.t, err)
	return entry.Action
}

// request annotates as a command-line tool of the given name does.
func (k *kustomization) request(stack *pulumiv1.Stack, value, manager string) {
	k.t.Helper()
	changed := stack.DeepCopy()
	if changed.Annotations == nil {
		changed.Annotations = map[string]string{}
	}
	changed.Annotations[pulumiv1.AnnotationReconciliationRequest] = value
	must(k.t, k.Patch(k.t.Context(), changed, client.MergeFrom(stack), client.FieldOwner(manager)))
}

// finish waits for the Stack's next Update, ends it well, and waits until that is on record.
func (k *kustomization) finish(stack *pulumiv1.Stack) {
	k.t.Helper()
	k.until(stack, "to have an Update", func() bool { return stack.Status.CurrentUpdate != nil })
	update := &autov1alpha1.Update{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: stack.Status.CurrentUpdate.Name}}
	k.until(update, "to be made", func() bool { return true })
	for kind, status := range map[string]metav1.ConditionStatus{"Complete": metav1.ConditionTrue, "Failed": metav1.ConditionFalse} {
		meta.SetStatusCondition(&update.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: "Told"})
	}
	must(k.t, k.Status().Update(k.t.Context(), update))
	k.until(stack, "to be Ready", func() bool {
		return stack.Status.CurrentUpdate == nil && meta.IsStatusConditionTrue(stack.Status.Conditions, "Ready")
	})
}

func (k *kustomization) updates() int {
	k.t.Helper()
	var list autov1alpha1.UpdateList
	must(k.t, k.List(k.t.Context(), &list))
	return len(list.Items)
}

// What Flux applies and what Gantry writes do not disturb each other, and a request that Flux strips asks for nothing.
func TestStackAppliedByFlux(t *testing.T) {
	s := newSetting(t)
	k := &kustomization{setting: s, manager: ssa.NewResourceManager(s.Client, nil, ssa.Owner{Field: "kustomize-controller", Group: "kustomize.toolkit.fluxcd.io"})}
	object := s.source("GitRepository", "app")
	s.serve(object, order(object, "main@sha1:1"), nil)

	if action := k.apply(); action != ssa.CreatedAction {
		t.Errorf("the first apply: %s", action)
	}
	stack := &pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app"}}
	k.finish(stack)
	generation := stack.Generation
	if action := k.apply(); action != ssa.UnchangedAction {
		t.Errorf("after an update the Stack has drifted: %s", action)
	}

	t.Log("a request by kubectl runs once, and is stripped by the next apply, which runs nothing")
	k.request(stack, "one", "kubectl-annotate")
	k.finish(stack)
	if action := k.apply(); action != ssa.ConfiguredAction {
		t.Errorf("the request is left: %s", action)
	}
	k.until(stack, "to have seen that the request is gone", func() bool {
		return stack.Annotations[pulumiv1.AnnotationReconciliationRequest] == "" && stack.Status.ObservedReconcileRequest == ""
	})
	if n := k.updates(); n != 2 || stack.Status.CurrentUpdate != nil || !meta.IsStatusConditionTrue(stack.Status.Conditions, "Ready") {
		t.Errorf("%d Updates, want 2; the status is %+v", n, stack.Status)
	}

	t.Log("one under the name that Flux gives such tools stays")
	k.request(stack, "two", "flux-client-side-apply")
	k.finish(stack)
	if action := k.apply(); action != ssa.UnchangedAction {
		t.Errorf("the request is stripped, or the Stack has drifted: %s", action)
	}
	must(t, s.Get(t.Context(), client.ObjectKeyFromObject(stack), stack))
	if stack.Annotations[pulumiv1.AnnotationReconciliationRequest] != "two" || stack.Generation != generation || !slices.Contains(stack.Finalizers, pulumiv1.Finalizer) {
		t.Errorf("the Stack is %+v", stack.ObjectMeta)
	}

	t.Log("a new artifact runs at once, though nothing was applied")
	s.serve(object, order(object, "main@sha1:2"), nil)
	k.finish(stack)
	if last := stack.Status.LastUpdate; last.LastSuccessfulCommit != "main@sha1:2" || k.updates() != 4 {
		t.Errorf("the record is %+v of %d Updates", last, k.updates())
	}
}
