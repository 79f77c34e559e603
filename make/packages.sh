#!/bin/bash
# Installs the Debian packages that the cluster, the images and the generators
# need, where they are missing, and says nothing where none is.
set -euo pipefail

# A file that proves a package is there, and the package.
needed=(
	/usr/bin/etcd:etcd-server
	/usr/bin/containerd:containerd
	/usr/sbin/runc:runc
	/usr/lib/cni/ptp:containernetworking-plugins
	/sbin/ip:iproute2
	/usr/sbin/nft:nftables
	/usr/sbin/iptables:iptables
	/usr/bin/nsenter:util-linux
	/usr/bin/protoc:protobuf-compiler
	/usr/include/google/protobuf/timestamp.proto:libprotobuf-dev
	/usr/bin/git:git
	/usr/bin/git-lfs:git-lfs
	/usr/bin/ssh:openssh-client
	/usr/sbin/sshd:openssh-server
	/usr/bin/npm:npm
	/usr/bin/promtool:prometheus
	/usr/bin/jq:jq
	/usr/bin/curl:curl
	/usr/bin/openssl:openssl
	/usr/bin/redis-server:redis-server
	/usr/bin/skopeo:skopeo
	/usr/bin/docker-registry:docker-registry
	/usr/bin/qemu-aarch64:qemu-user
)
missing=()
for pair in "${needed[@]}"; do
	[[ -e ${pair%%:*} ]] || missing+=("${pair#*:}")
done
((${#missing[@]})) || exit 0

if ((EUID)); then
	echo "these Debian packages are missing: ${missing[*]}; install them, or run make as root" >&2
	exit 1
fi
echo "== installing ${missing[*]}"

# The packages' services must not start: the cluster starts its own processes.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod +x $policy
	trap 'rm -f $policy' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
install=(apt-get -qq -y --no-install-recommends install "${missing[@]}")
"${install[@]}" >/dev/null 2>&1 || {
	apt-get -qq update
	"${install[@]}" >/dev/null
}
