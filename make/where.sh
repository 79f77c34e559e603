# where_to says which cluster a change goes to, before it is made. Needs KUBECTL.
where_to() {
	local context server
	context=$("$KUBECTL" config current-context 2>/dev/null) || {
		echo "no cluster is set: KUBECONFIG=$PWD/.cluster/kubeconfig is the embedded one (make cluster-up)" >&2
		exit 1
	}
	server=$("$KUBECTL" config view --minify -o 'jsonpath={.clusters[0].cluster.server}')
	echo "$1: context $context, server $server"
}
