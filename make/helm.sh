#!/bin/bash
# Tells the stories of the chart, and the pages that install Gantry, on the cluster that kubectl is set to: takes away what
# `make deploy` installed there, and puts it back. Needs KUBECTL and KUBECONFIG.
set -euo pipefail
cd "$(dirname "$0")/.."

# Namespaces of other tests that are on their way out need a manager for what is in them.
"$KUBECTL" wait --for=delete updates.auto.pulumi.com --all --all-namespaces --timeout=60s >/dev/null 2>&1 || true
stacks=$("$KUBECTL" get stacks.pulumi.com --all-namespaces --no-headers --ignore-not-found 2>/dev/null || true)
if [[ -n $stacks ]]; then
	echo "the stories delete the definitions, and every Stack would go with them; delete these first:" >&2
	echo "$stacks" >&2
	exit 1
fi
make --no-print-directory undeploy
status=0
export GANTRY_HELM=1
PATH="$PWD/bin:$PATH" go test ./test/helm/ -count=1 -timeout 15m -v || status=$?
PATH="$PWD/bin:$PATH" go test ./test/docs/ -count=1 -timeout 15m -v -run TestPagesAlone || status=$?
make --no-print-directory deploy
exit $status
