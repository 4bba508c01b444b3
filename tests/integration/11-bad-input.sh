#!/bin/bash
# What cannot be mounted is refused: one line that names the thing, a status
# other than 0, and nothing changed on any replica.
. "$(dirname "$0")/lib.sh"

needs setfattr
RESEAL=$(helper tests/integration/reseal) || fail "cannot build reseal"

# refused WHAT PATTERN ARGUMENTS...: of mendfs; PATTERN is in its one line of error.
refused() {
	local what=$1 pattern=$2 pid i status
	shift 2
	snapshot "$T/snap"
	mendfs -f "$@" >"$T/out" 2>&1 &
	pid=$!
	for ((i = 0; i < 400; i++)); do
		alive $pid || break
		grep -q " ${*: -1} fuse" /proc/self/mounts && break
		sleep 0.05
	done
	if alive $pid; then
		kill -TERM $pid
		sleep 0.5
		grep " $T/.* fuse" /proc/self/mounts | cut -d' ' -f2 | xargs -r -n1 umount -l
		end_process $pid
		fail "$what: was mounted: mendfs $*"
	fi
	wait $pid
	status=$?
	[ $status -ne 0 ] || fail "$what: status 0"
	[ $status -lt 126 ] || fail "$what: status $status: $(cat "$T/out")"
	# That it waits for a mount that may be ending is not an error yet.
	sed -i '/in use; waiting/d' "$T/out"
	grep -q -E -e "$pattern" "$T/out" || fail "$what: the error has no /$pattern/: $(cat "$T/out")"
	same "$what: lines of error in: $(cat "$T/out")" 1 "$(wc -l <"$T/out")"
	unchanged "$T/snap" "$what"
	printf '%-40s %s\n' "$what" "$(sed "s,$T,,g" "$T/out")" >>"$T/all"
}

# ---- folders, before there is a volume
volume_new 2
r0=${REPLICAS[0]} r1=${REPLICAS[1]}
: >"$T/plain"
refused "missing" "$T/nowhere" "$r0" "$T/nowhere" "$MNT"
refused "a file" "$T/plain" "$T/plain" "$r0" "$MNT"
refused "repeated" "$r0" "$r0" "$r0" "$MNT"
ln -s "$r0" "$T/alias"
refused "repeated through a link" "$T/alias|$r0" "$r0" "$T/alias" "$MNT"
mkdir "$T/bound"
mount --bind "$r0" "$T/bound" && MOUNTS+=("$T/bound")
refused "repeated through a bind mount" "$T/bound: the same directory as $r0" "$r0" "$T/bound" "$MNT"
umount "$T/bound"
mkdir "$r0/inner"
refused "nested" "$r0/inner" "$r0" "$r0/inner" "$MNT"
refused "nested, the other way round" "$r0/inner" "$r0/inner" "$r0" "$MNT"
refused "mountpoint inside a replica" "$r0" "$r0" "$r1" "$r0/inner"
refused "mountpoint is a replica" "$r0" "$r0" "$r1" "$r0"
rmdir "$r0/inner"
mkdir "$MNT/within"
refused "replica inside the mountpoint" "$MNT/within" "$MNT/within" "$r1" "$MNT"
rmdir "$MNT/within"
refused "no such mountpoint" "$T/no-mnt" "$r0" "$r1" "$T/no-mnt"
refused "mountpoint is a file" "$T/plain" "$r0" "$r1" "$T/plain"
echo keep >"$r1/file"
refused "holds files" "$r1" "$r0" "$r1" "$MNT"
mkdir "$r0/.mendfs"
echo junk >"$r0/.mendfs/label.new"
REPLICAS=("$r0")
refused "half-formed, with files" "$r1" "$r0" "$r1" "$MNT"
rm -r "$r0/.mendfs" "$r1/file"
REPLICAS=("$r0" "$r1")

