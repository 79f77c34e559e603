package compat

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/kube"
)

// cond is a condition as Gantry writes them.
func cond(kind string, status metav1.ConditionStatus, reason string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: "m", ObservedGeneration: 1, LastTransitionTime: metav1.Unix(1767312000, 0)}
}

// leftByGantry writes objects as Gantry leaves them when nothing runs, with all that is Gantry's own in them.
func leftByGantry(t *testing.T, c client.Client, namespace string) []client.Object {
	t.Helper()
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: namespace, Name: name} }
	kubeconfig := &autov1alpha1.KubeconfigSource{Type: "None"}
	stack := &pulumiv1.Stack{ObjectMeta: meta("demo"), Spec: pulumiv1.StackSpec{Stack: "dev", Kubeconfig: &pulumiv1.KubeconfigSource{Type: "None"}, DestroyOnFinalize: true}}
	stack.Finalizers = []string{pulumiv1.Finalizer}
	workspace := &autov1alpha1.Workspace{ObjectMeta: meta("demo"), Spec: autov1alpha1.WorkspaceSpec{
		Image: "pulumi/pulumi:3.258.0", AgentPath: "/agent", IdleTimeout: "1m", Kubeconfig: kubeconfig,
		Flux:        &autov1alpha1.FluxSource{URL: "https://gantry-hub.gantry-system.svc:9444/artifacts/sha256:01", Digest: "sha256:01"},
		PodTemplate: &autov1alpha1.EmbeddedPodTemplate{Spec: &apiextensionsv1.JSON{Raw: []byte(`{"containers":[{"name":"pulumi","volumeMounts":[{"name":"v","mountPath":"/v"}]}],"volumes":[{"name":"v","emptyDir":{}}]}`)}},
		Stacks:      []autov1alpha1.WorkspaceStack{{Name: "dev", Create: new(true), Config: []autov1alpha1.ConfigItem{{Key: "a", Value: &apiextensionsv1.JSON{Raw: []byte(`"b"`)}}}}},
	}}
	update := &autov1alpha1.Update{ObjectMeta: meta("demo-0123456789"), Spec: autov1alpha1.UpdateSpec{WorkspaceName: "demo", StackName: "dev", Type: autov1alpha1.UpUpdate, TTLAfterCompleted: new("24h0m0s")}}
	program := &pulumiv1.Program{ObjectMeta: meta("demo"), Program: pulumiv1.ProgramSpec{JSON: apiextensionsv1.JSON{Raw: []byte(`{"outputs":{"a":1}}`)}}}
	for _, object := range []client.Object{stack, update, program} {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	if err := kube.Apply(t.Context(), c, workspace, kube.ManagerObjects); err != nil {
		t.Fatal(err)
	}
	now := metav1.Unix(1767312000, 0)
	project := &autov1alpha1.ProjectInfo{Name: "p", Runtime: "yaml"}
	applyStatus(t, c, stack, kube.ManagerStackStatus, &pulumiv1.StackStatus{
		ObservedGeneration: 1, Applied: new(true), ProjectInfo: project,
		Outputs: map[string]apiextensionsv1.JSON{"a": {Raw: []byte(`{"b":[null]}`)}},
		LastUpdate: &pulumiv1.LastUpdate{
			Generation: 1, Name: update.Name, Type: autov1alpha1.UpUpdate, State: pulumiv1.FailedStackState, Message: "m", Reason: "UpdateFailed",
			LastAttemptedCommit: "2", LastSuccessfulCommit: "1", LastResyncTime: now, Failures: 1, Inputs: map[string]string{"Secret/a": "0"},
		},
		Conditions: []metav1.Condition{cond("Ready", "False", "NotReadyInProgress"), cond("Reconciling", "True", "RetryingAfterFailure"), cond("FieldsIgnored", "True", "NoEffect")},
	})
	applyStatus(t, c, workspace, kube.ManagerWorkspaceStatus, &autov1alpha1.WorkspaceStatus{
		ObservedGeneration: 1, PulumiVersion: "3.258.0", PodName: "demo-workspace-0", Conditions: []metav1.Condition{cond("Ready", "True", "Succeeded")},
	})
	applyStatus(t, c, update, kube.ManagerUpdateStatus, &autov1alpha1.UpdateStatus{
		ObservedGeneration: 1, StartTime: &now, EndTime: &now, Message: "m", ProjectInfo: project, PodUID: "u",
		Progress: &autov1alpha1.UpdateProgress{Done: 1, Step: "s"}, Changes: map[string]int32{"create": 1},
		Conditions: []metav1.Condition{
			cond("Progressing", "False", "Complete"), cond("Failed", "True", "UpdateFailed"), cond("Complete", "True", "Updated"),
			cond("Ready", "False", "NotReadyStalled"), cond("Stalled", "True", "UpdateFailed"),
		},
	})
	applyStatus(t, c, program, kube.ManagerProgramStatus, &pulumiv1.ProgramStatus{
		ObservedGeneration: 1, Conditions: []metav1.Condition{cond("Ready", "True", "Succeeded")},
		Artifact: &pulumiv1.Artifact{Path: "p", URL: "https://gantry-hub.gantry-system.svc:9444/artifacts/sha256:01", Revision: "1", Digest: "sha256:01", LastUpdateTime: now},
	})
	return []client.Object{stack, workspace, update, program}
}

