package compat

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

func TestDefaults(t *testing.T) {
	c, namespace := connect(t)
	cases := map[string]struct {
		manifest string
		spec     string
	}{
		"Stack":         {`{apiVersion: pulumi.com/v1, kind: Stack, metadata: {name: new}, spec: {stack: dev, workspaceTemplate: {spec: {image: a}}}}`, `{"stack":"dev","workspaceTemplate":{"spec":{"image":"a"}}}`},
		"StackV1alpha1": {`{apiVersion: pulumi.com/v1alpha1, kind: Stack, metadata: {name: old}, spec: {stack: dev}}`, `{"stack":"dev"}`},
		"StackKube":     {`{apiVersion: pulumi.com/v1, kind: Stack, metadata: {name: kube}, spec: {stack: dev, kubeconfig: {}}}`, `{"kubeconfig":{"type":"InCluster"},"stack":"dev"}`},
		"Program":       {`{apiVersion: pulumi.com/v1, kind: Program, metadata: {name: new}, program: {}}`, `null`},
		"Workspace":     {`{apiVersion: auto.pulumi.com/v1alpha1, kind: Workspace, metadata: {name: new}, spec: {}}`, `{"securityProfile":"restricted","serviceAccountName":"default"}`},
		"Update":        {`{apiVersion: auto.pulumi.com/v1alpha1, kind: Update, metadata: {name: new}, spec: {}}`, `{}`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := create(t.Context(), t, c, object(t, namespace, tc.manifest))
			if diff := cmp.Diff(map[string]any{"observedGeneration": int64(-1)}, got.Object["status"]); diff != "" {
				t.Errorf("status of an object that no controller has seen, -want +got:\n%s", diff)
			}
			if result, err := status.Compute(got); err != nil || result.Status != status.InProgressStatus {
				t.Errorf("kstatus says %+v of it (%v), want %s", result, err, status.InProgressStatus)
			}
			if spec := encoded(t, got.Object["spec"]); spec != tc.spec {
				t.Errorf("spec is %s, want %s", spec, tc.spec)
			}
		})
	}
}

// What an informer or a typed client sees, and what becomes of the default when a controller writes.
func TestDefaultStatusGivesWay(t *testing.T) {
	c, namespace := connect(t)
	update := &autov1alpha1.Update{}
	update.Namespace, update.Name = namespace, "typed"
	if err := c.Create(t.Context(), update); err != nil {
		t.Fatalf("create what Go's zero value gives: %v", err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(update), update); err != nil {
		t.Fatal(err)
	}
	if update.Status.ObservedGeneration != -1 {
		t.Errorf("observedGeneration is %d, want -1", update.Status.ObservedGeneration)
	}
	update.Status = autov1alpha1.UpdateStatus{ObservedGeneration: 1, Message: "m"}
	if err := c.Status().Update(t.Context(), update); err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(update), update); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(autov1alpha1.UpdateStatus{ObservedGeneration: 1, Message: "m"}, update.Status); diff != "" {
		t.Errorf("status, -want +got:\n%s", diff)
	}
}

func TestStackNameLength(t *testing.T) {
	c, namespace := connect(t)
	stack := func(version string, length int) *unstructured.Unstructured {
		return object(t, namespace, `{apiVersion: pulumi.com/`+version+`, kind: Stack, metadata: {name: `+strings.Repeat("a", length)+`}, spec: {stack: dev}}`)
	}
	for _, length := range []int{42, 43, 63, 64, 253} {
		create(t.Context(), t, c, stack("v1", length))
	}
	refused(t, c.Create(t.Context(), stack("v1", 254)), "no more than 253")
	create(t.Context(), t, c, stack("v1alpha1", 44))
}

