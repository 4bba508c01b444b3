#!/bin/bash
# File systems that lack what a replica needs are refused: one line that says
# what, and nothing is left behind on any replica.  One that lacks what mendfs
# can do without is taken.
. "$(dirname "$0")/lib.sh"

needs pkg-config
volume_new 1
process_disk
near=$BASE/near
mkdir "$near"
# shellcheck disable=SC2034 # lib.sh reads it
REPLICAS=("$near" "$BEHIND.mnt/r")

pass_without() {
	umount "$BEHIND.mnt" || fail "umount"
	wait "$DISK_PROCESS"
	LACK=$1 process_disk_up
}

# refused LACK PATTERN
refused() {
	local names
	pass_without "$1"
	if try_mount; then fail "mounted without $1"; fi
	same "lines of error without $1: $(cat "$LOG")" 1 "$(wc -l <"$LOG")"
	grep -q -E -e "^mendfs: $BEHIND.mnt/r: .*$2" "$LOG" || fail "without $1: no /$2/ in: $(cat "$LOG")"
	names=$(ls -A "$near" "$BEHIND/r")
	[ -z "$(ls -A "$near")$(ls -A "$BEHIND/r")" ] || fail "without $1: left behind: $names"
	: >"$LOG"
}

refused fsyncdir "fsync"
refused fsync "fsync"
refused flock "locks"
refused replace "rename"
refused raw "names"
refused case "case"
refused xattr "extended attributes"
refused binary "extended attributes"
refused modes "permission bits"
refused inodes "inode numbers"

pass_without flags
mount_up
mkdir "$MNT/d" "$MNT/e"
echo one >"$MNT/d/one"
echo two >"$MNT/two"
mv -n "$MNT/d/one" "$MNT/e/moved"
mv "$MNT/two" "$MNT/e/moved"
same "moved" two "$(cat "$MNT/e/moved")"

# A replica that is added is tried as well.
mkdir "$BASE/third"
mendctl add --wait "$MNT" "$BASE/third" >"$T/out" 2>&1 || fail "add: $(cat "$T/out")"
all_well
pass_without flock
if try_mount "degraded"; then fail "mounted without locks"; fi
grep -q "locks" "$LOG" || fail "the lock of a volume is not tried: $(cat "$LOG")"
