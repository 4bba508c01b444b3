#!/bin/bash
# Replicas are added to a mounted volume, removed and replaced, in use and
# killed in the midst of it; what cannot be is refused, and nothing changes.
. "$(dirname "$0")/lib.sh"

needs jq
volume_new 1
for i in 1 2 3; do mkdir "$BASE/v1/r$i"; done
dir=$BASE/v1
mkdir "$T/mnt2"
mount_up
mkdir -p "$MNT/a/b"
for ((i = 0; i < 60; i++)); do echo "$i" >"$MNT/a/b/f$i"; done
dd if=/dev/urandom of="$MNT/large" bs=64k count=64 status=none
ln "$MNT/large" "$MNT/a/large"
ln -s b "$MNT/a/link"
setfattr -n user.x -v y "$MNT/a"

note "from one replica to two, and what is open stays open"
exec 3>>"$MNT/open"
echo before >&3
must mendctl add --wait "$MNT" "$dir/r1" >"$T/out"
grep -q "^  $dir/r0 $dir/r1\$" "$T/out" || fail "the new list: $(cat "$T/out")"
grep -q '2 of 2 in sync.*fstab' "$T/out" || fail "what to do: $(cat "$T/out")"
echo after >&3
same "what was open" "before after" "$(paste -sd " " "$MNT/open")"
REPLICAS=("$dir/r0" "$dir/r1")
exec 3>&-
all_well
mount_up
(while :; do for ((i = 0; i < 60; i++)); do echo "$i $RANDOM" >"$MNT/a/b/f$i" && mv "$MNT/a/b/f$i" "$MNT/a/b/g$i" && mv "$MNT/a/b/g$i" "$MNT/a/b/f$i"; done; done) 2>/dev/null &
load=$!
CHILDREN+=("$load")

note "replaced while it is written to"
must mendctl replace --wait "$MNT" "$dir/r1" "$dir/r2" >"$T/out"
grep -q "^  $dir/r0 $dir/r2\$" "$T/out" || fail "the new list: $(cat "$T/out")"
REPLICAS=("$dir/r0" "$dir/r2")
must mendctl add "$MNT" "$dir/r3" >"$T/out"
await 20 '[ "$(mendctl resync "$MNT")" = "all replicas are in sync" ]' || fail "not in sync"

note "removed: a plain tree, which is no replica any more"
must mendctl remove "$MNT" r0 >"$T/out"
{ end_process "$load"; } 2>/dev/null
CHILDREN=()
REPLICAS=("$dir/r2" "$dir/r3")
same "large" "$(md5sum <"$MNT/large")" "$(md5sum <"$dir/r0/large")"
remount
if mendfs -f "$dir/r0" "$T/mnt2" 2>"$T/err"; then fail "a removed replica was mounted"; fi
grep -q 'was removed from its volume' "$T/err" || fail "a removed one alone: $(cat "$T/err")"
mount_down
REPLICAS=("$dir/r0" "$dir/r2" "$dir/r3")
if try_mount; then fail "a removed replica was mounted with the others"; fi
tail -n 1 "$LOG" | grep -q 'was removed from its volume' || fail "a removed one: $(tail -n 1 "$LOG")"
fsck.mendfs -n "${REPLICAS[@]}" >"$T/out" 2>&1
grep -q 'was removed from its volume' "$T/out" || fail "fsck.mendfs with a removed one: $(cat "$T/out")"
REPLICAS=("$dir/r2" "$dir/r3")
fsck_clean
same_replicas

note "killed in the midst of being filled; it is not missed, and comes in when it is named"
mount_up
rm -r "$dir/r1" && mkdir "$dir/r1"
must mendctl add "$MNT" "$dir/r1" >"$T/out"
mount_crash
mount_up
log_wait 'added and was never filled, is missing'
[ "$(mendctl resync "$MNT")" = "1 not in sync: looking for them now" ] || fail "the missing one is not counted"
must mendctl add --wait "$MNT" "$dir/r1" >"$T/out"
REPLICAS=("$dir/r2" "$dir/r3" "$dir/r1")
remount
same "all of it" "all replicas are in sync" "$(mendctl resync "$MNT")"
all_well

