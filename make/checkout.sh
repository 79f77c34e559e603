#!/bin/bash
# Makes a checkout of the working tree as it is, in an empty folder, with what is built in it: make finds all of that up
# to date there.
#
# Usage: make/checkout.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."

git clone --quiet --no-checkout . "$1"
git -C "$1" reset --quiet
# With their times: make compares these.
git ls-files -z --cached --others --exclude-standard --deduplicate |
	while IFS= read -r -d '' file; do [[ ! -e $file && ! -L $file ]] || printf '%s\0' "$file"; done |
	tar --create --null --no-recursion --files-from=- | tar --extract --directory "$1"
ln -s "$PWD/bin" "$1/bin"
