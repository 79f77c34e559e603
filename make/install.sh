#!/bin/bash
# Writes all that installs Gantry as one file of manifests: what `kubectl apply -k config/default` applies, for the image
# IMAGE. Needs KUBECTL, IMAGE and OUT; takes WORKSPACE_IMAGE.
set -euo pipefail
cd "$(dirname "$0")/.."
. make/overlay.sh

case ${IMAGE##*/} in
*@*) echo "IMAGE=$IMAGE: name a tag, not a digest" >&2; exit 1 ;;
*:?*) ;;
*) echo "IMAGE=$IMAGE has no tag, and what it installs would change by itself: name one" >&2; exit 1 ;;
esac
mkdir -p "$(dirname "$OUT")"
work=$(mktemp -d "$(dirname "$OUT")/.install.XXXXXX")
trap 'rm -rf "$work"' EXIT
overlay "$work"
"$KUBECTL" kustomize "$work" >"$work/install.yaml"
mv "$work/install.yaml" "$OUT"
