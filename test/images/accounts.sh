#!/bin/bash
# Completes the base root file system: accounts, name lookup, the bundle of
# certificate authorities, and the folders that are mounted over.
#
# usage: accounts.sh ROOT
set -euo pipefail
root=$1

cat >"$root/etc/passwd" <<'EOF'
root:x:0:0:root:/root:/bin/sh
pulumi:x:1000:1000:pulumi:/home/pulumi:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/usr/sbin/nologin
EOF
cat >"$root/etc/group" <<'EOF'
root:x:0:
pulumi:x:1000:
nogroup:x:65534:
nonroot:x:65532:
EOF
printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$root/etc/nsswitch.conf"
mkdir -p "$root"/{tmp,root,var/tmp,var/lib/gantry,home/nonroot,home/pulumi,etc/ssl/certs,usr/lib/ssl,usr/local/bin}
# Debian makes this bundle when the package is installed.
find "$root/usr/share/ca-certificates" -name '*.crt' | LC_ALL=C sort | xargs cat >"$root/etc/ssl/certs/ca-certificates.crt"
ln -sfn /etc/ssl/certs "$root/usr/lib/ssl/certs"
ln -sfn /etc/ssl/certs/ca-certificates.crt "$root/usr/lib/ssl/cert.pem"
rm -rf "$root/usr/share/ca-certificates"