func applyStatus[T any](t *testing.T, c client.Client, object client.Object, manager string, status *T) {
	t.Helper()
	if err := kube.ApplyStatus(t.Context(), c, object, manager, new(T), status); err != nil {
		t.Fatalf("status of %T: %v", object, err)
	}
}

// backUnderPKO is an API server on which PKO's definitions have replaced ours, and what Gantry had left there.
func backUnderPKO(t *testing.T) (client.Client, []*unstructured.Unstructured) {
	t.Helper()
	theirs := definitions(t, referenceDir(t, "crds"))
	needsServer(t)
	// A server of its own: the other tests need our definitions.
	environment := ourDefinitions()
	config, err := environment.Start()
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	scheme := newScheme(t)
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, apiextensionsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	left := leftByGantry(t, c, "default")
	for name, their := range theirs {
		installed := &apiextensionsv1.CustomResourceDefinition{}
		if err := c.Get(t.Context(), client.ObjectKey{Name: name}, installed); err != nil {
			t.Fatal(err)
		}
		installed.Spec = their.Spec
		if err := c.Update(t.Context(), installed); err != nil {
			t.Fatalf("put PKO's definition in the place of ours: %v", err)
		}
	}
	var found []*unstructured.Unstructured
	for _, object := range left {
		u := &unstructured.Unstructured{}
		kind, err := c.GroupVersionKindFor(object)
		if err != nil {
			t.Fatal(err)
		}
		u.SetGroupVersionKind(kind)
		u.SetNamespace(object.GetNamespace())
		u.SetName(object.GetName())
		found = append(found, u)
	}
	servesTheirs(t, c, found[0])
	return c, found
}

// servesTheirs waits until the server has taken PKO's definitions up, of which no event tells.
func servesTheirs(t *testing.T, c client.Client, stack *unstructured.Unstructured) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		read := reread(t.Context(), t, c, stack)
		if _, ours, _ := unstructured.NestedBool(read.Object, "status", "applied"); !ours {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the server still has our definitions")
		}
	}
}

