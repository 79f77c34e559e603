package pod

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestTemplateRefused(t *testing.T) {
	cases := map[string]struct {
		reason  string
		spec    string
		path    string
		problem string
	}{
		"WrongType": {
			spec: `{podTemplate: {spec: {containers: pulumi}}}`,
			path: "spec.podTemplate.spec.containers", problem: "cannot unmarshal string",
		},
		"WrongTypeDeep": {
			spec: `{podTemplate: {spec: {containers: [{name: pulumi}, {name: x, ports: [{containerPort: http}]}]}}}`,
			path: "spec.podTemplate.spec.containers[1].ports[0].containerPort", problem: "cannot unmarshal string",
		},
		"UnknownField": {
			spec: `{podTemplate: {spec: {containers: [{name: pulumi, imagePullPolice: Always}]}}}`,
			path: "spec.podTemplate.spec.containers[0].imagePullPolice", problem: "no such field",
		},
		"UnknownFieldOfSpec": {
			spec: `{podTemplate: {spec: {volume: []}}}`,
			path: "spec.podTemplate.spec.volume", problem: "no such field",
		},
		"Quantity": {
			reason: "the decoder names no path for it",
			spec:   `{podTemplate: {spec: {containers: [{name: pulumi, resources: {limits: {cpu: "1", memory: lots}}}]}}}`,
			path:   "spec.podTemplate.spec.containers[0].resources.limits.memory", problem: "quantities must match",
		},
		"SecondOfTwo": {
			spec: `{podTemplate: {spec: {hostNetwork: "yes", nodeSelector: {a: 1}}}}`,
			path: "spec.podTemplate.spec.hostNetwork", problem: "cannot unmarshal string",
		},
		"NotAnObject": {
			spec: `{podTemplate: {spec: [1]}}`,
			path: "spec.podTemplate.spec", problem: "cannot unmarshal array",
		},
		"ContainerWithoutName": {
			spec: `{podTemplate: {spec: {containers: [{image: x, env: [{name: TOKEN, value: hidden}]}]}}}`,
			path: "spec.podTemplate.spec.containers[0].name", problem: "is missing",
		},
		"MountWithoutPath": {
			spec: `{podTemplate: {spec: {containers: [{name: pulumi, volumeMounts: [{name: share}]}]}}}`,
			path: "spec.podTemplate.spec.containers[0].volumeMounts[0].mountPath", problem: "is missing",
		},
		"Directive": {
			spec: `{podTemplate: {spec: {containers: [{name: pulumi, $patch: delete}]}}}`,
			path: "spec.podTemplate.spec.containers[0].$patch", problem: "no such field",
		},
		"SecurityProfile": {
			spec: `{securityProfile: privileged}`,
			path: "spec.securityProfile", problem: "neither",
		},
		"KubeconfigWithoutSecret": {
			spec: `{kubeconfig: {type: Secret}}`,
			path: "spec.kubeconfig.secretRef", problem: "is needed",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Build(workspace(t, tc.spec), settings())
			var invalid *InvalidError
			if !errors.As(err, &invalid) {
				t.Fatalf("Build: %v, want an *InvalidError", err)
			}
			if invalid.Path != tc.path || !strings.Contains(invalid.Problem, tc.problem) {
				t.Errorf("%q: %q, want path %q and a problem with %q", invalid.Path, invalid.Problem, tc.path, tc.problem)
			}
			if strings.Contains(err.Error(), "hidden") {
				t.Errorf("%v has a value of a variable", err)
			}
		})
	}
}

