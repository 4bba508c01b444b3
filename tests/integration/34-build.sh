#!/bin/bash
# A C project is built on the mount, in parallel, while bits are flipped: its
# programs run, and its objects are those of a build off the mount.
. "$(dirname "$0")/lib.sh"

needs git make gcc
# What is built is this project itself, as it is checked in or packed up.
mkdir "$T/project"
if git -C "$SOURCE" rev-parse --git-dir >/dev/null 2>&1; then
	git -C "$SOURCE" ls-files -z | (cd "$SOURCE" && xargs -0 cp -a --parents -t "$T/project" 2>/dev/null)
else
	cp -a "$SOURCE/." "$T/project"
fi
# Off the mount only once, up to what both builds begin with.
if [ ! -x "$T/project/configure" ]; then
	needs autoreconf
	(cd "$T/project" && ./autogen.sh) >"$T/out" 2>&1 || fail "autogen.sh: $(tail -n 5 "$T/out")"
fi

# The same path inside, so that debugging information is the same too.
story() {	# story FOLDER
	cp -a "$T/project" "$1/src" && mkdir "$1/build" && cd "$1/build" || return 1
	../src/configure -q CFLAGS="-O0 -g -ffile-prefix-map=$1=/x" || return 1
	make -s -j2 || return 1
	./mendfs --version && ./fsck.mendfs --version
}

volume_new 2
mount_up
mkdir "$T/ref"
flip_start -r 40 -n 60 -s 34
(story "$MNT") >"$T/out" 2>&1 || fail "build on the mount: $(tail -n 15 "$T/out")"
flip_stop
(story "$T/ref") >"$T/out" 2>&1 || fail "build off the mount: $(tail -n 15 "$T/out")"
same_trees "$T/project" "$MNT/src" -m
(cd "$T/ref/build" && find . -name '*.o' -o -name '*.a' | LC_ALL=C sort) >"$T/objects"
[ -s "$T/objects" ] || fail "no objects"
while read -r o; do
	case $o in
	*.o) cmp "$T/ref/build/$o" "$MNT/build/$o" || fail "$o is another" ;;
	*) [ -s "$MNT/build/$o" ] || fail "$o is missing" ;;
	esac
done <"$T/objects"
make -s -C "$MNT/build" clean >"$T/out" 2>&1 || fail "make clean: $(tail -n 5 "$T/out")"
all_well
