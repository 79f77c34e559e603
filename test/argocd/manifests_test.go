package argocd

import (
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// image has the Pulumi CLI and the providers of test/doubles.
const image = "localhost/gantry-e2e:dev"

// waveOf is the annotation of a sync wave.
const waveOf = "argocd.argoproj.io/sync-wave"

// runner is a ServiceAccount with what a program needs to manage ConfigMaps, in a wave.
func runner(wave int) string {
	return strings.ReplaceAll(`
apiVersion: v1
kind: ServiceAccount
metadata: {name: runner, annotations: {WAVE}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: runner, annotations: {WAVE}}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: runner, annotations: {WAVE}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: runner}
subjects:
- {kind: ServiceAccount, name: runner}
`, "WAVE", fmt.Sprintf("%s: %q", waveOf, fmt.Sprint(wave)))
}

// program is a Program of a Pulumi YAML program, in a wave.
func program(name string, wave int, text string) string {
	head := fmt.Sprintf("apiVersion: pulumi.com/v1\nkind: Program\nmetadata: {name: %s, annotations: {%s: %q}}\nprogram:\n", name, waveOf, fmt.Sprint(wave))
	return head + "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
}

// painted is a program that makes a ConfigMap in a colour of the stack's configuration.
func painted(configMap string) string {
	return `
config:
  colour: {type: string, default: blue}
resources:
  made:
    type: kubernetes:core/v1:ConfigMap
    properties: {metadata: {name: ` + configMap + `}, data: {colour: "${colour}", shade: light}}
outputs:
  colour: ${colour}
`
}

// plain is a program that makes nothing in the cluster.
const plain = `
resources:
  said: {type: testing:index:Echo, properties: {value: hello}}
outputs:
  said: ${said.value}
`

// stackFile is a Stack in a wave that runs as runner and destroys what it made when it goes.
func (s *story) stackFile(name, program string, wave int, overlays ...string) string {
	s.T.Helper()
	common := fmt.Sprintf(`
metadata: {annotations: {%s: %q}}
spec:
  serviceAccountName: runner
  destroyOnFinalize: true
  workspaceTemplate: {spec: {image: %q}}
`, waveOf, fmt.Sprint(wave), image)
	manifest, err := s.StackManifest(name, program, append([]string{common}, overlays...)...)
	s.Must(err)
	text, err := yaml.Marshal(manifest.Object)
	s.Must(err)
	return string(text)
}

// colour is the configuration of a painted program.
func colour(c string) string { return "spec: {config: {colour: " + c + "}}" }