// What Gantry leaves is what PKO can go on with: under PKO's definitions every object can be read and written, and PKO's
// own field managers make its status PKO's again.
func TestBackToPKO(t *testing.T) {
	c, left := backUnderPKO(t)
	ours := map[string][]string{
		"Stack": {"spec.kubeconfig", "status.applied", "status.lastUpdate.inputs", "status.lastUpdate.reason"}, "Workspace": {"spec.agentPath", "spec.idleTimeout", "spec.kubeconfig", "status.podName"},
		"Update": {"status.podUID", "status.progress", "status.changes"}, "Program": {"status.conditions"},
	}
	for _, object := range left {
		read := reread(t.Context(), t, c, object)
		for _, path := range ours[read.GetKind()] {
			if _, there, _ := unstructured.NestedFieldNoCopy(read.Object, strings.Split(path, ".")...); there {
				t.Errorf("%s: %s is still there", read.GetKind(), path)
			}
		}
		// Writing it as it is has the server check all of it.
		read.SetAnnotations(map[string]string{"written-by": "pko"})
		if err := c.Update(t.Context(), read); err != nil {
			t.Errorf("write %s: %v", read.GetKind(), err)
		}
		if err := c.Status().Update(t.Context(), read); err != nil {
			t.Errorf("write the status of %s: %v", read.GetKind(), err)
		}
	}

	stack := reread(t.Context(), t, c, left[0])
	record, _, _ := unstructured.NestedMap(stack.Object, "status", "lastUpdate")
	want := map[string]any{
		"generation": int64(1), "name": "demo-0123456789", "type": "up", "state": "failed", "message": "m",
		"lastAttemptedCommit": "2", "lastSuccessfulCommit": "1", "lastResyncTime": "2026-01-02T00:00:00Z", "failures": int64(1),
	}
	if diff := cmp.Diff(want, record); diff != "" {
		t.Errorf("lastUpdate for PKO (-want +got):\n%s", diff)
	}
	if !slices.Equal(stack.GetFinalizers(), []string{"finalizer.stack.pulumi.com"}) {
		t.Errorf("finalizers are %v", stack.GetFinalizers())
	}
}

// PKO's field managers own what Gantry applied.
func TestBackToPKOsFieldManagers(t *testing.T) {
	c, left := backUnderPKO(t)
	apply := func(manager string, force bool, manifest string) error {
		o := object(t, "default", manifest)
		options := []client.ApplyOption{client.FieldOwner(manager)}
		if force {
			options = append(options, client.ForceOwnership)
		}
		if _, status := o.Object["status"]; !status {
			return c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), options...)
		}
		return c.Status().Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), client.FieldOwner(manager), client.ForceOwnership)
	}
	condition := `[{type: Ready, status: "True", reason: R, message: "", lastTransitionTime: "2026-01-02T00:00:00Z"}]`
	for name, err := range map[string]error{
		"the Workspace without force": apply("pulumi-kubernetes-operator", false,
			`{apiVersion: auto.pulumi.com/v1alpha1, kind: Workspace, metadata: {name: demo}, spec: {image: other, flux: {url: "http://pko/1", digest: "sha256:02"}, stacks: [{name: dev, create: true}]}}`),
		"the Stack's status": apply("pulumi-kubernetes-operator/stack-status", true,
			`{apiVersion: pulumi.com/v1, kind: Stack, metadata: {name: demo}, status: {observedGeneration: 1, conditions: `+condition+`}}`),
		"the Workspace's status": apply("pulumi-kubernetes-operator/workspace-status", true,
			`{apiVersion: auto.pulumi.com/v1alpha1, kind: Workspace, metadata: {name: demo}, status: {observedGeneration: 2, address: a, conditions: `+condition+`}}`),
		"the Update's status": apply("pulumi-kubernetes-operator/update-status", true,
			`{apiVersion: auto.pulumi.com/v1alpha1, kind: Update, metadata: {name: demo-0123456789}, status: {observedGeneration: 1, conditions: `+condition+`}}`),
	} {
		if err != nil {
			t.Errorf("PKO applies %s: %v", name, err)
		}
	}
	workspace := reread(t.Context(), t, c, left[1])
	spec, _, _ := unstructured.NestedMap(workspace.Object, "spec")
	if _, template := spec["podTemplate"]; template || spec["image"] != "other" {
		t.Errorf("the Workspace that PKO applied is %v", spec)
	}
	for i, kind := range []string{"Stack", "Workspace", "Update"} {
		status, _, _ := unstructured.NestedMap(reread(t.Context(), t, c, left[i]).Object, "status")
		conditions, _ := status["conditions"].([]any)
		if len(conditions) != 1 || status["lastUpdate"] != nil || status["endTime"] != nil || status["pulumiVersion"] != nil {
			t.Errorf("the status of the %s that PKO applied is %v", kind, status)
		}
	}
}
