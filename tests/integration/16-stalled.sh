#!/bin/bash
# A request that waits for a disk holds up nobody else's: one thread serves as a
# rule, and another takes over when it is stuck.
. "$(dirname "$0")/lib.sh"

needs fsfreeze mkfs.ext4
volume_new 2 ext4
frozen=$(dirname "${REPLICAS[1]}")
mountpoint -q "$frozen" || frozen=${REPLICAS[1]}
mountpoint -q "$frozen" || fail "no file system of its own below ${REPLICAS[1]}"
mount_up
for ((i = 0; i < 6; i++)); do
	head -c 300000 /dev/urandom >"$T/ref$i"
	cp "$T/ref$i" "$MNT/file$i"
done
remount
# The region is marked, so that the writes to come wait at the data itself.
echo first >>"$MNT/file0" && echo first >>"$T/ref0"
sync -f "$MNT"
sleep 1

thaw() { fsfreeze -u "$frozen" 2>/dev/null; }
# Nothing can be unmounted from a frozen disk.
end_thawed() {
	local status=$?
	thaw
	(exit $status)
	cleanup
}
trap end_thawed EXIT
must fsfreeze -f "$frozen"
writers=()
for ((i = 0; i < 3; i++)); do
	{ echo more >>"$MNT/file$i" && : >"$T/written$i"; } &
	writers+=($!)
	CHILDREN+=($!)
	sleep 0.2
done
# Never read since the mount: this is the daemon's to answer, from the same disk.
for ((i = 3; i < 6; i++)); do
	timeout -s KILL 10 cmp "$T/ref$i" "$MNT/file$i" || fail "file$i: no right answer in 10 s while others wait for a disk"
	[ "$(timeout -s KILL 10 stat -c %s "$MNT/file$i")" = 300000 ] || fail "file$i: no stat"
done
for ((i = 0; i < 3; i++)); do
	[ ! -e "$T/written$i" ] || fail "file$i was written to a frozen disk: nothing waited"
done
thaw || fail "cannot thaw $frozen"
for w in "${writers[@]}"; do wait "$w" || fail "a write that waited failed"; done
CHILDREN=()
for ((i = 0; i < 3; i++)); do
	echo more >>"$T/ref$i"
	cmp "$T/ref$i" "$MNT/file$i" || fail "file$i: not what was written"
done
mount_down
fsck_clean
