package stage

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// stackManifest is a Stack that runs a Program of its namespace and keeps its state on the namespace's
// volume. The name of the stack is that of the Stack, so that stacks of one Program do not meet.
const stackManifest = `
apiVersion: pulumi.com/v1
kind: Stack
metadata: {name: %[1]q, namespace: %[2]q}
spec:
  stack: %[1]q
  backend: file:///state
  programRef: {name: %[3]q}
  envRefs:
    PULUMI_CONFIG_PASSPHRASE: {type: Secret, secret: {name: passphrase, key: passphrase}}
  workspaceTemplate:
    spec:
      podTemplate:
        spec:
          terminationGracePeriodSeconds: 5
          containers:
          - name: pulumi
            volumeMounts: [{name: state, mountPath: /state}]
          volumes: [{name: state, persistentVolumeClaim: {claimName: state}}]
`

// StackManifest is a Stack to be created, changed by overlays: partial Stacks in YAML, merged as a JSON
// merge patch does.
func (n *Namespace) StackManifest(name, program string, overlays ...string) (*unstructured.Unstructured, error) {
	object := map[string]any{}
	for _, text := range append([]string{fmt.Sprintf(stackManifest, name, n.Name, program)}, overlays...) {
		overlay := map[string]any{}
		if err := yaml.Unmarshal([]byte(text), &overlay); err != nil {
			return nil, fmt.Errorf("the manifest of Stack %s: %w", name, err)
		}
		merge(object, overlay)
	}
	return &unstructured.Unstructured{Object: object}, nil
}

// CreateStack makes a Stack and returns it to be watched.
func (n *Namespace) CreateStack(ctx context.Context, name, program string, overlays ...string) (*pulumiv1.Stack, error) {
	object, err := n.StackManifest(name, program, overlays...)
	if err != nil {
		return nil, err
	}
	if err := n.Client.Create(ctx, object); err != nil {
		return nil, fmt.Errorf("making Stack %s/%s: %w", n.Name, name, err)
	}
	return n.Stack(name), nil
}

// Stack is a Stack to be read or watched.
func (n *Namespace) Stack(name string) *pulumiv1.Stack {
	return &pulumiv1.Stack{ObjectMeta: n.meta(name)}
}

// Workspace is a Workspace to be read or watched.
func (n *Namespace) Workspace(name string) *autov1alpha1.Workspace {
	return &autov1alpha1.Workspace{ObjectMeta: n.meta(name)}
}

// ApplyProgram makes a Program of a Pulumi YAML program, or changes it.
func (n *Namespace) ApplyProgram(ctx context.Context, name, program string) error {
	body := map[string]any{}
	if err := yaml.Unmarshal([]byte(program), &body); err != nil {
		return fmt.Errorf("the text of Program %s: %w", name, err)
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": pulumiv1.GroupVersion.String(),
		"kind":       "Program",
		"metadata":   map[string]any{"name": name, "namespace": n.Name},
		"program":    body,
	}}
	err := n.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("story"), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("applying Program %s/%s: %w", n.Name, name, err)
	}
	return nil
}

// Patch changes an object by a merge patch in YAML.
func (s *Stage) Patch(ctx context.Context, object client.Object, patch string) error {
	raw, err := yaml.YAMLToJSON([]byte(patch))
	if err != nil {
		return fmt.Errorf("patch of %s: %w", object.GetName(), err)
	}
	if err := s.Client.Patch(ctx, object, client.RawPatch(types.MergePatchType, raw)); err != nil {
		return fmt.Errorf("changing %s %s: %w", kindName(object), client.ObjectKeyFromObject(object), err)
	}
	return nil
}

// Annotate sets an annotation, or removes it if the value is nil.
func (s *Stage) Annotate(ctx context.Context, object client.Object, key string, value *string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{key: value}}})
	if err != nil {
		return fmt.Errorf("annotating %s: %w", object.GetName(), err)
	}
	return s.Patch(ctx, object, string(patch))
}

// Updates lists the Updates of a Stack.
func (n *Namespace) Updates(ctx context.Context, stack string) ([]autov1alpha1.Update, error) {
	updates := &autov1alpha1.UpdateList{}
	if err := n.Client.List(ctx, updates, client.InNamespace(n.Name)); err != nil {
		return nil, fmt.Errorf("listing the Updates of %s/%s: %w", n.Name, stack, err)
	}
	var own []autov1alpha1.Update
	for _, update := range updates.Items {
		if update.Spec.WorkspaceName == pulumiv1.WorkspaceName(stack) {
			own = append(own, update)
		}
	}
	return own, nil
}

// Condition returns an object's condition of a type; a missing one has no status.
func Condition(conditions []metav1.Condition, kind string) metav1.Condition {
	for _, condition := range conditions {
		if condition.Type == kind {
			return condition
		}
	}
	return metav1.Condition{Type: kind}
}

// Ready tells whether a Stack is in line with its spec as it is now.
func Ready(stack *pulumiv1.Stack) bool {
	return stack.Status.ObservedGeneration == stack.Generation &&
		Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeReady).Status == metav1.ConditionTrue
}

func merge(object, overlay map[string]any) {
	for key, value := range overlay {
		inner, isMap := value.(map[string]any)
		existing, wasMap := object[key].(map[string]any)
		switch {
		case value == nil:
			delete(object, key)
		case isMap && wasMap:
			merge(existing, inner)
		default:
			object[key] = value
		}
	}
}
