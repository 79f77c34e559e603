#!/bin/bash
# Installs Gantry on the cluster that kubectl is set to, and waits until it
# runs. Needs KUBECTL and IMAGE.
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

# The image made here keeps its tag when its content changes: its digest in the
# pod's annotations is what makes the Deployment roll.
if [[ $IMAGE == localhost/gantry:dev && -e bin/images/gantry/index.json ]]; then
	digest=$(grep -o 'sha256:[0-9a-f]*' bin/images/gantry/index.json | head -1)
	cat >>$overlay/kustomization.yaml <<EOF
patches:
- target: {kind: Deployment}
  patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: any}
    spec: {template: {metadata: {annotations: {gantry.dev/image: "$digest"}}}}
EOF
fi

"$KUBECTL" apply --server-side --force-conflicts -k $overlay | (grep -v unchanged || true)
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
