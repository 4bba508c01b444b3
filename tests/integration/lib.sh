# lib.sh -- what the integration tests share.  Sourced by bash scripts.
#
# Needs BUILD, the folder that holds mendfs and fsck.mendfs, and root.  Each
# script gets a folder of its own, $T, and on every way out whatever it mounted,
# attached or started is taken down again.  Exit status: 0 passed, 77 skipped,
# else failed; what failed is said on standard error.
#
# KEEP=1 leaves $T behind.  LONG=1 runs the long variants.
# shellcheck shell=bash

set -u -o pipefail
umask 022
export LC_ALL=C

NAME=$(basename "$0" .sh)
SOURCE=${SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
LONG=${LONG:-}
T=
MNT=
REPLICAS=()
DAEMON=
LOG=
FLIPPER=
MOUNTS=()	# mountpoints that cleanup must see unmounted, in order of mounting
LOOPS=()
CHILDREN=()	# processes that cleanup must end
UNDO=()		# commands that put back what the test changed outside $T

note() { echo "$NAME: ${SECONDS} s: $*" >&2; }

skip() { echo "$NAME: skipped: $*" >&2; exit 77; }

fail() {
	if [ -n "$LOG" ] && [ -s "$LOG" ]; then
		echo "--- the daemon's log, its last lines" >&2
		tail -n 15 "$LOG" >&2
		echo "---" >&2
	fi
	echo "$NAME: FAILED: $*" >&2
	exit 1
}

# ---- taking down

# alive PID: it has not ended.  One look, at one line: bash waits for whatever
# has ended while it waits for anything, so that between two looks the process
# may go, or become another program.
alive() {
	local line=
	read -r line 2>/dev/null <"/proc/$1/stat"
	line=${line##*) }
	case ${line:0:1} in '' | Z | X) return 1 ;; esac
}

# end_process PID [SIGNAL]: signal it, wait 10 s, then kill it.
end_process() {
	local i
	kill "-${2:-TERM}" "$1" 2>/dev/null || return 0
	for ((i = 0; i < 100; i++)); do
		alive "$1" || break
		sleep 0.1
	done
	alive "$1" && kill -KILL "$1" 2>/dev/null
	wait "$1" 2>/dev/null
	return 0
}

cleanup() {
	local status=$? i
	trap - EXIT HUP INT TERM
	set +e
	exec 3>&- 4>&- 5>&-
	cd /
	# Bash would tell of those that were killed.
	{
		for ((i = ${#CHILDREN[@]} - 1; i >= 0; i--)); do end_process "${CHILDREN[i]}"; done
		[ -n "$FLIPPER" ] && end_process "$FLIPPER" KILL
	} 2>/dev/null
	if [ -n "$DAEMON" ] && alive "$DAEMON"; then
		umount "$MNT" 2>/dev/null
		end_process "$DAEMON"
	fi
	for ((i = ${#MOUNTS[@]} - 1; i >= 0; i--)); do
		mountpoint -q "${MOUNTS[i]}" || continue
		umount "${MOUNTS[i]}" 2>/dev/null || umount -l "${MOUNTS[i]}" 2>/dev/null
	done
	for ((i = ${#LOOPS[@]} - 1; i >= 0; i--)); do losetup -d "${LOOPS[i]}" 2>/dev/null; done
	for ((i = ${#UNDO[@]} - 1; i >= 0; i--)); do eval "${UNDO[i]}"; done
	if [ -n "$T" ] && [ -z "${KEEP:-}" ]; then
		# A mount that would not go must not be emptied.
		if grep -q " $T/" /proc/self/mounts; then
			note "still mounted below $T; left behind"
		else
			rm -rf "$T"
		fi
	fi
	exit "$status"
}

[ "$(id -u)" -eq 0 ] || skip "needs root"
[ -c /dev/fuse ] || skip "needs /dev/fuse"
[ -n "${BUILD:-}" ] || fail "BUILD is not set: the folder that holds mendfs"
[ -x "$BUILD/mendfs" ] || fail "no program $BUILD/mendfs"
BUILD=$(cd "$BUILD" && pwd)
PATH=$BUILD:$PATH:/usr/sbin:/sbin
unset "${!MENDFS_@}"
T=$(mktemp -d "${TMPDIR:-/tmp}/mendfs-$NAME.XXXXXX") || fail "mktemp"
chmod 755 "$T"
BASE=$T
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# helper PATH [OPTIONS]: the program built from PATH.c, a source of ours; built if need be.
helper() {
	local program=$BUILD/$1 options=("${@:2}")
	if [ ! -x "$program" ] || [ "$program" -ot "$SOURCE/$1.c" ]; then
		mkdir -p "$(dirname "$program")"
		${CC:-cc} -std=gnu11 -O2 -D_GNU_SOURCE -o "$program.$$" "$SOURCE/$1.c" "${options[@]+"${options[@]}"}" >&2 &&
		    mv "$program.$$" "$program" || return 1
	fi
	echo "$program"
}

# needs COMMAND...: skip unless all are installed.
needs() {
	local c
	for c; do command -v "$c" >/dev/null || skip "needs $c"; done
}

TREESUM=$(helper tests/integration/treesum) || fail "cannot build treesum"
RAWREAD=$(helper tests/integration/rawread) || fail "cannot build rawread"

# ---- volumes

# replica_on FSTYPE NAME [SIZE]: a loop-mounted file system; $REPLICA is an empty folder on it.
replica_on() {
	local type=$1 image=$T/$2.img where=$T/$2.fs loop
	needs "mkfs.$type" losetup
	truncate -s "${3:-320M}" "$image"
	case $type in
	ext4) mkfs.ext4 -q -F "$image" ;;
	xfs) mkfs.xfs -q -f "$image" ;;
	btrfs) mkfs.btrfs -q -f "$image" >"$T/mkfs.out" 2>&1 ;;
	*) fail "replica_on $type" ;;
	esac || fail "mkfs.$type"
	loop=$(losetup --show -f "$image") || skip "no loop device"
	LOOPS+=("$loop")
	mkdir -p "$where"
	mount -t "$type" "$loop" "$where" || skip "no $type in this kernel"
	MOUNTS+=("$where")
	mkdir "$where/r"
	REPLICA=$where/r
}

# in_memory: the volumes to come lie on a tmpfs, where this kernel's can carry
# user xattrs: for tests that make so many files that they would wait for the disk.
in_memory() {
	mkdir "$T/memory"
	mount -t tmpfs -o size=12g,nr_inodes=0,mode=755 none "$T/memory" || return 0
	MOUNTS+=("$T/memory")
	if setfattr -n user.test -v 1 "$T/memory" 2>/dev/null; then BASE=$T/memory; fi
}

# volume_new N [FSTYPE...]: empty replicas, on plain folders or one on each type; a mountpoint.
volume_new() {
	local n=$1 i base
	shift
	base=$BASE/v$((VOLUMES = ${VOLUMES:-0} + 1))
	mkdir "$base" || fail "mkdir"
	MNT=$base/mnt
	LOG=$base/log
	REPLICAS=()
	mkdir "$MNT"
	for ((i = 0; i < n; i++)); do
		if [ $# -gt 0 ]; then
			replica_on "$1" "v$VOLUMES-r$i"
			REPLICAS+=("$REPLICA")
			[ $# -gt 1 ] && shift
		else
			mkdir "$base/r$i"
			REPLICAS+=("$base/r$i")
		fi
	done
}

# mount_up [OPTIONS]: mount in the foreground, in the background, and wait for it.
# The log goes on in one file from mount to mount.
mount_up() {
	try_mount "$@" || fail "mount did not come up"
}

try_mount() {
	local i known=
	# shellcheck disable=SC2086 # words
	${MOUNT_AT:-} mendfs -f ${1:+-o "$1"} "${REPLICAS[@]}" "$MNT" >>"$LOG" 2>&1 &
	DAEMON=$!
	for i in "${MOUNTS[@]+"${MOUNTS[@]}"}"; do [ "$i" = "$MNT" ] && known=1; done
	[ -n "$known" ] || MOUNTS+=("$MNT")
	for ((i = 0; i < 300; i++)); do
		mountpoint -q "$MNT" && return 0
		alive "$DAEMON" || break
		sleep 0.05
	done
	wait "$DAEMON"
	DAEMON=
	return 1
}

# where_it_hangs PID: what each of its threads waits for, for whoever must find out.
where_it_hangs() {
	local task
	for task in "/proc/$1/task"/*; do
		echo "$(cat "$task/comm") waits in $(cat "$task/wchan"), system call $(cat "$task/syscall")"
	done >&2
	if command -v gdb >/dev/null; then timeout 60 gdb -p "$1" -batch -ex 'thread apply all bt' >&2; fi
}

# mount_down: unmount; the daemon must end by itself, with status 0.
mount_down() {
	local i status
	for ((i = 0; ; i++)); do
		umount "$MNT" && break
		[ $i -lt 20 ] || fail "umount $MNT"
		sleep 0.1
	done
	for ((i = 0; i < 600; i++)); do
		alive "$DAEMON" || break
		sleep 0.05
	done
	if alive "$DAEMON"; then
		where_it_hangs "$DAEMON"
		fail "the daemon still runs 30 s after umount"
	fi
	wait "$DAEMON"
	status=$?
	DAEMON=
	[ $status -eq 0 ] || fail "the daemon ended with status $status"
}

remount() { mount_down; mount_up "$@"; }

# mount_kill: SIGKILL the daemon; the dead mount stays, and refuses everything.
mount_kill() {
	{ kill -KILL "$DAEMON" && wait "$DAEMON"; } 2>/dev/null
	DAEMON=
}

# mount_crash: the same, and take the dead mount away.
mount_crash() {
	mount_kill
	umount -l "$MNT" || fail "umount -l $MNT"
}

# log_count PATTERN: how many lines of the daemon's log match?
log_count() { grep -c -E -- "$1" "$LOG"; }

# log_wait PATTERN: it may come a moment after the event.
log_wait() {
	local i
	for ((i = 0; i < 400; i++)); do
		grep -q -E -- "$1" "$LOG" && return 0
		sleep 0.05
	done
	fail "the log has no line like: $1"
}

# log_wait_long PATTERN COUNT: there are COUNT such lines within a minute.
log_wait_long() {
	local i
	for ((i = 0; i < 600; i++)); do
		[ "$(log_count "$1")" -ge "$2" ] && return 0
		alive "$DAEMON" || fail "the daemon ended"
		sleep 0.1
	done
	fail "the log has not $2 lines like: $1"
}

# process_disk: a replica's file system behind a process, $DISK_PROCESS, which may
# be stopped (a disk that hangs) or killed; the last replica moves to there.
process_disk() {
	local last=$((${#REPLICAS[@]} - 1))
	# shellcheck disable=SC2046
	PASSFS=$(helper tests/integration/passfs -D_FILE_OFFSET_BITS=64 $(pkg-config --cflags --libs fuse3)) || fail "cannot build passfs"
	BEHIND=$BASE/behind$VOLUMES
	mkdir -p "$BEHIND/r" "$BEHIND.mnt" || fail "mkdir"
	REPLICAS[last]=$BEHIND.mnt/r
	MOUNTS+=("$BEHIND.mnt")
	process_disk_up
}

process_disk_up() {
	local i
	"$PASSFS" "$BEHIND" "$BEHIND.mnt" ${LACK:+"$LACK"} >>"$T/passfs.out" 2>&1 3>&- 4>&- 5>&- &
	DISK_PROCESS=$!
	CHILDREN+=("$DISK_PROCESS")
	for ((i = 0; i < 100; i++)); do
		mountpoint -q "$BEHIND.mnt" && return 0
		sleep 0.05
	done
	fail "passfs did not come up"
}

# ---- looking

# await SECONDS COMMAND: try it until it succeeds, at most so long.
await() {
	local end=$((SECONDS + $1))
	until eval "$2"; do
		[ $SECONDS -le $end ] || return 1
		sleep 0.1
	done
}

same() {	# same WHAT WANT GOT
	[ "$2" = "$3" ] || fail "$1: wanted '$2', got '$3'"
}

must() {	# must COMMAND...
	"$@" || fail "status $? from: $*"
}

must_fail() {	# must_fail COMMAND...
	if "$@" >"$T/must_fail.out" 2>&1; then
		cat "$T/must_fail.out" >&2
		fail "should have failed: $*"
	fi
}

# same_trees A B [treesum options]: the same for every user of them.
same_trees() {
	local a=$1 b=$2
	shift 2
	"$TREESUM" -x lost+found "$@" "$a" >"$T/a.sum" || fail "cannot list $a"
	"$TREESUM" -x lost+found "$@" "$b" >"$T/b.sum" || fail "cannot list $b"
	if ! cmp -s "$T/a.sum" "$T/b.sum"; then
		diff -U0 "$T/a.sum" "$T/b.sum" | head -n 30 >&2
		fail "$a and $b differ ($(diff "$T/a.sum" "$T/b.sum" | grep -c '^[<>]') lines)"
	fi
}

# shellcheck disable=SC2120
# same_replicas: after an unmount, each replica is what the first one is.
same_replicas() {
	local i
	for ((i = 1; i < ${#REPLICAS[@]}; i++)); do same_trees "${REPLICAS[0]}" "${REPLICAS[i]}" "$@"; done
}

# snapshot FILE: everything on the replicas, .mendfs and times of change with it.
snapshot() {
	local r
	for r in "${REPLICAS[@]}"; do
		[ -d "$r" ] && "$TREESUM" -a -c "$r"
	done >"$1" 2>/dev/null
	return 0
}

# unchanged FILE WHAT: nothing has changed since snapshot FILE.
unchanged() {
	snapshot "$T/now.snap"
	if ! cmp -s "$1" "$T/now.snap"; then
		diff -U0 "$1" "$T/now.snap" | head -n 20 >&2
		fail "$2: something changed on the replicas"
	fi
}

# shellcheck disable=SC2120
# fsck_clean [OPTIONS]: fsck.mendfs -n finds nothing on the unmounted replicas.
fsck_clean() {
	local status
	fsck.mendfs -n "$@" "${REPLICAS[@]}" >"$T/fsck.out" 2>&1
	status=$?
	if [ $status -ne 0 ]; then
		tail -n 30 "$T/fsck.out" >&2
		fail "fsck.mendfs -n: status $status"
	fi
}

# all_well: unmount, and nothing is wrong with any replica.
all_well() {
	mount_down
	fsck_clean
	same_replicas
}

# ---- spoiling

# flip FILE OFFSET [COUNT]: turn over the bits of COUNT bytes, as rot does: the file's times stay.
flip() {
	local file=$1 offset=$2 count=${3:-1} stamp
	[ $((offset + count)) -le "$(stat -c %s "$file")" ] || fail "flip $file: no offset $offset"
	stamp=$(stat -c %y "$file")
	dd if="$file" bs=1 skip="$offset" count="$count" status=none |
	    od -An -v -tu1 -w1 | while read -r byte; do
		# shellcheck disable=SC2059
		printf "\\x$(printf %02x $((byte ^ 0xff)))"
	done >"$T/flip.bytes"
	dd if="$T/flip.bytes" of="$file" bs=1 seek="$offset" conv=notrunc status=none || fail "flip $file"
	touch -m -d "$stamp" "$file"
}

# forget: the kernel drops what it cached of the mount, so that reads reach the daemon.
forget() {
	sync -f "$MNT" 2>/dev/null
	echo 3 >/proc/sys/vm/drop_caches
}

# uncached FILE...: drop the files' cached pages, and nothing else.
uncached() {
	local f
	for f; do dd if="$f" iflag=nocache count=0 status=none; done
}

# read_all FILE: its bytes, past the kernel's cache, so often that each replica's
# turn comes for each block: the chance that one is missed is below one in a million.
read_all() {
	"$RAWREAD" "$1" $((${#REPLICAS[@]} * 16)) || return 1
	uncached "$1"
	cat "$1" >/dev/null
}

flip_start() {	# flip_start [flip options]: spoil one replica at a time from now on
	local program
	program=$(helper tools/dev/flip) || fail "cannot build flip"
	"$program" "$@" "$MNT" "${REPLICAS[@]}" >"$T/flip.out" 2>&1 &
	FLIPPER=$!
}

# flip_stop: the last spoiled blocks are mended, then it ends; it must have had work.
flip_stop() {
	local status
	alive "$FLIPPER" || note "flip ended early"
	kill -TERM "$FLIPPER" 2>/dev/null
	wait "$FLIPPER"
	status=$?
	FLIPPER=
	tail -n 1 "$T/flip.out" >&2
	if [ $status -ne 0 ]; then
		head -n 20 "$T/flip.out" >&2
		fail "flip: status $status"
	fi
	grep -q '^flip: [1-9]' "$T/flip.out" || fail "flip spoiled nothing"
}