# ---- file systems that cannot hold a replica
mkdir "$T/ram" "$T/small" "$T/frozen"
if mount -t ramfs none "$T/ram"; then
	MOUNTS+=("$T/ram")
	mkdir "$T/ram/r"
	REPLICAS=("$r0" "$T/ram/r")
	refused "no user xattrs" "$T/ram/r.*(xattr|extended attributes)" "${REPLICAS[@]}" "$MNT"
fi
replica_on ext4 small 1M
full=$(dirname "$REPLICA")
dd if=/dev/zero of="$full/filler" bs=1k status=none 2>/dev/null
dd if=/dev/zero bs=1 status=none 2>/dev/null >>"$full/filler"
REPLICAS=("$r0" "$REPLICA")
refused "too small" "$REPLICA" "${REPLICAS[@]}" "$MNT"
replica_on ext4 frozen 8M
mount -o remount,ro "$(dirname "$REPLICA")" || fail "remount,ro"
REPLICAS=("$r0" "$REPLICA")
refused "read-only" "$REPLICA.*read-only" "${REPLICAS[@]}" "$MNT"
[ -z "$(ls -A "$r0")" ] || fail "left behind on the replica that was good: $(ls -A "$r0")"

# ---- labels
REPLICAS=("$r0" "$r1")
mount_up
echo content >"$MNT/file"
head -c 3000000 /dev/urandom >"$MNT/large"
# What the first mount has to store may not look like the second one's doing.
sync -f "$MNT"
sleep 3
refused "already mounted" "$r0|$r1" "$r0" "$r1" "$T/small"
must_fail timeout 20 fsck.mendfs -n "$r0" "$r1"
same "after refused mounts" content "$(cat "$MNT/file")"
mount_down
first=$MNT
volume_new 2
s0=${REPLICAS[0]}
mount_up
echo another >"$MNT/another"
mount_down
REPLICAS=("$r0" "$r1" "$s0")
refused "foreign" "$s0" "$r0" "$s0" "$first"
refused "foreign, as a third" "$s0" "$r0" "$r1" "$s0" "$first"
mkdir "$T/fresh"
REPLICAS=("$r0" "$r1" "$T/fresh")
refused "an empty one more" "$T/fresh" "$r0" "$r1" "$T/fresh" "$first"
MNT=$first
REPLICAS=("$r0" "$r1")
cp -a "$r1" "$T/r1.kept"
mv "$r1" "$T/r1.moved"
mkdir "$r1"
refused "emptied" "$r1" "$r0" "$r1" "$MNT"
cp -a "$r0/." "$r1"
refused "a copy of the other" "$r0|$r1" "$r0" "$r1" "$MNT"
rm -r "$r1"
mv "$T/r1.moved" "$r1"

relabel() { sed "$2" "$T/r1.kept/.mendfs/label" | "$RESEAL" >"$1/.mendfs/label" || fail reseal; }
relabel "$r1" ''
cmp "$r1/.mendfs/label" "$T/r1.kept/.mendfs/label" || fail "reseal does not give what mendfs wrote"
relabel "$r1" 's/^mendfs label .*/mendfs label 99/'
refused "later version" "$r1.*(version|99)" "$r0" "$r1" "$MNT"
relabel "$r1" 's/^write-features = .*/write-features = 4611686018427387904/'
refused "unknown write feature" "$r1.*feature" "$r0" "$r1" "$MNT"
cp "$T/r1.kept/.mendfs/label" "$r1/.mendfs/label"
for at in 5 60 200; do
	flip "$r1/.mendfs/label" $at
	refused "spoiled label, byte $at" "$r1.*label" "$r0" "$r1" "$MNT"
	flip "$r1/.mendfs/label" $at
