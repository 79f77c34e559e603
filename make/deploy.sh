#!/bin/bash
# Installs Gantry on the cluster that kubectl is set to, and waits until it
# runs. Needs KUBECTL and IMAGE; takes WORKSPACE_IMAGE.
set -euo pipefail
cd "$(dirname "$0")/.."
. make/where.sh
. make/overlay.sh

where_to "installing Gantry ($IMAGE)"
overlay=bin/deploy
overlay $overlay
if [[ $IMAGE == localhost/* ]]; then
	# An image made here keeps its tag when its content changes: its digest in
	# the pod's annotations is what makes the Deployment roll.
	index=bin/images/gantry/index.json
	[[ -e $index ]] || { echo "$IMAGE is not built: run \`make images\`, or name an image of yours with IMAGE=..." >&2; exit 1; }
	patch_manager $overlay "metadata: {annotations: {gantry.dev/image: \"$(grep -o 'sha256:[0-9a-f]*' $index | head -1)\"}}"
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
