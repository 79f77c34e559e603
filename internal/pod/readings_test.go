package pod

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestReferences(t *testing.T) {
	built := build(t, `
env: [{name: A, valueFrom: {secretKeyRef: {name: from-env, key: k}}}, {name: B, valueFrom: {configMapKeyRef: {name: maybe, key: k, optional: true}}}]
envFrom: [{secretRef: {name: from-envfrom}}, {configMapRef: {name: cm-envfrom}}]
kubeconfig: {type: Secret, secretRef: {name: other-cluster, key: value}}
podTemplate:
  spec:
    initContainers: [{name: p, image: i, env: [{name: C, valueFrom: {configMapKeyRef: {name: cm-init, key: k}}}]}]
    volumes:
    - {name: a, configMap: {name: cm-volume}}
    - {name: b, secret: {secretName: optional, optional: true}}
    - {name: c, projected: {sources: [{secret: {name: projected}}, {configMap: {name: cm-volume}}]}}
`)
	want := []Reference{
		{"ConfigMap", "cm-envfrom"}, {"ConfigMap", "cm-init"}, {"ConfigMap", "cm-volume"},
		{"Secret", "from-env"}, {"Secret", "from-envfrom"}, {"Secret", "other-cluster"}, {"Secret", "projected"},
	}
	if diff := cmp.Diff(want, References(&built.Spec)); diff != "" {
		t.Error(diff)
	}
}

func TestProtectionPatch(t *testing.T) {
	const evict, disrupt = "cluster-autoscaler.kubernetes.io/safe-to-evict", "karpenter.sh/do-not-disrupt"
	plain := build(t, `{}`)
	own := build(t, `{podTemplate: {metadata: {annotations: {cluster-autoscaler.kubernetes.io/safe-to-evict: "true"}}}}`)
	protected := func(p *corev1.Pod) *corev1.Pod {
		p = p.DeepCopy()
		Protect(p)
		return p
	}
	cases := map[string]struct {
		pod, built *corev1.Pod
		protect    bool
		want       map[string]any
	}{
		"On":          {plain, plain, true, map[string]any{evict: "false", disrupt: "true"}},
		"AlreadyOn":   {protected(plain), plain, true, map[string]any{}},
		"Off":         {protected(plain), plain, false, map[string]any{evict: nil, disrupt: nil}},
		"AlreadyOff":  {plain, plain, false, map[string]any{}},
		"UsersReturn": {protected(own), own, false, map[string]any{evict: "true", disrupt: nil}},
		"NotBuilt":    {protected(plain), nil, false, map[string]any{evict: nil, disrupt: nil}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, ProtectionPatch(tc.pod, tc.built, tc.protect)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
