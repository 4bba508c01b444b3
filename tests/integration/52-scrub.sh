#!/bin/bash
# mendctl scrub: what the disks hold is proved, whatever is cached of it; where it
# was is kept over a pause, a kill and a mount; what is only being changed is no finding.
. "$(dirname "$0")/lib.sh"

needs jq
# The control socket is there a moment after the mount.
up() { mount_up "$@"; await 10 'mendctl resync "$MNT" >/dev/null 2>&1' || fail "no control socket"; }
again() { mount_down; up; }
# What the daemon has read from disks so far.
bytes_read() { sed -n 's/^read_bytes: //p' "/proc/$DAEMON/io"; }
# field EXPRESSION: of the status.
field() { must mendctl scrub status --json "$MNT" | jq -r "$1"; }
through() { must mendctl scrub start --wait "$@" "$MNT" >"$T/scrub.out"; }

# rot_below INDEX PATTERN: on the disk only: the pages that are cached stay as they are.
rot_below() {
	local image at
	image=$(dirname "${REPLICAS[$1]}")
	image=${image%.fs}.img
	sync -f "${REPLICAS[$1]}"
	at=$(grep -a -o -b -m 1 -F "$2" "$image" | head -n 1 | cut -d: -f1)
	[ -n "$at" ] || fail "no '$2' in $image"
	printf '\377' | dd of="$image" bs=1 seek="$at" conv=notrunc status=none
	sync "$image"
}
on_disk() { dd if="$1" iflag=direct bs=1M status=none; }

volume_new 2 ext4
up
mkdir -p "$MNT/a/b" "$MNT/c"
# No two blocks alike; the second one has its tags in pages.
seq -f 'small %g' 1 5000 >"$MNT/a/small"
seq -f 'marker %g of a file of some size' 1 200000 >"$MNT/a/b/large"
echo tiny >"$MNT/c/tiny"
ln "$MNT/c/tiny" "$MNT/c/again"
ln -s tiny "$MNT/c/link"
mkfifo "$MNT/c/fifo"
truncate -s 1G "$MNT/c/hole"
data=$(($(stat -c %s "$MNT/a/small") + $(stat -c %s "$MNT/a/b/large") + 5))
again

same "before the first one" "none is running, and none has ever come to its end" "$(must mendctl scrub status "$MNT")"
before=$(bytes_read)
through
now=$(($(bytes_read) - before))
[ $now -ge $((2 * data)) ] || fail "$now bytes read for 2 * $data"
[ $now -le $((3 * data + 4000000)) ] || fail "$now bytes read for 2 * $data: far more than once"
same "files, directories, others" "5 4 2" "$(field '.last | "\(.files) \(.directories) \(.others)"')"
same "findings" "0 0 0" "$(field '.last | "\(.bad) \(.mended) \(.left)"')"
same "bytes" $((2 * (data + 1024 * 1024 * 1024))) "$(field .last.bytes)"

# Rot that no read would show for as long as the page is cached.
for r in "${REPLICAS[@]}"; do cat "$r/a/small" "$r/a/b/large" >/dev/null; done
rot_below 1 'small 2000'
rot_below 0 'marker 100000 of'
rot_below 1 'marker 150000 of'
cmp "${REPLICAS[0]}/a/small" "${REPLICAS[1]}/a/small" || fail "the cached page is not what it was: this test shows nothing"
on_disk "${REPLICAS[1]}/a/small" | cmp -s - "${REPLICAS[0]}/a/small" && fail "no rot was made: this test shows nothing"
through
same "with rot" "3 3 0" "$(field '.last | "\(.bad) \(.mended) \(.left)"')"
same "lines in the log" 3 "$(log_count 'mended /a/')"
for f in a/small a/b/large; do
	for r in "${REPLICAS[@]}"; do on_disk "$r/$f" | cmp - "$MNT/$f" || fail "$r/$f is not mended on the disk"; done
done
through
same "once more" "0 0 0" "$(field '.last | "\(.bad) \(.mended) \(.left)"')"

# All that can be wrong besides; on a replica that is lying there mounted.
r=${REPLICAS[1]}
id=$(stat -c %i "$MNT/a/b/large")
tags=$(printf '%s/.mendfs/tags/%02x/%016x' "$r" $((id & 255)) "$id")
dd if=/dev/urandom of="$tags" bs=4096 seek=1 count=1 conv=notrunc status=none
setfattr -x user.mendfs "$r/c/tiny"
chmod 0600 "$r/a/small"
ln -sfn elsewhere "$r/c/link"
truncate -s 77 "$r/c/hole"
rm "$r/c/fifo"
touch "$r/a/b"
through
cp "$T/scrub.out" "$T/all.out"
[ "$(field .last.mended)" -ge 7 ] || fail "of seven spoiled things: $(cat "$T/all.out")"
same "not mended" 0 "$(field .last.left)"
through
same "after that" 0 "$(field .last.bad)"

