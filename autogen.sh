#!/bin/sh
# Makes ./configure and the Makefile.in from configure.ac and Makefile.am.
# Needed once after a clone; a released tarball already has them.
set -eu
cd "$(dirname "$0")"
for tool in autoreconf automake aclocal pkg-config; do
	if ! command -v "$tool" >/dev/null 2>&1; then
		echo "autogen.sh: $tool is missing; as root, tools/deps build installs what is needed" >&2
		exit 1
	fi
done
mkdir -p build-aux
exec autoreconf --install --force "$@"
