package pod

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// settings are the manager's, as on a cluster whose workspace image carries the agent.
func settings() Settings {
	return Settings{
		WorkspaceImage: "registry.example/gantry-pulumi:v1", WorkspaceImageAgentPath: "/usr/local/bin/gantry-agent",
		AgentImage: "registry.example/gantry:v1", AgentImagePullPolicy: corev1.PullIfNotPresent,
		HubAddress: "gantry-hub.gantry-system.svc:9443", HubIP: "10.96.0.77",
		CA: "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
	}
}

// workspace decodes a Workspace from the YAML of its spec.
func workspace(t *testing.T, spec string) *autov1alpha1.Workspace {
	t.Helper()
	w := &autov1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "demo", UID: "workspace-uid", Generation: 1}}
	if err := yaml.UnmarshalStrict([]byte(spec), &w.Spec); err != nil {
		t.Fatalf("the test's own spec: %v", err)
	}
	return w
}

// build is Build for tests that want a pod.
func build(t *testing.T, spec string) *corev1.Pod {
	t.Helper()
	built, err := Build(workspace(t, spec), settings())
	if err != nil {
		t.Fatalf("Build: %v", err)
	}
	return built
}

// TestGolden compares whole pods; set UPDATE_GOLDEN=1 to write what is built now.
func TestGolden(t *testing.T) {
	cases := map[string]string{
		"default": `{serviceAccountName: default, securityProfile: restricted}`,
		"baseline-own-image": `
serviceAccountName: deployer
securityProfile: baseline
image: registry.example/tools:7
imagePullPolicy: Always
resources: {limits: {memory: 1Gi, cpu: 50m}}
env: [{name: AWS_REGION, value: eu-west-1}, {name: POD_NAMESPACE, value: mine}]
envFrom: [{secretRef: {name: cloud}}]
`,
		"agent-in-image": `{image: registry.example/tools:7, agentPath: /opt/agent}`,
		"kubeconfig-secret": `
kubeconfig: {type: Secret, secretRef: {name: other-cluster, key: value}}
`,
		"merged-template": `
image: registry.example/tools:7
podTemplate:
  metadata:
    labels: {team: blue, auto.pulumi.com/component: forged}
    annotations: {sidecar.example/inject: "false", auto.pulumi.com/revision-hash: forged}
  spec:
    nodeSelector: {disk: ssd}
    imagePullSecrets: [{name: pull}]
    initContainers:
    - {name: prepare, image: registry.example/prepare:1, volumeMounts: [{name: share, mountPath: /share}]}
    - {name: bootstrap, resources: {requests: {cpu: 10m}}}
    - {name: fetch, env: [{name: HTTPS_PROXY, value: "http://proxy:3128"}]}
    containers:
    - name: logger
      image: registry.example/logger:1
    - name: pulumi
      resources: {limits: {memory: 2Gi}}
      env: [{name: PULUMI_ENV, value: /elsewhere}, {name: EXTRA, value: "1"}]
      volumeMounts: [{name: cache, mountPath: /home/pulumi/.pulumi}]
    volumes:
    - {name: cache, persistentVolumeClaim: {claimName: plugins}}
`,
		"host-network": `{podTemplate: {spec: {hostNetwork: true, containers: [{name: pulumi}]}}}`,
	}
	for name, spec := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := yaml.Marshal(build(t, spec))
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".yaml")
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("the pod is not that of %s (-want +got):\n%s", path, diff)
			}
		})
	}
}

func TestBuildIsDeterministic(t *testing.T) {
	spec := `{podTemplate: {metadata: {labels: {a: b, c: d}, annotations: {e: f, g: h}}, spec: {nodeSelector: {i: j, k: l}}}}`
	if diff := cmp.Diff(build(t, spec), build(t, spec)); diff != "" {
		t.Errorf("two builds differ: %s", diff)
	}
}

func TestHash(t *testing.T) {
	base := `image: registry.example/tools:7`
	cases := map[string]struct {
		spec    string
		settled func(*Settings)
		same    bool
	}{
		"Stacks":      {spec: base + "\nstacks: [{name: dev, create: true, config: [{key: a, value: 1}]}]", same: true},
		"Source":      {spec: base + "\nflux: {url: https://hub/a, digest: sha256:0000000000000000000000000000000000000000000000000000000000000000}", same: true},
		"IdleTimeout": {spec: base + "\nidleTimeout: 1m", same: true},
		"Env":         {spec: base + "\nenv: [{name: A, value: b}]"},
		"Image":       {spec: "image: registry.example/tools:8"},
		"Label":       {spec: base + "\npodTemplate: {metadata: {labels: {a: b}}}"},
		"Inputs":      {spec: base + "\ninputs: mark"},
		"Annotation":  {spec: base + "\npodTemplate: {metadata: {annotations: {a: b}}}"},
		"CA":          {spec: base, settled: func(s *Settings) { s.CA = "another" }},
		"AgentImage":  {spec: base, settled: func(s *Settings) { s.AgentImage = "another" }},
	}
	was := build(t, base).Annotations[autov1alpha1.AnnotationRevisionHash]
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := settings()
			if tc.settled != nil {
				tc.settled(&s)
			}
			built, err := Build(workspace(t, tc.spec), s)
			if err != nil {
				t.Fatal(err)
			}
			if same := built.Annotations[autov1alpha1.AnnotationRevisionHash] == was; same != tc.same {
				t.Errorf("hash is the same: %v, want %v", same, tc.same)
			}
		})
	}
}

func TestBootstrapOnlyWhereNeeded(t *testing.T) {
	cases := map[string]struct {
		spec      string
		noPath    bool
		bootstrap bool
		command   string
	}{
		"DefaultImage":          {spec: `{}`, command: "/usr/local/bin/gantry-agent"},
		"DefaultImageByName":    {spec: `{image: "registry.example/gantry-pulumi:v1"}`, command: "/usr/local/bin/gantry-agent"},
		"DefaultWithoutAgent":   {spec: `{}`, noPath: true, bootstrap: true, command: "/share/agent"},
		"OtherImage":            {spec: `{image: tools}`, bootstrap: true, command: "/share/agent"},
		"OtherImageWithAgent":   {spec: `{image: tools, agentPath: /a}`, command: "/a"},
		"ImageOfTemplate":       {spec: `{podTemplate: {spec: {containers: [{name: pulumi, image: tools}]}}}`, bootstrap: true, command: "/share/agent"},
		"TemplateNamesDefault":  {spec: `{image: tools, podTemplate: {spec: {containers: [{name: pulumi, image: "registry.example/gantry-pulumi:v1"}]}}}`, command: "/usr/local/bin/gantry-agent"},
		"PatchWithoutContainer": {spec: `{podTemplate: {spec: {initContainers: [{name: bootstrap, resources: {}}]}}}`, command: "/usr/local/bin/gantry-agent"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := settings()
			if tc.noPath {
				s.WorkspaceImageAgentPath = ""
			}
			built, err := Build(workspace(t, tc.spec), s)
			if err != nil {
				t.Fatal(err)
			}
			if got := len(built.Spec.InitContainers) == 1; got != tc.bootstrap {
				t.Errorf("init containers: %v, want bootstrap %v", built.Spec.InitContainers, tc.bootstrap)
			}
			if diff := cmp.Diff([]string{tc.command, "run"}, find(built.Spec.Containers, ContainerPulumi).Command); diff != "" {
				t.Error(diff)
			}
		})
	}
}