note "a missing one is replaced, too"
name_of() { sed -n "s/^member = $(sed -n 's/^replica = //p' "$1/.mendfs/label") .* \"\(.*\)\"\$/\1/p" "$1/.mendfs/label"; }
mv "$dir/r3" "$dir/gone"
gone=$(name_of "$dir/gone")
REPLICAS=("$dir/r2" "$dir/r1")
mount_up degraded
rm -r "$dir/r0" && mkdir "$dir/r0"
must mendctl replace --wait "$MNT" "$gone" "$dir/r0" >"$T/out"
REPLICAS=("$dir/r2" "$dir/r1" "$dir/r0")
remount
same "without the missing one" "all replicas are in sync" "$(mendctl resync "$MNT")"
REPLICAS=("$dir/r2" "$dir/r1" "$dir/r0" "$dir/gone")
mount_down
if try_mount; then fail "the one that was replaced was mounted with the others"; fi
tail -n 1 "$LOG" | grep -q 'is no replica of the volume' || fail "the one that was replaced: $(tail -n 1 "$LOG")"
REPLICAS=("$dir/r2" "$dir/r1" "$dir/r0")
mount_up

note "refused, and nothing changed"
refused() {	# refused STATUS TEXT WORD...
	local want=$1 text=$2 status
	shift 2
	mendctl "$@" >"$T/out" 2>"$T/err" </dev/null
	status=$?
	[ "$status" = "$want" ] || fail "mendctl $*: exit status $status, wanted $want: $(cat "$T/err")"
	[ ! -s "$T/out" ] || fail "mendctl $*: wrote $(cat "$T/out")"
	grep -qF -- "$text" "$T/err" || fail "mendctl $*: wanted '$text', got: $(cat "$T/err")"
}
mkdir "$T/files" "$T/foreign" "$T/new" "$MNT/inside"
echo mine >"$T/files/mine"
mendfs -f "$T/foreign" "$T/mnt2" 2>>"$LOG" &
await 5 'mountpoint -q "$T/mnt2"' || fail "another volume"
umount "$T/mnt2"
wait $!
sleep 1
cp "${REPLICAS[0]}/.mendfs/label" "$T/label"
refused 2 'which directory' add "$MNT"
refused 2 'which directory' add --wait "$MNT"
refused 1 'No such file' add "$MNT" "$T/nothing"
refused 1 'not on a mounted mendfs volume' add / "$T/new"
refused 1 'holds files' add "$MNT" "$T/files"
refused 1 'belongs to another volume' add "$MNT" "$T/foreign"
refused 1 'replica of this volume already' add "$MNT" "${REPLICAS[1]}"
refused 1 'must not lie within another' add "$MNT" "${REPLICAS[1]}/a"
refused 1 'lies within it' add "$MNT" "$dir"
refused 1 'lies within the mountpoint' add "$MNT" "$MNT/inside"
refused 1 'cannot be opened' add "$MNT" "$T/files/mine"
mount --bind "${REPLICAS[1]}" "$T/mnt2"
MOUNTS+=("$T/mnt2")
refused 1 'the same directory as' add "$MNT" "$T/mnt2"
umount "$T/mnt2"
mount -t tmpfs -o ro,size=1m none "$T/mnt2" && refused 1 "$T/mnt2" add "$MNT" "$T/mnt2"
umount "$T/mnt2"
refused 1 'has that name or path' remove "$MNT" r77
refused 2 'which replica' remove "$MNT"
refused 2 'which replica' replace "$MNT" r1
refused 1 'cannot replace itself' replace "$MNT" "${REPLICAS[1]}" "${REPLICAS[1]}"
refused 1 'holds files' replace "$MNT" "${REPLICAS[1]}" "$T/files"
same "labels" "$(cat "$T/label")" "$(cat "${REPLICAS[0]}/.mendfs/label")"
same "the directory with files" mine "$(ls -A "$T/files")"
[ -z "$(ls -A "$T/new")" ] || fail "something was made in $T/new"
rmdir "$MNT/inside"
must mendctl remove "$MNT" "${REPLICAS[2]}" >"$T/out"
unset 'REPLICAS[2]'
must mendctl remove "$MNT" "${REPLICAS[1]}" >"$T/out"
unset 'REPLICAS[1]'
refused 1 'last replica in sync' remove "$MNT" "${REPLICAS[0]}"
must mendctl add --wait "$MNT" "$T/new" >"$T/out"
REPLICAS+=("$T/new")
remount min-replicas=2
refused 1 'min-replicas=2' remove "$MNT" "$T/new"
all_well
mount_up ro
refused 1 'read-only' add "$MNT" "$T/mnt2"
refused 1 'read-only' remove "$MNT" "$T/new"
mount_down
