#!/bin/bash
# Replicas are taken away and given back at random, spoiled, filled and stopped,
# under load, and the oracle sees no wrong byte and no error; in the end all
# replicas are equal and clean.  As long as a disk is full, and then only,
# ENOSPC is no error, but means that nothing has happened.
#
# CHAOS_SEED=n: other choices.  CHAOS_SECONDS=n: for so long; LONG=1: an hour.
# shellcheck disable=SC2034 # chaos.sh reads it
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/chaos.sh"

SEED=${CHAOS_SEED:-8}

# ---- the volume: an ext4, an XFS, and a Btrfs behind a process

volume_new 0
for type in ext4 xfs; do
	replica_on $type $type 1G
	REPLICAS+=("$REPLICA")
done
# shellcheck disable=SC2046
PASSFS=$(helper tests/integration/passfs -D_FILE_OFFSET_BITS=64 $(pkg-config --cflags --libs fuse3)) || fail "cannot build passfs"
BEHIND=$T/behind
mkdir "$BEHIND" "$BEHIND.mnt" "$T/btrfs.fs"
truncate -s 1G "$BEHIND/disk"
mkfs.btrfs -q -f "$BEHIND/disk" >"$T/mkfs.out" 2>&1 || fail "mkfs.btrfs"
DISKS=("${REPLICAS[@]%/r}" "$T/btrfs.fs")
TYPES=(ext4 xfs btrfs)
WAYS=('moved unmounted shutdown' 'moved unmounted shutdown' 'moved unmounted killed stopped')
NOTICED='shutdown killed'

slow_disk_up() {
	process_disk_up
	LOOPS[2]=$(losetup --show -f "$BEHIND.mnt/disk") || fail "losetup"
	await "$LOSE_S" 'give_back_unmounted 2 2>/dev/null' || fail "cannot mount the disk behind a process"
}
MOUNTS+=("$BEHIND.mnt" "${DISKS[2]}")
slow_disk_up
mkdir "${DISKS[2]}/r"
REPLICAS+=("${DISKS[2]}/r")
STORES=("${REPLICAS[@]}")

# The process goes after what is mounted from its disk.
end_going() {
	local status=$?
	kill -CONT "$DISK_PROCESS" 2>/dev/null
	if [ -n "$DAEMON" ]; then umount -l "$MNT"; end_process "$DAEMON" KILL; fi 2>/dev/null
	await 10 'let_go 0 && let_go 1 && let_go 2' && losetup -d "${LOOPS[2]}"
	(exit $status)
	cleanup
}
trap end_going EXIT

# ---- what happens to the process

lose_killed() { { kill -KILL "$DISK_PROCESS" && wait "$DISK_PROCESS"; } 2>/dev/null; [ $? -eq 137 ]; }
give_back_killed() { await "$LOSE_S" "let_go $1" && losetup -d "${LOOPS[$1]}" && umount -l "$BEHIND.mnt" && slow_disk_up; }

lose_stopped() { kill -STOP "$DISK_PROCESS"; }
give_back_stopped() { kill -CONT "$DISK_PROCESS"; }

# ---- what else can happen

incident() { mendctl quarantine purge "$MNT" --all >"$T/purged" 2>&1 || fail "purge: $(cat "$T/purged")"; }

# Every other seed: no request waits for the disk that hangs.  Else it is what
# a call is stuck in that others wait for, which is the default.
WATCH=
if [ $((SEED % 2)) -eq 0 ]; then WATCH=,watch=all; else LEFT_ALONE=stopped; fi
chaos_mount mount_up "timeout=2$WATCH"
chaos_run
chaos_end
fsck_clean
