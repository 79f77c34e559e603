#!/bin/bash
# Makes a release: programs, the image for several platforms, the chart, one file of manifests, what all of it is made
# of, and checksums. Nothing of the clock, the machine or the folder goes into it: two runs give the same bytes, as long
# as the Debian packages of the image are the same.
#
# Needs VERSION, SOURCE_DATE_EPOCH, DIST, WORK (a folder to make things in) and IMAGE_PACKAGES (the image's).
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022
export LC_ALL=C TZ=UTC CGO_ENABLED=0 SOURCE_DATE_EPOCH

name=ghcr.io/gantry-operator/gantry:$VERSION
[[ $VERSION =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || { echo "VERSION=$VERSION is not a version such as 1.2.3" >&2; exit 1; }
rm -rf "$DIST" "$WORK"
mkdir -p "$DIST" "$WORK"

# compile makes a program for a platform. Neither paths nor the state of the repository go into it.
compile() {
	local program=$1 os=$2 arch=$3 out=$4
	GOOS=$os GOARCH=$arch GOAMD64=v1 GOARM64=v8.0 GOFLAGS= GOWORK=off \
		go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o "$out" "./cmd/$program"
}

programs=()
for arch in amd64 arm64; do
	for program in manager agent; do
		file=$DIST/gantry-${program}_${VERSION}_linux_$arch
		compile $program linux $arch "$file"
		programs+=("$file")
	done
done
for platform in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64; do
	[[ -d cmd/kubectl-gantry ]] || break
	os=${platform%/*} arch=${platform#*/} suffix=
	[[ $os == windows ]] && suffix=.exe
	file=$DIST/kubectl-gantry_${VERSION}_${os}_$arch$suffix
	compile kubectl-gantry "$os" "$arch" "$file"
	programs+=("$file")
done

# The image: the same layers as those of `make images`, of each architecture's own Debian packages.
layouts=()
for arch in amd64 arm64; do
	work=$WORK/$arch
	read -ra packages <<<"$IMAGE_PACKAGES"
	ARCH=$arch test/images/rootfs.sh bin/rootfs/apt "$work/base" "$work/base.list" "${packages[@]}"
	ARCH=$arch test/images/rootfs.sh bin/rootfs/apt "$work/lfs" "$work/lfs.list" --on "$work/base.list" git-lfs "${packages[@]}"
	test/images/accounts.sh "$work/base"
	bin/imagetool tree "$work/base.tar" "$work/base" /home/pulumi=1000:1000:755 /home/nonroot=65532:65532:755 /var/lib/gantry=65532:65532:755
	bin/imagetool tree "$work/lfs.tar" "$work/lfs"
	bin/imagetool files "$work/product.tar" "$DIST/gantry-manager_${VERSION}_linux_$arch=/manager" "$DIST/gantry-agent_${VERSION}_linux_$arch=/agent" \
		config/manager/ssh_known_hosts=/etc/ssh/ssh_known_hosts
	bin/imagetool image "$work/image" --name "$name" --platform "linux/$arch" --created "$SOURCE_DATE_EPOCH" --gzip --user 65532:65532 --entrypoint /manager \
		--env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --env HOME=/tmp \
		--label "org.opencontainers.image.version=$VERSION" --label org.opencontainers.image.title=gantry \
		--label org.opencontainers.image.source=https://github.com/gantry-operator/gantry \
		--layer "$work/base.tar" --layer "$work/lfs.tar" --layer "$work/product.tar"
	layouts+=("$work/image")
	rm -rf "$work"/{base,lfs} "$work"/*.tar
done
bin/imagetool index "$WORK/index" --name "$name" "${layouts[@]}"
bin/imagetool tree "$DIST/gantry-image_$VERSION.oci.tar" "$WORK/index"
chmod 644 "$DIST/gantry-image_$VERSION.oci.tar"

# Helm packs with the time of now.
bin/helm package charts/gantry --version "$VERSION" --app-version "$VERSION" --destination "$WORK" >/dev/null
mkdir "$WORK/chart"
tar -xzf "$WORK/gantry-$VERSION.tgz" -C "$WORK/chart"
tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --format=ustar -C "$WORK/chart" -c gantry |
	gzip -9n >"$DIST/gantry-$VERSION.tgz"

KUBECTL=$PWD/bin/kubectl IMAGE=$name WORKSPACE_IMAGE= OUT=$DIST/install.yaml make/install.sh

bin/sbom --version "$VERSION" --created "$SOURCE_DATE_EPOCH" --out "$DIST" --images "$WORK/index" --image "gantry-image_$VERSION" "${programs[@]}"
(cd "$DIST" && sha256sum -- * >../.sums.$$ && mv ../.sums.$$ SHA256SUMS)
rm -rf "$WORK"
