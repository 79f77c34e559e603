#!/usr/bin/env bash
# Runs a first stack on the cluster of KUBECONFIG and shows how it goes, in words.
#
#   KUBECTL        the kubectl to use (default: kubectl)
#   DEMO_TIMEOUT   how many seconds the stack may take (default: 180)
set -euo pipefail

kubectl=${KUBECTL:-kubectl}
timeout=${DEMO_TIMEOUT:-180}
namespace=gantry-demo
folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf '\n\e[1m%s\e[0m\n' "$*"; }
k() { "$kubectl" --namespace "$namespace" "$@"; }

# Ready, the reason and words of what it is busy with or stuck on, and the last result; one to a line.
state() {
  k get stack demo --output jsonpath='{.status.conditions[?(@.type=="Ready")].status}{"\n"}{.metadata.generation}{"/"}{.status.observedGeneration}{"\n"}{.status.conditions[?(@.type=="Stalled")].message}{"\n"}{.status.lastUpdate.state}{"\n"}{.status.conditions[?(@.type=="Reconciling")].message}'
}

help_and_fail() {
  say "$1"
  echo "Look at:"
  echo "  $kubectl --namespace $namespace describe stack demo        # what went wrong, and what happened before"
  echo "  $kubectl --namespace $namespace describe pod demo-workspace-0"
  echo "  $kubectl --namespace $namespace logs demo-workspace-0      # what pulumi said"
  echo
  k get stacks,workspaces,updates,pods 2>&1 || true
  k get events --sort-by=.lastTimestamp 2>&1 | tail -n 10 || true
  exit 1
}

if ! "$kubectl" get crd stacks.pulumi.com >/dev/null; then
  echo "Gantry is not installed on this cluster, or the cluster does not answer: run \`make deploy\` first." >&2
  exit 1
fi

say "Apply $folder/demo.yaml: a Program, a Stack, and a volume for its state"
"$kubectl" apply --filename "$folder/demo.yaml"

say "Wait for the stack"
began=$SECONDS
shown=
while true; do
  mapfile -t now < <(state)
  ready=${now[0]:-} generations=${now[1]:-} stalled=${now[2]:-} last=${now[3]:-} busy=${now[4]:-}
  if [[ $ready == True && ${generations%/*} == "${generations#*/}" ]]; then
    break
  fi
  words=${stalled:-${busy:-the manager has not seen the Stack yet}}
  if [[ $words != "$shown" ]]; then
    printf '  %3ds  %s\n' $((SECONDS - began)) "$words"
    shown=$words
  fi
  [[ -z $stalled ]] || help_and_fail "The stack cannot go on until somebody acts: $stalled"
  [[ $last != failed ]] || help_and_fail "The update failed: $words"
  ((SECONDS - began < timeout)) || help_and_fail "The stack is not Ready after $timeout seconds."
  sleep 0.3
done
printf '  %3ds  Ready\n' $((SECONDS - began))

say "The stack, and its outputs"
k get stack demo
echo
k get stack demo --output go-template='{{range $name, $value := .status.outputs}}{{printf "  %-10s %v\n" $name $value}}{{end}}'

say "What to try next"
cat <<TEXT
See what was made for it:
  $kubectl --namespace $namespace get workspaces,updates,pods,secrets
Read a secret output in clear:
  $kubectl --namespace $namespace get secret \$($kubectl --namespace $namespace get stack demo -o jsonpath='{.status.lastUpdate.name}')-stack-outputs -o jsonpath='{.data.password}' | base64 -d
Run it again, though nothing changed:
  $kubectl --namespace $namespace annotate stack demo --overwrite pulumi.com/reconciliation-request="\$(date +%s)"
Change the configuration, or the program:
  $kubectl --namespace $namespace patch stack demo --type merge --patch '{"spec":{"config":{"name":"you"}}}'
  $kubectl --namespace $namespace edit program demo
Remove it: the stack is destroyed first, then everything else goes:
  $kubectl --namespace $namespace delete stack demo && $kubectl delete namespace $namespace
TEXT
if [[ -n ${KUBECONFIG:-} ]]; then
  echo "(with KUBECONFIG=$KUBECONFIG)"
fi
