#!/bin/bash
# A replica that gives neither an answer nor an error: programs get theirs from
# the other one, after the time-out at most, whatever they were doing; and when
# it answers again it is brought up to date by itself.
. "$(dirname "$0")/lib.sh"

needs fsfreeze mkfs.ext4 pkg-config
TIMEOUT=1
PATIENCE=10	# seconds in which everything must be done

thaw() {
	[ -n "${DISK_PROCESS:-}" ] && kill -CONT "$DISK_PROCESS" 2>/dev/null
	[ -n "${FROZEN:-}" ] && fsfreeze -u "$FROZEN" 2>/dev/null
	return 0
}
# Nothing can be unmounted from a disk that hangs.
end_thawed() {
	local status=$?
	thaw
	(exit $status)
	cleanup
}
trap end_thawed EXIT

plant() {
	mkdir "$MNT/d" "$MNT/empty" "$MNT/from"
	echo moved >"$MNT/from/c"
	for i in a b e; do head -c 20000 /dev/urandom >"$MNT/d/$i"; done
	cp "$MNT/d/a" "$T/a"
	dd if=/dev/urandom of="$MNT/large" bs=1M count=4 status=none
	setfattr -n user.mark -v before "$MNT/d/b"
	sync -f "$MNT"
	sleep 0.5
	forget
}

# What programs do, each at the same time: $1 tells the rounds apart.
do_all() {
	local jobs=() names=() i
	job() { names+=("$*"); timeout -s KILL "$PATIENCE" "$@" >/dev/null & jobs+=($!); }
	job cmp "$MNT/d/a" "$T/a"
	job dd if=/dev/zero of="$MNT/d/b" bs=4k count=1 conv=notrunc,fsync status=none
	job dd if=/dev/zero of="$MNT/large" bs=1M seek=1 count=2 conv=notrunc status=none
	job touch "$MNT/new$1"
	job mv "$MNT/from/c" "$MNT/c$1"
	job mkdir "$MNT/dir$1"
	job ls -l "$MNT/d"
	job stat "$MNT/empty"
	job setfattr -n user.mark -v "$1" "$MNT/d/e"
	job truncate -s 100 "$MNT/d/e"
	job df "$MNT"
	for i in "${!jobs[@]}"; do wait "${jobs[i]}" || fail "round $1: status $? from: ${names[i]}"; done
	mv "$MNT/c$1" "$MNT/from/c" || fail "mv"
}

# back COUNT: it answers again.
back() {
	log_wait_long "no answer for" "$1"
	do_all "again$1"
	thaw
	log_wait_long "in sync again" "$1"
	do_all "after$1"
}

note "a process stands behind the disk, and stops"
volume_new 2
process_disk
mount_up timeout=$TIMEOUT
plant
kill -STOP "$DISK_PROCESS"
do_all idle
back 1
# It stops while everything is under way.
for i in 1 2 3 4 5 6 7 8; do do_all "busy$i"; done &
busy=$!
sleep 0.3
kill -STOP "$DISK_PROCESS"
wait $busy || fail "a program saw that a disk hung"
back 2
mount_down
umount "$BEHIND.mnt"
REPLICAS[1]=$BEHIND/r
fsck_clean
same_replicas

note "a disk is frozen"
DISK_PROCESS=
volume_new 2 ext4
FROZEN=${REPLICAS[1]%/r}
mount_up timeout=$TIMEOUT
plant
must fsfreeze -f "$FROZEN"
sleep 0.3
do_all frozen
back 1
all_well

note "unmounting does not wait for it"
mount_up timeout=$TIMEOUT
must fsfreeze -f "$FROZEN"
sleep 0.3
touch "$MNT/last" || fail "touch"
umount "$MNT" || fail "umount"
for ((i = 0; i < 100; i++)); do
	grep -q "clean = yes" "${REPLICAS[0]}/.mendfs/label" && break
	sleep 0.1
done
[ $i -lt 100 ] || fail "not closed within 10 s"
thaw
wait "$DAEMON" || fail "the daemon ended with status $?"
DAEMON=
mount_up degraded
log_wait_long "in sync again" 2
all_well
