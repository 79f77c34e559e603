#!/bin/bash
# Makes a folder with the files of Debian packages and of all they depend on,
# without installing anything: apt works out the packages from an empty list of
# installed ones, and the archives are only unpacked.
#
# usage: [ARCH=arm64] rootfs.sh CACHE ROOT LIST [--on BELOW] PACKAGE...
#   ARCH   Debian's name of the architecture, where it is not this machine's
#   CACHE  folder for downloaded archives
#   ROOT   folder to make
#   LIST   file to write, with the name of every archive unpacked
#   BELOW  LIST of a layer below: its archives are left out here
set -euo pipefail

cache=$1 root=$2 list=$3
shift 3
below=/dev/null
if [[ $1 == --on ]]; then
	below=$2
	shift 2
fi

# What the packages name as dependencies but the programs here never use:
# Perl (for git's rarely used commands), what configures packages at their
# installation, users' accounts, compilers' headers, and tools for the browser.
unused='perl|perl-base|perl-modules-.*|libperl.*|liberror-perl|libgdbm.*|libdb5.*|git-man|debconf|openssl|dpkg|adduser|passwd'
unused+='|debianutils|mawk|libaudit.*|libcap-ng0|libpam.*|libsemanage.*|libsepol.*|libsasl2-modules-db'
unused+='|python3.*|libpython3.*|gyp|.*-dev|nodejs-doc|media-types|readline-common|libsqlite3-0|libncursesw6'
unused+='|webpack|terser|node-terser|node-webassemblyjs|node-jest-.*|node-core-js.*|node-babel.*|libjs-.*|node-caniuse.*|node-browserslist|eslint|node-es-abstract|node-types-.*|node-uglify-js'

# The host's apt keeps its package lists; everything that is written is ours.
mkdir -p "$cache/archives/partial"
cache=$(realpath "$cache")
: >"$cache/status"
apt=(apt-get -qq -y --no-install-recommends
	-o "Dir::State::status=$cache/status" -o "Dir::Cache::archives=$cache/archives"
	-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Debug::NoLocking=1 -o APT::Sandbox::User=root)
update=(apt-get -qq update)
if [[ ${ARCH:=$(dpkg --print-architecture)} != $(dpkg --print-architecture) ]]; then
	# Package lists of its own: the host's are of its own architecture.
	lists=$cache/lists-$ARCH
	mkdir -p "$lists/partial"
	apt+=(-o "APT::Architecture=$ARCH" -o "APT::Architectures::=$ARCH" -o "Dir::State::lists=$lists")
	update=("${apt[@]}" update)
fi
# The host's package lists may be missing, or older than the mirror.
"${apt[@]}" --download-only install "$@" >/dev/null 2>&1 || {
	"${update[@]}"
	"${apt[@]}" --download-only install "$@" >/dev/null
}

rm -rf "$root"
mkdir -p "$root"/usr/{bin,sbin,lib,lib64} "$root/var/lib/dpkg/status.d"
for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$root/$folder"; done
: >"$list"
# "Inst git (1:2.39.5-0 Debian:12 [amd64])" is git_1%3a2.39.5-0_amd64.deb.
"${apt[@]}" --simulate install "$@" |
	sed -nE 's/^Inst ([^ ]+) .*\(([^ ]+) .*\[([a-z0-9]+)\]\).*/\1_\2_\3.deb/p' | sed 's/:/%3a/g' | LC_ALL=C sort | while read -r archive; do
	name=${archive%%_*}
	if [[ $name =~ ^($unused)$ ]] || grep -qxF "$archive" "$below"; then
		continue
	fi
	dpkg-deb --fsys-tarfile "$cache/archives/$archive" | tar -x --keep-directory-symlink -C "$root"
	# Where scanners look for what is in an image without dpkg.
	dpkg-deb -f "$cache/archives/$archive" >"$root/var/lib/dpkg/status.d/$name"
	echo "$archive" >>"$list"
done

# The licences stay: they are to come with the programs.
find "$root"/usr/share/doc -type f -not -name copyright -delete
find "$root"/usr/share/doc \( -xtype l -o -type d -empty \) -delete
rm -rf "$root"/usr/share/{man,info,locale,lintian,bug,doc-base,bash-completion,zsh,gdb,menu,pixmaps,applications,apport,initramfs-tools,libthai}
rm -rf "$root"/usr/share/nodejs/@types "$root"/usr/share/systemtap
find "$root/usr/share/nodejs" \( -name '*.map' -o -name '*.d.ts' -o -name '*.md' \) -delete 2>/dev/null || true
rm -rf "$root"/etc/{init.d,default,cron.daily,bash_completion.d} "$root"/usr/lib/systemd
rm -rf "$root"/var/lib/git "$root"/usr/share/git-core/contrib "$root"/usr/share/gitweb "$root"/usr/lib/git-core/git-{daemon,http-backend,imap-send,shell}
find "$root" -xdev -type f -perm /6000 -exec chmod a-s {} +
