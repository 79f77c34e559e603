#!/bin/bash
# Removes Gantry from the cluster that kubectl is set to. The custom resource
# definitions stay, since every stack would go with them. Needs KUBECTL.
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
echo "the API and the stacks are still there; \`kubectl delete -k config/crd\` removes both"
