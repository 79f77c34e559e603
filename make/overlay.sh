# Functions that write a kustomization of config/default for an image. Sourced at the repository's root.

# overlay FOLDER writes one with the image IMAGE. An image that is not made here belongs on a cluster without the workspace
# image made here: WORKSPACE_IMAGE then names another one, and otherwise the manager's own default holds, a public one.
overlay() {
	mkdir -p "$1"
	cat >"$1/kustomization.yaml" <<EOF
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [$(realpath --relative-to="$1" config/default)]
images:
- {name: localhost/gantry, newName: "${IMAGE%:*}", newTag: "${IMAGE##*:}"}
EOF
	if [[ $IMAGE == localhost/* ]]; then
		return
	elif [[ -n ${WORKSPACE_IMAGE:-} ]]; then
		patch_manager "$1" "spec: {containers: [{name: manager, env: [{name: WORKSPACE_IMAGE, value: \"$WORKSPACE_IMAGE\"}, {name: WORKSPACE_IMAGE_AGENT_PATH, \$patch: delete}]}]}"
	else
		patch_manager "$1" "spec: {containers: [{name: manager, env: [{name: WORKSPACE_IMAGE, \$patch: delete}, {name: WORKSPACE_IMAGE_AGENT_PATH, \$patch: delete}]}]}"
	fi
}

# patch_manager FOLDER CHANGE adds a change of the manager's pod template to it, which may be done once.
patch_manager() {
	cat >>"$1/kustomization.yaml" <<EOF
patches:
- target: {kind: Deployment}
  patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: any}
    spec: {template: {$2}}
EOF
}
