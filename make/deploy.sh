#!/bin/bash
# Installs Gantry on the cluster that kubectl is set to, and waits until it
# runs. Needs KUBECTL and IMAGE; takes WORKSPACE_IMAGE.
set -euo pipefail
cd "$(dirname "$0")/.."
. make/where.sh

where_to "installing Gantry ($IMAGE)"
overlay=bin/deploy
mkdir -p $overlay
cat >$overlay/kustomization.yaml <<EOF
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../config/default]
images:
- {name: localhost/gantry, newName: "${IMAGE%:*}", newTag: "${IMAGE##*:}"}
EOF

# patch_manager adds a change of the manager's pod template to the overlay.
patch_manager() {
	cat >>$overlay/kustomization.yaml <<EOF
patches:
- target: {kind: Deployment}
  patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: any}
    spec: {template: {$1}}
EOF
}

if [[ $IMAGE == localhost/* ]]; then
	# An image made here keeps its tag when its content changes: its digest in
	# the pod's annotations is what makes the Deployment roll.
	index=bin/images/gantry/index.json
	[[ -e $index ]] || { echo "$IMAGE is not built: run \`make images\`, or name an image of yours with IMAGE=..." >&2; exit 1; }
	patch_manager "metadata: {annotations: {gantry.dev/image: \"$(grep -o 'sha256:[0-9a-f]*' $index | head -1)\"}}"
elif [[ -n ${WORKSPACE_IMAGE:-} ]]; then
	patch_manager "spec: {containers: [{name: manager, env: [{name: WORKSPACE_IMAGE, value: \"$WORKSPACE_IMAGE\"}, {name: WORKSPACE_IMAGE_AGENT_PATH, \$patch: delete}]}]}"
else
	# Another cluster does not have the workspace image made here: the manager's own default is a public one.
	patch_manager "spec: {containers: [{name: manager, env: [{name: WORKSPACE_IMAGE, \$patch: delete}, {name: WORKSPACE_IMAGE_AGENT_PATH, \$patch: delete}]}]}"
fi

"$KUBECTL" apply --server-side --force-conflicts -k $overlay
"$KUBECTL" kustomize $overlay | awk '
	/^---/ {kind = name = namespace = ""; meta = 0}
	/^kind:/ {kind = $2}
	/^[a-z]/ {meta = /^metadata:/}
	meta && /^  name:/ {name = $2}
	meta && /^  namespace:/ {namespace = $2}
	/^spec:/ && kind == "Deployment" {print namespace, name}' |
	while read -r namespace name; do
		"$KUBECTL" --namespace "$namespace" rollout status "deployment/$name" --timeout 180s </dev/null
	done
