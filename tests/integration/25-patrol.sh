#!/bin/bash
# The copies that nobody reads: what is in use is proved on every replica, in
# the background, however often and by however many it is used meanwhile.
. "$(dirname "$0")/lib.sh"

needs setfattr getfattr
in_memory
volume_new 2
mount_up
head -c 40000000 /dev/urandom >"$T/large"
head -c 300000 /dev/urandom >"$T/small"
cp "$T/large" "$T/small" "$MNT"
cp "$T/small" "$MNT/written"
mkdir "$MNT/many"
count=3000
for ((i = 0; i < count; i++)); do echo "file $i" >"$MNT/many/$i"; done
remount

# soon WHAT COMMAND...: it comes true within a minute.
soon() {
	local what=$1 i
	shift
	for ((i = 0; i < 600; i++)); do
		"$@" && return 0
		sleep 0.1
	done
	fail "$what: not mended in a minute"
}
equal() { cmp -s "$1" "${REPLICAS[0]}/$2" && cmp -s "$1" "${REPLICAS[1]}/$2"; }
# One block, past the kernel's cache: the daemon knows that the file is in use.
use() { dd if="$1" of=/dev/null bs=4096 count=1 iflag=direct status=none || fail "read of $1"; }
used_equal() { use "$MNT/$2"; equal "$1" "$2"; }

# One read is enough, of another block.
flip "${REPLICAS[0]}/small" 299999
flip "${REPLICAS[1]}/small" 100000
use "$MNT/small"
soon "a file that was opened" equal "$T/small" small

# Larger than a round, and used again long before it is through.
for offset in 0 20000000 39999999; do
	flip "${REPLICAS[0]}/large" $offset
	flip "${REPLICAS[1]}/large" $(((offset + 5000000) % 40000000))
done
soon "a large file that is used all the while" used_equal "$T/large" large

# It grows when its patrol is somewhere in the middle: the end is another then.
use "$MNT/large"
sleep 1.2
exec 5>>"$MNT/large"
head -c 40000000 /dev/urandom | tee -a "$T/large" >&5
exec 5>&-
flip "${REPLICAS[0]}/large" 100
flip "${REPLICAS[1]}/large" 5000
soon "a file that grew" used_equal "$T/large" large

# Somebody has it open all the time.
exec 4<"$MNT/small"
sleep 2
flip "${REPLICAS[0]}/small" 150000
flip "${REPLICAS[1]}/small" 4096
soon "a file that stays open" used_equal "$T/small" small
exec 4<&-

# Written all the while, so that its record is never up to date for long.
(while printf x | dd of="$MNT/written" bs=1 seek=10 conv=notrunc status=none; do :; done) 3<>"$MNT/written" &
writer=$!
CHILDREN+=("$writer")
sleep 1
flip "${REPLICAS[0]}/written" 200000
flip "${REPLICAS[1]}/written" 100000
rest_equal() { cmp -s -i 4096 "$T/small" "${REPLICAS[0]}/written" && cmp -s -i 4096 "$T/small" "${REPLICAS[1]}/written"; }
soon "a file that is being written" rest_equal
kill $writer
wait $writer 2>/dev/null
CHILDREN=()

# Record and tags.
id=$(stat -c %i "$MNT/large")
tags=$(printf '.mendfs/tags/%02x/%016x' $((id & 255)) "$id")
cp "${REPLICAS[1]}/$tags" "$T/tags"
record() { getfattr --absolute-names --only-values -n user.mendfs "$1" 2>/dev/null | cksum; }
same_record() { use "$MNT/$1"; [ "$(record "${REPLICAS[0]}/$1")" = "$(record "${REPLICAS[1]}/$1")" ]; }
flip "${REPLICAS[0]}/$tags" 100000
flip "${REPLICAS[1]}/$tags" 3
tags_equal() { use "$MNT/large"; equal "$T/tags" "$tags"; }
soon "pages of tags" tags_equal
for r in "${REPLICAS[@]}"; do
	setfattr -n user.mendfs -v spoiled "$r/small"
	soon "the record on $r" same_record small
done

# As many as nobody could prove one by one before the unmount, which proves the rest.
for ((i = 0; i < count; i += 100)); do
	flip "${REPLICAS[0]}/many/$i" 1
	flip "${REPLICAS[1]}/many/$((i + 50))" 1
done
cat "$MNT"/many/* >/dev/null
mount_down
for ((i = 0; i < count; i++)); do
	for r in "${REPLICAS[@]}"; do same "$r/many/$i" "file $i" "$(<"$r/many/$i")"; done
done

# A seal that somebody broke: of more than is proved at once, it is put back in the end.
mount_up
head -c 80000000 /dev/urandom >"$MNT/huge"
remount
stamp=$(stat -c %y "${REPLICAS[1]}/huge")
touch "${REPLICAS[1]}/huge"
use "$MNT/huge"
log_wait "huge: was written on replica ${REPLICAS[1]}"
sealed() { [ "$(stat -c %y "${REPLICAS[1]}/huge")" = "$stamp" ]; }
soon "a broken seal" sealed
use "$MNT/huge"
same "lines about the seal" 1 "$(log_count 'huge: was written')"
all_well