# Paused, killed, mounted, resumed: nothing twice, nothing left out.
total=$(field .last.bytes)
# Of a file with several names it is forgotten over that which were read: one is read again.
rm "$MNT/c/hole" "$MNT/c/again"
for i in 1 2 3 4 5 6; do head -c 2M /dev/urandom >"$MNT/c/r$i"; done
again
through
total=$(field .last.bytes)
must mendctl scrub start --rate 8M "$MNT" >/dev/null
same "a second one" 1 "$(mendctl scrub start "$MNT" 2>/dev/null >&2; echo $?)"
await 10 '[ "$(field .bytes)" -ge 8000000 ]' || fail "it does not get on"
must mendctl scrub pause "$MNT" >"$T/paused"
grep -q '^paused at ' "$T/paused" || fail "paused: $(cat "$T/paused")"
done=$(field .bytes)
[ "$done" -lt "$total" ] || fail "it was through before it was paused"
mount_crash
up
same "after a kill" "paused $done" "$(field '"\(.doing) \(.bytes)"')"
log_wait 'all that was being changed is reconciled'
same "another path" 1 "$(mendctl scrub start "$MNT/c" 2>"$T/err" >&2; echo $?)"
grep -q 'of another path is paused' "$T/err" || fail "another path: $(cat "$T/err")"
before=$(bytes_read)
must mendctl scrub resume --wait "$MNT" >/dev/null
now=$(($(bytes_read) - before))
[ $now -le $((total - done + 8000000)) ] || fail "$now bytes read where $((total - done)) were left"
same "bytes in all" "$total" "$(field .last.bytes)"
same "files in all" 9 "$(field .last.files)"

# A spoiled resume point: anew, and said so.
must mendctl scrub start --rate 1M "$MNT" >/dev/null
must mendctl scrub pause "$MNT" >/dev/null
mount_down
for r in "${REPLICAS[@]}"; do flip "$r/.mendfs/scrub" 40; done
up
log_wait 'scrub is spoiled.*begins anew'
same "after that" nothing "$(field .doing)"

# A subtree; a file; a sample; for a time.
must mendctl scrub start --wait "$MNT/a" >/dev/null
same "a subtree" "2 2 $((2 * (data - 5)))" "$(field '.last | "\(.files) \(.directories) \(.bytes)"')"
must mendctl scrub start --wait "$MNT/a/small" >/dev/null
same "a file" "1 0" "$(field '.last | "\(.files) \(.directories)"')"
same "nothing there" 1 "$(mendctl scrub start --wait "$MNT/nothing" 2>/dev/null >&2; echo $?)"
same "after that" nothing "$(field .doing)"
truncate -s 300M "$MNT/c/hole"
through --sample 20
now=$(field .last.bytes)
[ "$now" -ge $((total / 8)) ] && [ "$now" -le $(((total + 2 * 300 * 1048576) / 3)) ] || fail "a fifth of $((total + 600 * 1048576)): $now"
must mendctl scrub start --rate 1M --for 1s --wait "$MNT" >"$T/for"
grep -q '^paused at ' "$T/for" || fail "--for: $(cat "$T/for")"
must mendctl scrub stop "$MNT" >/dev/null
same "stopped" nothing "$(field .doing)"
for args in "fly $MNT" start "start $MNT $MNT" "start --rate 0 $MNT" "start --rate 5X $MNT" "start --sample 101 $MNT" "start --for 2w $MNT" "pause --wait $MNT" "resume --sample 5 $MNT" "start --fast $MNT"; do
	# shellcheck disable=SC2086
	mendctl scrub $args >/dev/null 2>"$T/err"
	same "mendctl scrub $args" 2 $?
	grep -q usage "$T/err" || fail "mendctl scrub $args: $(cat "$T/err")"
done
for action in pause resume stop; do same "$action, nothing there" 1 "$(mendctl scrub $action "$MNT" 2>/dev/null >&2; echo $?)"; done
all_well

# What is only being changed is no finding.
in_memory
volume_new 2
printf '#!/bin/sh\necho "$MENDFS_EVENT $MENDFS_DETAIL" >>%s\n' "$T/events" >"$T/program"
chmod +x "$T/program"
up "on-event=$T/program"
mkdir "$MNT/work"
oracle=$BUILD/tests/model/oracle
[ -x "$oracle" ] || skip "no $oracle: make check builds it"
"$oracle" --ops "${LONG:+10}4000" --threads 2 --no-spoil "$MNT/work" >"$T/oracle.out" 2>&1 &
CHILDREN+=($!)
runs=0
while alive "${CHILDREN[-1]}"; do
	through
	same "under load, run $runs" "0 0 0" "$(field '.last | "\(.bad) \(.mended) \(.left)"')"
	runs=$((runs + 1))
done
wait "${CHILDREN[-1]}" || fail "the oracle: $(head -n 20 "$T/oracle.out")"
[ $runs -ge 2 ] || fail "only $runs runs under load"
note "$runs runs under load"
same "mended" 0 "$(log_count 'warning: mended')"
await 10 '[ "$(grep -c "^scrub-done .* 0 bad" "$T/events")" -ge 1 ]' || fail "no event: $(cat "$T/events")"
