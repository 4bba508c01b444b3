#!/bin/bash
# A replica fills up: writers get ENOSPC, nothing is torn, no replica is dropped,
# and once there is room again all goes on.
. "$(dirname "$0")/lib.sh"

volume_new 1
replica_on ext4 small 24M
REPLICAS+=("$REPLICA")
mount_up
df_blocks() { df -Pk "$1" | awk 'NR == 2 { print $2 }'; }
# In units of its own, so it may be rounded.
total=$(($(df_blocks "$REPLICA") - $(df_blocks "$MNT")))
[ ${total#-} -lt 64 ] || fail "statfs is not the smallest: $(df_blocks "$MNT"), the replica has $(df_blocks "$REPLICA")"
used=$(df -Pk "$MNT" | awk 'NR == 2 { print $4 }')
[ "$used" -le "$(df -Pk "$REPLICA" | awk 'NR == 2 { print $4 + 64 }')" ] || fail "statfs shows more room than there is"

echo precious >"$MNT/precious"
seq 100000 >"$MNT/numbers"
seq 100000 >"$T/numbers"
dd if=/dev/urandom of="$MNT/filler" bs=64k count=1000 status=none 2>"$T/err" && fail "64 MiB on 24 MiB"
grep -q 'No space left' "$T/err" || fail "wanted ENOSPC: $(cat "$T/err")"
# The replicas agree on what went in.
size=$(stat -c %s "$MNT/filler")
[ "$size" -gt $((4 << 20)) ] || fail "only $size bytes went in"
cat "$MNT/filler" >/dev/null || fail "the filler cannot be read"

# Small operations at the brim: each works or fails with ENOSPC, on all replicas alike.
for ((i = 0; i < 200; i++)); do
	mkdir "$MNT/d$i" 2>/dev/null && echo "$i" >"$MNT/d$i/f" 2>/dev/null
	ln -s "$(printf 'x%.0s' {1..200})" "$MNT/l$i" 2>/dev/null
	mv "$MNT/precious" "$MNT/precious.$((i + 1))" 2>/dev/null && mv "$MNT/precious.$((i + 1))" "$MNT/precious"
	cat "$T/numbers" >>"$MNT/numbers.copy" 2>/dev/null
done
fallocate -l 20M "$MNT/reserved" 2>"$T/err" && fail "fallocate of more than there is"
grep -q 'No space left' "$T/err" || fail "wanted ENOSPC of fallocate: $(cat "$T/err")"
setfattr -n user.long -v "$(printf 'v%.0s' {1..3900})" "$MNT/precious" 2>/dev/null
uncached "$MNT/precious" "$MNT/numbers"
same "content at the brim" precious "$(cat "$MNT/precious")"
cmp "$T/numbers" "$MNT/numbers" || fail "numbers"
echo Precious | dd of="$MNT/precious" bs=9 conv=notrunc status=none || fail "overwrite in place on a full volume"
must "$TREESUM" "$MNT" >/dev/null
grep -i -E 'drop|out of sync|degraded' "$LOG" && fail "a replica was dropped for want of space"
grep 'something else than mendfs' "$LOG" && fail "an undone write passes for somebody else's"

# Room again, made through the mount.
rm "$MNT/filler" || fail "rm on a full volume"
rm -f "$MNT/numbers.copy" "$MNT/reserved"
cp "$T/numbers" "$MNT/again" || fail "no room after rm"
# At once, whether the file was closed before, is being proved, or its record waits.
for i in {1..20}; do
	dd if=/dev/zero of="$MNT/big" bs=1M count=12 status=none || fail "$i: no room for the big one"
	rm "$MNT/big"
done
# Written past the cache: what fits is there, what does not fit is not, and it is for want of room.
head -c 65536 /dev/urandom >"$T/old"
cp "$T/old" "$MNT/mixed"
truncate -s 128K "$MNT/mixed"
sync "$MNT/mixed"
dd if=/dev/urandom of="$MNT/direct" bs=1000k count=100 oflag=direct status=none 2>"$T/err" && fail "100 MB on 24 MiB"
grep -q 'No space left' "$T/err" || fail "wanted ENOSPC of a direct write: $(cat "$T/err")"
size=$(stat -c %s "$MNT/direct")
[ $((size % 4096)) -eq 0 ] && [ "$size" -gt 0 ] || fail "a block was written in part: $size bytes"
head -c 128K /dev/urandom >"$T/mixed"
dd if=/dev/zero of="$MNT/last" bs=1k status=none 2>/dev/null
# Data first, and then a hole for which there is no room: how far the disk comes is its own business,
# but what is said to be written is there, and behind it stands what stood there.
dd if="$T/mixed" of="$MNT/mixed" bs=128k oflag=direct conv=notrunc 2>"$T/err" && fail "a hole took what there is no room for"
grep -q 'No space left' "$T/err" || fail "wanted ENOSPC of a direct write into a hole: $(cat "$T/err")"
uncached "$MNT/mixed"
written=$(sed -n 's/^\([0-9]*\) bytes.*/\1/p' "$T/err")
[ "$written" -le 65536 ] || fail "$written bytes written: $(cat "$T/err")"
must cmp -n "$written" "$MNT/mixed" "$T/mixed"
must cmp -i "$written" -n $((65536 - written)) "$MNT/mixed" "$T/old"
cat "$MNT/mixed" >/dev/null || fail "the rest of it cannot be read"
rm "$MNT/direct" "$MNT/last" "$MNT/mixed"
same "overwritten at the brim" Precious "$(cat "$MNT/precious")"
all_well

# Full when it is mounted and unmounted.
mount_up
dd if=/dev/zero bs=64k status=none 2>/dev/null >"$MNT/filler"
dd if=/dev/zero bs=1k status=none 2>/dev/null >>"$MNT/filler"
mount_down
mount_up
rm "$MNT/filler" || fail "rm on a volume that was mounted full"
cmp "$T/numbers" "$MNT/again" || fail "again"
all_well

note "a replica that was away and has less room than the others: a resync leaves the reserve, and goes on when there is room"
volume_new 1
replica_on ext4 less 24M
REPLICAS+=("$REPLICA")
mount_up
echo kept >"$MNT/kept"
sync -f "$MNT"
mv "$REPLICA" "$REPLICA.away"
log_wait 'the volume goes on with 1 of 2' 10
mkdir "$MNT/large"
for i in {1..40}; do dd if=/dev/urandom of="$MNT/large/$i" bs=1M count=1 status=none || fail "40 MiB where there is room"; done
mv "$REPLICA.away" "$REPLICA"
log_wait 'cannot be brought up to date for want of room' 20
# 1/16 of it, and less than one file more.
left=$(df -Pk "$REPLICA" | awk 'NR == 2 { print $4 }')
total=$(df_blocks "$REPLICA")
[ "$left" -ge $((total / 16)) ] || fail "only $left KiB of $total are left"
[ "$left" -le $((total / 16 + 2048)) ] || fail "$left KiB of $total are left, that is more than the reserve"
mendctl status "$MNT" >"$T/status"
grep -q 'no room to bring it up to date' "$T/status" || fail "mendctl status: $(cat "$T/status")"
mendctl resync "$MNT" >/dev/null
sleep 1
same "said so often" 1 "$(log_count 'cannot be brought up to date for want of room')"
echo more >>"$MNT/kept" || fail "the volume is full"
rm -r "$MNT/large"
mendctl resync "$MNT" >/dev/null
log_wait 'in sync again' 20
same "kept" "kept more" "$(paste -s -d ' ' "$MNT/kept")"
grep 'something else than mendfs' "$LOG" && fail "what an earlier attempt made passes for somebody else's"
all_well