func TestTemplateSaysNothing(t *testing.T) {
	cases := map[string]string{
		"NoTemplate":   `{}`,
		"NoSpec":       `{podTemplate: {}}`,
		"OnlyMetadata": `{podTemplate: {metadata: {}}}`,
		"NullSpec":     `{podTemplate: {spec: null}}`,
		"EmptySpec":    `{podTemplate: {spec: {}}}`,
		"Nulls":        `{podTemplate: {spec: {volumes: null, securityContext: null, containers: [null, {name: pulumi, env: null, volumeMounts: null}]}}}`,
		"EmptyLists":   `{podTemplate: {spec: {containers: [], initContainers: [], volumes: []}}}`,
		"NamedOnly":    `{podTemplate: {spec: {containers: [{name: pulumi, resources: {}}]}}}`,
	}
	want := build(t, `{}`)
	for name, spec := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, build(t, spec)); diff != "" {
				t.Errorf("the template changed the pod (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMergeOrder(t *testing.T) {
	built := build(t, `
image: tools
env: [{name: MINE, value: "1"}]
podTemplate:
  spec:
    initContainers: [{name: second, image: i}, {name: first, image: i}, {name: bootstrap, image: own}]
    containers: [{name: side, image: i}, {name: pulumi, env: [{name: FROM_TEMPLATE, value: "1"}]}]
    volumes: [{name: v, emptyDir: {}}]
`)
	names := func(containers []corev1.Container) (out []string) {
		for _, c := range containers {
			out = append(out, c.Name)
		}
		return out
	}
	if diff := cmp.Diff([]string{"bootstrap", "second", "first"}, names(built.Spec.InitContainers)); diff != "" {
		t.Errorf("init containers: generated first, then the user's in order: %s", diff)
	}
	if got := built.Spec.InitContainers[0].Image; got != "own" {
		t.Errorf("bootstrap's image is %q, want the template's", got)
	}
	if diff := cmp.Diff([]string{"side", "pulumi"}, names(built.Spec.Containers)); diff != "" {
		t.Errorf("containers: the user's first: %s", diff)
	}
	var env []string
	for _, e := range find(built.Spec.Containers, ContainerPulumi).Env {
		env = append(env, e.Name)
	}
	wantEnv := []string{"FROM_TEMPLATE", "MINE", "POD_NAMESPACE", "POD_SA_NAME", "AGENT_MEMLIMIT", "GANTRY_HUB", "GANTRY_CA", "GANTRY_HOST_NETWORK_DNS", "GANTRY_KILL_AFTER", "PULUMI_ENV"}
	if diff := cmp.Diff(wantEnv, env); diff != "" {
		t.Errorf("variables: %s", diff)
	}
	var volumes []string
	for _, v := range built.Spec.Volumes {
		volumes = append(volumes, v.Name)
	}
	if diff := cmp.Diff([]string{"v", "share", "gantry-token"}, volumes); diff != "" {
		t.Errorf("volumes: %s", diff)
	}
}

func TestEveryContainerHasPulumiEnv(t *testing.T) {
	built := build(t, `
image: tools
podTemplate:
  spec:
    initContainers: [{name: prepare, image: i, env: [{name: PULUMI_ENV, value: mine}]}, {name: fetch}]
    containers: [{name: side, image: i}]
`)
	all := append(append([]corev1.Container{}, built.Spec.InitContainers...), built.Spec.Containers...)
	if len(all) != 5 {
		t.Fatalf("%d containers, want 5", len(all))
	}
	for _, c := range all {
		var values []string
		for _, e := range c.Env {
			if e.Name == "PULUMI_ENV" {
				values = append(values, e.Value)
			}
		}
		if diff := cmp.Diff([]string{"/share/.env"}, values); diff != "" {
			t.Errorf("PULUMI_ENV of %s: %s", c.Name, diff)
		}
		if c.Image == "" {
			t.Errorf("%s has no image", c.Name)
		}
	}
}

func TestFetchOfUser(t *testing.T) {
	built := build(t, `{podTemplate: {spec: {initContainers: [{name: fetch, image: own, command: [git, clone]}]}}}`)
	fetch := find(built.Spec.InitContainers, ContainerFetch)
	if fetch == nil || fetch.Image != "own" || !cmp.Equal(fetch.Command, []string{"git", "clone"}) {
		t.Errorf("a fetch with an image is the user's own: %+v", fetch)
	}
	built = build(t, `{podTemplate: {spec: {initContainers: [{name: fetch, command: [sh], args: [-c, x]}]}}}`)
	fetch = find(built.Spec.InitContainers, ContainerFetch)
	if fetch == nil || !cmp.Equal(fetch.Command, []string{"/agent", "version"}) || fetch.Args != nil || fetch.SecurityContext == nil {
		t.Errorf("a patch of PKO's fetch must do nothing and end: %+v", fetch)
	}
}

func TestRequestsStayBelowLimits(t *testing.T) {
	cases := map[string]struct{ spec, memory, cpu string }{
		"None":       {`{}`, "64Mi", "100m"},
		"Given":      {`{resources: {requests: {memory: 1Gi, cpu: "2"}}}`, "1Gi", "2"},
		"OneOnly":    {`{resources: {requests: {memory: 1Gi}}}`, "1Gi", "100m"},
		"Zero":       {`{resources: {requests: {memory: "0", cpu: "0"}}}`, "64Mi", "100m"},
		"BelowLimit": {`{resources: {limits: {memory: 32Mi, cpu: 1m}}}`, "32Mi", "1m"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := find(build(t, tc.spec).Spec.Containers, ContainerPulumi).Resources.Requests
			if r.Memory().String() != tc.memory || r.Cpu().String() != tc.cpu {
				t.Errorf("requests %s %s, want %s %s", r.Memory(), r.Cpu(), tc.memory, tc.cpu)
			}
		})
	}
}

func TestClusterDNS(t *testing.T) {
	cases := map[string]struct {
		spec  string
		value string
	}{
		"Default":      {`{}`, "false"},
		"HostNetwork":  {`{podTemplate: {spec: {hostNetwork: true}}}`, "true"},
		"WithHostNet":  {`{podTemplate: {spec: {hostNetwork: true, dnsPolicy: ClusterFirstWithHostNet}}}`, "false"},
		"NodeDNS":      {`{podTemplate: {spec: {dnsPolicy: Default}}}`, "true"},
		"OwnDNS":       {`{podTemplate: {spec: {dnsPolicy: None, dnsConfig: {nameservers: [192.0.2.1]}}}}`, "true"},
		"ClusterFirst": {`{podTemplate: {spec: {dnsPolicy: ClusterFirst}}}`, "false"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			built := build(t, tc.spec)
			env := find(built.Spec.Containers, ContainerPulumi).Env
			var got string
			for _, e := range env {
				if e.Name == "GANTRY_HOST_NETWORK_DNS" {
					got = e.Value
				}
			}
			if got != tc.value {
				t.Errorf("GANTRY_HOST_NETWORK_DNS=%q, want %q", got, tc.value)
			}
			if aliased := len(built.Spec.HostAliases) == 1; aliased != (tc.value == "true") {
				t.Errorf("host aliases %v", built.Spec.HostAliases)
			}
		})
	}
}