func TestKubeconfig(t *testing.T) {
	c, namespace := connect(t)
	type expected struct {
		kubeconfig string
		refusal    string
	}
	ofStacks := map[string]expected{
		"Output":           {`{type: StackOutput, stackRef: {name: a, output: b}}`, ""},
		"OutputNowhere":    {`{type: StackOutput}`, "stackRef is needed with type StackOutput"},
		"OutputNotWanted":  {`{type: None, stackRef: {name: a, output: b}}`, "stackRef is needed with type StackOutput, and only then"},
		"OutputByDefault":  {`{stackRef: {name: a, output: b}}`, "stackRef is needed with type StackOutput, and only then"},
		"OutputBesideRef":  {`{type: StackOutput, stackRef: {name: a, output: b}, secretRef: {name: a, key: b}}`, "secretRef is needed with type Secret, and only then"},
		"OutputUnnamed":    {`{type: StackOutput, stackRef: {name: a, output: ""}}`, "stackRef.output"},
		"OutputOfNoStack":  {`{type: StackOutput, stackRef: {output: b}}`, "stackRef.name"},
		"SecretAndNowhere": {`{type: Secret, stackRef: {name: a, output: b}}`, "secretRef is needed with type Secret"},
	}
	cases := map[string]expected{
		"Default":       {`{}`, ""},
		"InCluster":     {`{type: InCluster}`, ""},
		"None":          {`{type: None}`, ""},
		"Secret":        {`{type: Secret, secretRef: {name: a, key: b}}`, ""},
		"SecretNowhere": {`{type: Secret}`, "secretRef is needed with type Secret"},
		"RefNotWanted":  {`{type: None, secretRef: {name: a, key: b}}`, "secretRef is needed with type Secret, and only then"},
		"RefByDefault":  {`{secretRef: {name: a, key: b}}`, "secretRef is needed with type Secret, and only then"},
		"RefEmpty":      {`{type: Secret, secretRef: {name: "", key: b}}`, "secretRef.name"},
		"TypeUnknown":   {`{type: File}`, `Unsupported value: "File"`},
	}
	kinds := map[string]string{
		"Stack":     `{apiVersion: pulumi.com/v1, kind: Stack, metadata: {generateName: k-}, spec: {stack: dev, kubeconfig: KUBECONFIG}}`,
		"StackOld":  `{apiVersion: pulumi.com/v1alpha1, kind: Stack, metadata: {generateName: k-}, spec: {stack: dev, kubeconfig: KUBECONFIG}}`,
		"Workspace": `{apiVersion: auto.pulumi.com/v1alpha1, kind: Workspace, metadata: {generateName: k-}, spec: {kubeconfig: KUBECONFIG}}`,
	}
	for kind, manifest := range kinds {
		all := maps.Clone(cases)
		if kind != "Workspace" {
			maps.Copy(all, ofStacks)
		}
		for name, tc := range all {
			t.Run(kind+name, func(t *testing.T) {
				err := c.Create(t.Context(), object(t, namespace, strings.ReplaceAll(manifest, "KUBECONFIG", tc.kubeconfig)))
				if tc.refusal != "" {
					refused(t, err, tc.refusal)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestProgramIsKeptAsItIs(t *testing.T) {
	c, namespace := connect(t)
	const program = `{"components":{"c":{"inputs":{}}},"configuration":{"m":{"default":null},"n":{"default":2,"secret":true,"type":"Boolean"}},` +
		`"outputs":{"o":"${r.result}","z":null},"packages":{"p":{"source":"x"},"q":"1.2.3"},"pulumi":{"requiredVersion":">=3"},` +
		`"resources":{"r":{"defaultProvider":true,"get":{"id":"i","x":1},"options":{"aliases":["urn",{"name":"old"}],"customTimeouts":{"create":"5m","read":"1m"},` +
		`"deletedWith":"${s}","dependsOn":["${s}",null],"parent":null,"retainOnDelete":true},"properties":{"a":{"fn::toJSON":[1,2.5,null]}},"type":"random:RandomPassword"}},` +
		`"variables":{"v":{"fn::invoke":{}}}}`
	create(t.Context(), t, c, object(t, namespace, `{"apiVersion":"pulumi.com/v1","kind":"Program","metadata":{"name":"p"},"program":`+program+`}`))

	typed := &pulumiv1.Program{}
	if err := c.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: "p"}, typed); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(program, sorted(t, typed.Program.Raw)); diff != "" {
		t.Errorf("the program that the controller reads, -given +read:\n%s", diff)
	}
	if diff := cmp.Diff(typed, typed.DeepCopy()); diff != "" {
		t.Errorf("a copy, -original +copy:\n%s", diff)
	}
	if err := c.Update(t.Context(), typed); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(program, sorted(t, typed.Program.Raw)); diff != "" {
		t.Errorf("the program after it was written back, -given +read:\n%s", diff)
	}
}

func TestProgramSchemaStillRefuses(t *testing.T) {
	c, namespace := connect(t)
	err := c.Create(t.Context(), object(t, namespace, `{apiVersion: pulumi.com/v1, kind: Program, metadata: {name: p}, program: {resources: {r: {properties: {}}}}}`))
	refused(t, err, "program.resources.r.type: Required value")
}

func TestPodTemplateSpecIsKeptAsItIs(t *testing.T) {
	c, namespace := connect(t)
	const spec = `{"$setElementOrder/containers":[{"name":"pulumi"}],"containers":[{"env":[{"name":"A"},{"name":"A"}],"name":"pulumi","unheardOf":{"x":[1,2.5,null,"<&>"]}}],` +
		`"terminationGracePeriodSeconds":"soon","volumes":null}`
	kinds := map[string]struct {
		manifest string
		read     func(t *testing.T) []byte
	}{
		"Workspace": {
			`{"apiVersion":"auto.pulumi.com/v1alpha1","kind":"Workspace","metadata":{"name":"w"},"spec":{"podTemplate":{"spec":` + spec + `}}}`,
			func(t *testing.T) []byte {
				t.Helper()
				workspace := &autov1alpha1.Workspace{}
				get(t, c, types.NamespacedName{Namespace: namespace, Name: "w"}, workspace)
				return workspace.Spec.PodTemplate.Spec.Raw
			},
		},
		"Stack": {
			`{"apiVersion":"pulumi.com/v1","kind":"Stack","metadata":{"name":"s"},"spec":{"stack":"dev","workspaceTemplate":{"spec":{"podTemplate":{"spec":` + spec + `}}}}}`,
			func(t *testing.T) []byte {
				t.Helper()
				stack := &pulumiv1.Stack{}
				get(t, c, types.NamespacedName{Namespace: namespace, Name: "s"}, stack)
				return stack.Spec.WorkspaceTemplate.Spec.PodTemplate.Spec.Raw
			},
		},
	}
	for kind, tc := range kinds {
		t.Run(kind, func(t *testing.T) {
			create(t.Context(), t, c, object(t, namespace, tc.manifest))
			if diff := cmp.Diff(spec, sorted(t, tc.read(t))); diff != "" {
				t.Errorf("-given +read:\n%s", diff)
			}
		})
	}
}

// sorted is JSON with sorted keys and without escapes that it does not need, which is all the server may change.
func sorted(t *testing.T, data []byte) string {
	t.Helper()
	var value any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return encoded(t, value)
}

func get(t *testing.T, c client.Client, key types.NamespacedName, into client.Object) {
	t.Helper()
	if err := c.Get(t.Context(), key, into); err != nil {
		t.Fatal(err)
	}
}
