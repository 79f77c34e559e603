#!/bin/bash
# Removes Gantry from the cluster that kubectl is set to, and the pods of
# stacks that nothing runs in. The custom resource definitions stay, since
# every stack would go with them. Needs KUBECTL.
set -euo pipefail
cd "$(dirname "$0")/.."
. make/where.sh

where_to "removing Gantry"
overlay=bin/undeploy
mkdir -p $overlay
cat >$overlay/kustomization.yaml <<EOF
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../config/default]
patches:
- target: {kind: CustomResourceDefinition}
  patch: |
    apiVersion: apiextensions.k8s.io/v1
    kind: CustomResourceDefinition
    metadata: {name: any}
    \$patch: delete
EOF
"$KUBECTL" delete --ignore-not-found -k $overlay

# pods_of_stacks lists the pods that Gantry made: those with an operation if $1
# is "false", which is what their annotation says, otherwise those without one.
pods_of_stacks() {
	"$KUBECTL" get pods -A -l auto.pulumi.com/component=workspace -o go-template='{{range .items}}{{$kind := ""}}{{$evict := ""}}
		{{- range .metadata.ownerReferences}}{{if .controller}}{{$kind = .kind}}{{end}}{{end}}
		{{- range $key, $value := .metadata.annotations}}{{if eq $key "cluster-autoscaler.kubernetes.io/safe-to-evict"}}{{$evict = $value}}{{end}}{{end}}
		{{- if eq $kind "Workspace"}}{{.metadata.namespace}} {{.metadata.name}} {{if eq $evict "false"}}false{{else}}true{{end}}{{"\n"}}{{end}}{{end}}' |
		awk -v wanted="$1" '$3 == wanted {print $1, $2}'
}

pods_of_stacks true | while read -r namespace pod; do
	"$KUBECTL" delete pod --ignore-not-found --wait=false -n "$namespace" "$pod"
done
busy=$(pods_of_stacks false)
if [[ -n $busy ]]; then
	echo "operations run on in these pods; Gantry records how they end when it is installed again (see docs/migrating-from-pko.md):"
	echo "$busy"
fi
echo "the API and the stacks are still there; \`kubectl delete -k config/crd\` removes both"
