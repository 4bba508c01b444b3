#!/bin/bash
# The ways in which a replica can be lost while mounted: no program sees an
# error, the label of the one that is left says so, and when it is back it is
# brought up to date by itself.
. "$(dirname "$0")/lib.sh"

needs mkfs.ext4 pkg-config

plant() {
	mkdir "$MNT/d"
	for i in a b c; do echo "$i" >"$MNT/d/$i"; done
	sync -f "$MNT"
	exec 4>>"$MNT/d/open"
}

live() {
	echo more >>"$MNT/d/a" || fail "append"
	echo "while it is away" >&4 || fail "write to an open file"
	sync "$MNT/d/a" || fail "fsync"
	mv "$MNT/d/b" "$MNT/b" || fail "rename"
	rm "$MNT/d/c" || fail "unlink"
	echo new >"$MNT/d/new" || fail "create"
	cat "$MNT/d/a" "$MNT/d/new" >"$T/read" || fail "read"
}

# said_lost: the label of the first replica knows that the other one is behind.
said_lost() {
	local events seen i
	for ((i = 0; i < 100; i++)); do
		label_of_one
		[ "$seen" -lt "$events" ] && return 0
		sleep 0.05
	done
	fail "the label says that all are in sync"
}

# label_of_one: $events that the first replica's label has, and which of them the second one has $seen.
label_of_one() {
	events=$(sed -n 's/^events = //p' "${REPLICAS[0]}/.mendfs/label")
	seen=$(sed -n 's/^member = [^ ]* \([0-9]*\) .*/\1/p' "${REPLICAS[0]}/.mendfs/label" | sort -n | tail -n 1)
}

# round WAY: lose_WAY, give_back_WAY.
round() {
	note "$1"
	mount_up
	plant
	"lose_$1" || fail "cannot have it lost: $1"
	live
	log_wait_long "failed while" 1
	said_lost
	"give_back_$1" || fail "cannot give it back: $1"
	log_wait_long "in sync again" 1
	echo "and now" >&4 || fail "write to an open file"
	exec 4>&-
	mount_down
}

lose_process() { kill -KILL "$DISK_PROCESS"; }
give_back_process() { umount -l "$BEHIND.mnt" && process_disk_up; }
volume_new 2
process_disk
round process
umount "$BEHIND.mnt"
REPLICAS[1]=$BEHIND/r
fsck_clean
same_replicas

lose_unmounted() { umount -l "$disk"; }
give_back_unmounted() { mount "$loop" "$disk"; }
volume_new 2 ext4
disk=${REPLICAS[1]%/r}
loop=$(findmnt -n -o SOURCE "$disk")
round unmounted
fsck_clean
same_replicas

# As after an error of the disk, with errors=remount-ro.
lose_readonly() {
	mount -o remount,errors=remount-ro "$disk" && echo 1 >"/sys/fs/ext4/$(basename "$loop")/trigger_fs_error"
}
give_back_readonly() {
	local i
	for ((i = 0; i < 100; i++)); do
		umount "$disk" 2>/dev/null && break
		sleep 0.1
	done
	e2fsck -fy "$loop" >"$T/e2fsck.out" 2>&1
	mount "$loop" "$disk"
}
volume_new 2 ext4
disk=${REPLICAS[1]%/r}
loop=$(findmnt -n -o SOURCE "$disk")
round readonly
fsck_clean
same_replicas

lose_replaced() { mv "${REPLICAS[1]}" "${REPLICAS[1]}.away" && mkdir "${REPLICAS[1]}"; }
give_back_replaced() {
	log_wait "a directory without a label stands there now"
	[ -z "$(ls -A "${REPLICAS[1]}")" ] || fail "something was written into a strange directory"
	rmdir "${REPLICAS[1]}" && mv "${REPLICAS[1]}.away" "${REPLICAS[1]}"
}
volume_new 2
round replaced
fsck_clean
same_replicas
