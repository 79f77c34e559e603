package pod

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

func TestInputs(t *testing.T) {
	workspace := &autov1alpha1.Workspace{}
	workspace.Name = "demo"
	if err := yaml.UnmarshalStrict([]byte(`
env:
- {name: A, valueFrom: {secretKeyRef: {name: tok, key: a}}}
- {name: B, valueFrom: {secretKeyRef: {name: tok, key: b, optional: true}}}
- {name: C, valueFrom: {configMapKeyRef: {name: perhaps, key: c, optional: true}}}
- {name: D, value: plain}
envFrom: [{secretRef: {name: all}}, {configMapRef: {name: some, optional: true}}]
kubeconfig: {type: Secret, secretRef: {name: far, key: config}}
stacks:
- name: dev
  config:
  - {key: c, valueFrom: {path: /configs/cmx/f.json}}
  - {key: d, valueFrom: {path: /configs/cmx/g}}
  - {key: e, valueFrom: {path: /projected/x}}
  - {key: f, valueFrom: {env: A}}
podTemplate:
  spec:
    initContainers: [{name: p, image: i, env: [{name: C, valueFrom: {secretKeyRef: {name: of-another-container, key: k}}}]}]
    containers:
    - name: pulumi
      volumeMounts:
      - {name: read, mountPath: /configs/cmx}
      - {name: whole, mountPath: /whole}
      - {name: part, mountPath: /part}
      - {name: projected, mountPath: /projected}
    volumes:
    - {name: read, configMap: {name: cmx}}
    - {name: whole, secret: {secretName: certificates}}
    - {name: part, secret: {secretName: tok, items: [{key: z, path: w}]}}
    - {name: projected, projected: {sources: [{secret: {name: one}}, {configMap: {name: two, items: [{key: k, path: p}]}}]}}
    - {name: unmounted, secret: {secretName: unmounted}}
`), &workspace.Spec); err != nil {
		t.Fatal(err)
	}
	got, err := Inputs(workspace)
	if err != nil {
		t.Fatal(err)
	}
	want := []Input{
		{Reference{"ConfigMap", "cmx"}, true, false, map[string]bool{"f.json": true, "g": true}},
		{Reference{"ConfigMap", "perhaps"}, false, false, map[string]bool{"c": false}},
		{Reference{"ConfigMap", "some"}, false, true, map[string]bool{}},
		{Reference{"ConfigMap", "two"}, true, false, map[string]bool{"k": true}},
		{Reference{"Secret", "all"}, true, true, map[string]bool{}},
		{Reference{"Secret", "certificates"}, true, true, map[string]bool{}},
		{Reference{"Secret", "far"}, true, false, map[string]bool{"config": true}},
		{Reference{"Secret", "one"}, true, true, map[string]bool{}},
		{Reference{"Secret", "tok"}, true, false, map[string]bool{"a": true, "b": false, "z": true}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("inputs (-want +got):\n%s", diff)
	}
}

func TestInputsOfAnInvalidWorkspace(t *testing.T) {
	workspace := &autov1alpha1.Workspace{Spec: autov1alpha1.WorkspaceSpec{SecurityProfile: "odd"}}
	if _, err := Inputs(workspace); !errors.As(err, new(*InvalidError)) {
		t.Errorf("the error is %v, want an InvalidError", err)
	}
}
