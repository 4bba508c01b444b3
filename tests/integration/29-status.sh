#!/bin/bash
# mendctl status and metrics: what they say is so, healthy, degraded, while a
# replica comes back, and while a disk does not answer.
. "$(dirname "$0")/lib.sh"

needs jq fsfreeze
volume_new 2 ext4
mount_up
status() { mendctl status --json "$MNT" >"$T/status"; }		# its exit status
get() { jq -r "$1 | if . == null then error else . end" "$T/status" || echo "no $1 in $(cat "$T/status")"; }

# ---- all there
status; same "exit status, all in sync" 0 $?
same "redundancy" "2 2 1 false" "$(get '"\(.in_sync) \(.replica_count) \(.redundancy_left) \(.degraded)"')"
same "mountpoint" "$MNT" "$(get .mountpoint)"
same "its paths" "${REPLICAS[0]} ${REPLICAS[1]}" "$(get '.replicas | map(.path) | join(" ")')"
[ $(($(date +%s) - $(get .since))) -lt 60 ] || fail "since when: $(get .since)"
same "space" "$(stat -f -c %a "${REPLICAS[1]}")" "$(($(get '.replicas[1].space.free') / $(stat -f -c %S "${REPLICAS[1]}")))"
must mendctl status "$MNT" >"$T/out"
grep -q '2 of 2 replicas in sync' "$T/out" || fail "in words: $(cat "$T/out")"

# What is written and read is counted on each replica.
head -c 1000000 /dev/urandom >"$MNT/f"
uncached "$MNT/f"
cat "$MNT/f" >/dev/null
status
same "bytes written" "1000000 1000000" "$(get '.replicas | map(.writes.bytes | tostring) | join(" ")')"
[ "$(get '.replicas | map(.reads.bytes) | add')" -ge 1000000 ] || fail "bytes read: $(cat "$T/status")"
[ "$(get '.replicas[0].writes_per_second.bytes')" -gt 0 ] || fail "the rate of writing is 0"
[ "$(get .pending.dirty_regions)" -gt 0 ] || fail "no region is dirty"

# Mended, and unmendable: each block is counted once, however often it is read.
for i in 0 1; do flip "${REPLICAS[i]}/f" 5000; flip "${REPLICAS[i]}/f" 50000; done
flip "${REPLICAS[0]}/f" 100000
read_all "$MNT/f" 2>/dev/null
for i in 1 12 1 12; do
	uncached "$MNT/f"
	dd if="$MNT/f" bs=4096 skip=$i count=1 status=none 2>/dev/null >&2 && fail "block $i was served"
done
dd if="$MNT/f" bs=4096 skip=24 count=1 status=none >"$T/block" || fail "a mendable block"
status; same "exit status with lost blocks" 0 $?
same "unmendable" 2 "$(get .unmendable_blocks)"
same "mended on the first" 1 "$(get '.replicas[0].mended')"

# ---- metrics
must mendctl metrics "$MNT" >"$T/metrics"
awk -v mnt="$MNT" '
	/^# HELP / { if (seen[$3]++) exit 1; name = $3; next }
	/^# TYPE / { if ($3 != name || ($4 == "counter") != (name ~ /_total$/)) exit 1; next }
	{ if (index($0, name "{mountpoint=\"" mnt "\"") != 1 || $NF !~ /^[0-9]+(\.[0-9]+)?$/) exit 1; n++ }
	END { if (n < 40) exit 1 }' "$T/metrics" || fail "metrics: $(cat "$T/metrics")"
grep -qF "mendfs_unmendable_blocks_total{mountpoint=\"$MNT\"} 2" "$T/metrics" || fail "metrics do not count lost blocks"

# ---- wrong words
refused() {
	local text=$1
	shift
	mendctl "$@" >"$T/out" 2>"$T/err"
	same "exit status of mendctl $*" 2 $?
	grep -qF -- "$text" "$T/err" || fail "mendctl $*: $(cat "$T/err")"
}
refused 'no such option' status --fast "$MNT"
refused 'say a number' status --watch=0 "$MNT"
refused 'say a number' status --watch=1s "$MNT"
refused 'which mountpoint' status --json
refused 'one mountpoint' status "$MNT" "$MNT"
refused 'which mountpoint' metrics
mendctl status / 2>/dev/null; same "of no mount" 1 $?

# ---- a disk that does not answer keeps nobody from asking
fsfreeze -f "${REPLICAS[1]}" || fail "fsfreeze"
UNDO+=("fsfreeze -u '${REPLICAS[1]}' 2>/dev/null")
dd if=/dev/zero of="$MNT/stuck" bs=64k count=1 conv=fsync status=none &
CHILDREN+=($!)
sleep 0.5
for i in 1 2 3; do timeout 5 mendctl status --json "$MNT" >"$T/status" || fail "no status while a disk is frozen"; done
timeout 5 mendctl metrics "$MNT" >/dev/null || fail "no metrics while a disk is frozen"
fsfreeze -u "${REPLICAS[1]}"
wait "${CHILDREN[-1]}" || fail "the write that waited"

# ---- one goes, and what it misses is counted
umount -l "$T/v1-r1.fs"
# shellcheck disable=SC2034
gone() { status; [ $? -eq 3 ]; }
await 5 gone || fail "still not degraded: $(cat "$T/status")"
same "redundancy, degraded" "1 0 true" "$(get '"\(.in_sync) \(.redundancy_left) \(.degraded)"')"
same "state" "in-sync away" "$(get '.replicas | map(.state) | join(" ")')"
[ $(($(date +%s) - $(get .since))) -lt 30 ] || fail "degraded since: $(get .since)"
# What was not known to be durable there is noted besides; the top directory at the latest now.
echo x >"$MNT/other"
status
before=$(get '.replicas[1].resync.missed')
mkdir "$MNT/d"
for i in 1 2 3 4 5; do echo $i >"$MNT/d/$i"; done
status
same "missed: a directory and five files" 6 $(($(get '.replicas[1].resync.missed') - before))
mendctl status "$MNT" >"$T/out"
same "exit status in words" 3 $?
grep -q 'degraded' "$T/out" && grep -q "misses" "$T/out" || fail "in words: $(cat "$T/out")"
mount "${LOOPS[1]}" "$T/v1-r1.fs"
await 20 'status' || fail "not in sync again: $(cat "$T/status")"
same "state at last" "in-sync in-sync" "$(get '.replicas | map(.state) | join(" ")')"
same "since when" false "$(get '.replicas[1].since_mount')"

# ---- watching ends with the mount
mendctl status --json --watch=1 "$MNT" >"$T/watch" 2>"$T/err" &
CHILDREN+=($!)
await 5 '[ "$(wc -l <"$T/watch")" -ge 2 ]' || fail "watch shows nothing"
mount_down
wait "${CHILDREN[-1]}"; same "exit status of watch" 0 $?
grep -q 'not mounted any more' "$T/err" || fail "watch said: $(cat "$T/err")"

# ---- after an unclean stop
mount_up
echo x >"$MNT/unclean"
mount_crash
mount_up
await 10 'status; [ "$(jq .reconciling "$T/status")" = null ]' || fail "it reconciles for ever"
# Read-only there is nobody who looks regularly.
remount ro
status; same "read-only" "true true" "$(get '"\(.read_only) \(.replicas[0].space.total > 0)"')"
mount_down
