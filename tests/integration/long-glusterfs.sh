#!/bin/bash
# One replica is a directory on a distributed file system: GlusterFS, with two
# bricks that replicate each other.  What programs do, locks between two clients
# of it, rot on the bricks, a brick that dies, all of them, and their return.
#
# LONG=1 only.  In namespaces of its own for mounts and network, with what
# GlusterFS keeps of a machine in memory: an installation here is left alone.
[ -n "${LONG:-}" ] || { echo "long-glusterfs: skipped: LONG=1 runs it" >&2; exit 77; }
if [ -z "${APART:-}" ]; then
	APART=1 exec unshare --mount --net --propagation private "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"

needs glusterd gluster glusterfs ip jq setfattr python3 flock
POSIX=$BUILD/tests/posix/posix
[ -x "$POSIX" ] || fail "no program $POSIX"
MMAPWORK=$(helper tests/integration/mmapwork) || fail "cannot build mmapwork"
ADDRESS=10.88.0.1
OPTIONS=timeout=20,log-level=debug

# brick_pid N: of the process that serves it.
brick_pid() { cat /run/gluster/vols/v/*-brick"$1".fs-b.pid; }

# Whatever GlusterFS has started says so in these files.
gluster_end() {
	local file pid
	timeout 30 gluster --mode=script volume stop v force >"$T/gluster.out" 2>&1
	for file in /run/gluster/vols/v/*.pid /run/gluster/shd/v/*.pid "$T"/client*.pid; do
		pid=$(cat "$file" 2>/dev/null) && [ -n "$pid" ] && end_process "$pid"
	done
	end_process "$GLUSTERD"
}

# g COMMAND...: gluster's, whose words are shown only if it fails.
g() { gluster --mode=script "$@" >"$T/gluster.out" 2>&1 || fail "gluster $*: $(cat "$T/gluster.out")"; }

# client NAME: a machine's own mount of the file system, at $T/NAME.
client() {
	mkdir -p "$T/$1"
	MOUNTS+=("$T/$1")
	glusterfs --volfile-server=$ADDRESS --volfile-id=v --acl -l "$T/client-$1.log" -p "$T/client-$1.pid" "$T/$1" || fail "glusterfs $1"
	await 30 "mountpoint -q '$T/$1' && stat '$T/$1/.' >/dev/null 2>&1" || fail "GlusterFS is not mounted at $1"
}

gluster_up() {
	local d i
	ip link set lo up && ip addr add $ADDRESS/32 dev lo || skip "no address of our own"
	for d in /var/lib/glusterd /var/log/glusterfs /run; do
		mkdir -p "$d" && mount -t tmpfs none "$d" || fail "cannot cover $d"
	done
	mkdir -p /var/lib/glusterd/groups /run/gluster
	for i in 1 2; do
		replica_on ext4 "brick$i" 1G
		mkdir "$(dirname "$REPLICA")/b"
		BRICK[i]=$(dirname "$REPLICA")/b
	done
	glusterd --no-daemon -l "$T/glusterd.log" 2>"$T/glusterd.err" &
	GLUSTERD=$!
	# shellcheck disable=SC2034 # lib.sh reads it
	UNDO=(gluster_end)
	await 30 'gluster --mode=script volume info >/dev/null 2>&1' || skip "glusterd does not run here: $(tail -n 1 "$T/glusterd.log")"
	g volume create v replica 2 "$ADDRESS:${BRICK[1]}" "$ADDRESS:${BRICK[2]}" force
	# A brick that is gone is known to be so before mendfs gives up the replica.
	g volume set v network.ping-timeout 5
	# Caches that go by a file's times would hide rot.
	for i in quick-read io-cache read-ahead; do g volume set v "performance.$i" off; done
	g volume start v
	client here
}

BRICK=()
gluster_up
volume_new 1
mkdir "$T/here/r" || fail "mkdir"
REPLICAS+=("$T/here/r")

note "what POSIX says of calls"
mount_up $OPTIONS,allow_other,dev,suid
mkdir "$MNT/posix"
read -ra cases <<<"names_exist names_mkdir names_rmdir names_unlink names_link names_symlink names_mknod names_raw_bytes
open_name_lengths open_truncate open_unlinked open_unlinked_in_removed_directory open_tmpfile open_read_only_mode_still_writable
rename_errors rename_replaced_file rename_directories rename_open_directory rename_exchange
data_truncate_and_extend data_append data_holes data_fallocate data_direct_and_sync map_coherent map_outlives_handle_and_name
map_truncated attrs_chmod attrs_chown times_exact xattr_basic xattr_types acl_access locks_flock dirs_seek dirs_moved dirs_removed"
"$POSIX" "$MNT/posix" "${cases[@]}" >"$T/posix.out" 2>&1 || { grep -v '^ok' "$T/posix.out"; fail "not as POSIX has it"; }
[ "$(log_count 'failed while')" = 0 ] || fail "the replica was lost"

note "another machine cannot mount it"
client there
mkdir "$T/other" "$T/other.mnt"
mendfs -f -o degraded "$T/there/r" "$T/other.mnt" >"$T/other.out" 2>&1 && fail "mounted twice, by two clients"
grep -q 'in use by another mount' "$T/other.out" || fail "not said to be in use: $(cat "$T/other.out")"
fsck.mendfs -n "$T/there/r" >"$T/other.out" 2>&1
grep -q 'in use' "$T/other.out" || fail "checked while mounted elsewhere: $(cat "$T/other.out")"

note "work, rot on the bricks"
"$MMAPWORK" "$MNT/shared" 262144 5 || fail "a shared mapping"
tar -C "$SOURCE/src" -cf - meta format | tar -C "$MNT" -xf - || fail "tar"
head -c 3000000 /dev/urandom >"$T/large"
cp "$T/large" "$MNT/large"
ln "$MNT/large" "$MNT/meta/linked"
setfattr -n user.colour -v blue "$MNT/large"
all_well
umount "$T/there" || fail "umount"
for i in 1 2; do flip "${BRICK[i]}/r/large" 1000000 100; done
# What the client remembers must not hide it.
umount "$T/here" && client here
mount_up $OPTIONS,read=round-robin
read_all "$MNT/large" || fail "reading"
must cmp "$MNT/large" "$T/large"
log_wait 'mended /large.*here/r'
all_well
for i in 1 2; do must cmp "${BRICK[i]}/r/large" "$T/large"; done

note "one brick dies"
mount_up $OPTIONS
in_sync() { mendctl status --json "$MNT" | jq .in_sync; }
end_process "$(brick_pid 1)" KILL
cp -r "$SOURCE/src/volume" "$MNT/" || fail "cp"
sync -f "$MNT"
same "in sync" 2 "$(in_sync)"

note "both die, and come back"
(exec 9<>"$MNT/nameless" && rm "$MNT/nameless" && echo kept >&9 && exec sleep 600) &
HOLDER=$!
CHILDREN+=("$HOLDER")
await 10 '[ ! -e "$MNT/nameless" ]'
end_process "$(brick_pid 2)" KILL
rm -r "$MNT/format" && mv "$MNT/meta" "$MNT/volume/meta" && mkdir "$MNT/format" && cp "$SOURCE/src/hash"/* "$MNT/format/" || fail "a program was refused"
await 60 '[ "$(in_sync)" = 1 ]' || fail "its loss is not told"
g volume start v force
await 120 '[ "$(in_sync)" = 2 ]' || fail "it did not come back"
same "a file without a name" kept "$(cat "/proc/$HOLDER/fd/9")"
end_process "$HOLDER"
all_well
umount "$T/here" || fail "umount"