done
: >"$r1/.mendfs/label"
refused "empty label" "$r1.*label" "$r0" "$r1" "$MNT"
head -c 100000 /dev/urandom >"$r1/.mendfs/label"
refused "label of noise" "$r1.*label" "$r0" "$r1" "$MNT"
rm "$r1/.mendfs/label"
refused "no label" "$r1" "$r0" "$r1" "$MNT"
mkdir "$r1/.mendfs/label"
refused "label is a folder" "$r1.*label" "$r0" "$r1" "$MNT"
rmdir "$r1/.mendfs/label"
echo canary >"$T/canary"
ln -s "$T/canary" "$r1/.mendfs/label"
refused "label is a link" "$r1.*label" "$r0" "$r1" "$MNT"
rm "$r1/.mendfs/label"
cp -p "$T/r1.kept/.mendfs/label" "$r1/.mendfs/label"
touch -r "$r1" "$T/stamp"
mv "$r1/.mendfs" "$T/kept-meta"
ln -s "$T/kept-meta" "$r1/.mendfs"
refused ".mendfs is a link" "$r1" "$r0" "$r1" "$MNT"
rm "$r1/.mendfs"
mv "$T/kept-meta" "$r1/.mendfs"
touch -m -r "$T/stamp" "$r1"

# A feature that only writers must know: read-only.
for r in "$r0" "$r1"; do
	cp -p "$r/.mendfs/label" "$T/label.$(basename "$r")"
	sed 's/^read-features = .*/read-features = 4611686018427387904/' "$T/label.$(basename "$r")" |
	    "$RESEAL" >"$r/.mendfs/label"
done
mount_up
same "unknown read feature" content "$(cat "$MNT/file")"
must_fail sh -c "echo x >'$MNT/file'"
must_fail touch "$MNT/new"
grep -q -i 'read-only' "$LOG" || fail "unknown read feature: the log does not say read-only"
mount_down
for r in "$r0" "$r1"; do cp -p "$T/label.$(basename "$r")" "$r/.mendfs/label"; done

# A spoiled intent of a clean volume costs nothing.
for spoil in 'head -c 1000 /dev/urandom' 'head -c 100000 /dev/zero' ':' 'head -c 513 /dev/urandom'; do
	$spoil >"$r0/.mendfs/intent"
	mount_up
	same "spoiled intent" content "$(cat "$MNT/file")"
	echo content >"$MNT/file"
	mount_down
done
fsck_clean

# ---- options and arguments
empty=$T/empty
mkdir "$empty"
REPLICAS=("$r0" "$r1")
refused "no arguments" "usage|mountpoint"
refused "one argument" "usage|mountpoint|conf" "$r0"
refused "unknown option" nonsense -o nonsense "$r0" "$r1" "$MNT"
refused "unknown option with a value" nonsense -o nonsense=1 "$r0" "$r1" "$MNT"
refused "unknown switch" "frobnicate|z" --frobnicate "$r0" "$r1" "$MNT"
refused "codec" "md5" -o codec=md5 "$r0" "$r1" "$MNT"
refused "codec without value" "codec" -o codec "$r0" "$r1" "$MNT"
refused "read policy" "sometimes" -o read=sometimes "$r0" "$r1" "$MNT"
for n in 0 17 -1 two 3 99999999999999999999; do
	refused "min-replicas=$n" "min-replicas" -o min-replicas=$n "$r0" "$r1" "$MNT"
done
refused "log level" "loud" -o log-level=loud "$r0" "$r1" "$MNT"
refused "another codec" "codec|blake2b" -o codec=blake2b "$r0" "$r1" "$MNT"
many=()
for ((i = 0; i < 17; i++)); do mkdir "$T/m$i"; many+=("$T/m$i"); done
refused "seventeen replicas" "16|17" "${many[@]}" "$MNT"
refused "no such volume name" "no-such-volume" no-such-volume
export MENDFS_CODEC=md5
refused "environment" "MENDFS_CODEC|md5" "$r0" "$r1" "$MNT"
unset MENDFS_CODEC

[ -z "${VERBOSE:-}" ] || cat "$T/all" >&2
mount_up
same "after all that" content "$(cat "$MNT/file")"
all_well
